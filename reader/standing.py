"""What the watch has found and still stands, as every reader knows it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from reader.health import Before
from reader.health_reasons import Finding, Key


@dataclass
class Standing:
    """Filled from the watch's bucket; empty where there is no watch.

    :ivar findings: open anomalies and the like, by device.
    :ivar before: devices that were not ok when the watch last looked.
    """

    findings: Mapping[Key, Sequence[Finding]] = field(default_factory=dict)
    before: Mapping[Key, Before] = field(default_factory=dict)
