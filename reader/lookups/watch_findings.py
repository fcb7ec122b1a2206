"""What the watch has found and still stands, as every reader knows it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reader.detection.findings import DeviceKey, Finding
from reader.health.evidence import PreviousState


@dataclass
class Standing:
    """Filled by the watch; empty where there is none.

    :ivar watching: the watch runs, so that ``rows`` are all there is.
    :ivar rows: anomalies that last or lasted lately, as ``anomalies`` shows them.
    :ivar findings: those that last, by device.
    :ivar before: devices that were not ok when the watch last looked.
    """

    watching: bool = False
    rows: Sequence[Mapping[str, Any]] = ()
    findings: Mapping[DeviceKey, Sequence[Finding]] = field(default_factory=dict)
    before: Mapping[DeviceKey, PreviousState] = field(default_factory=dict)
