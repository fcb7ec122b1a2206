"""What the watch has found, as answers and judgements of health use it. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from reader.detection.anomaly import Anomaly
from reader.detection.findings import Finding
from reader.health.evidence import PreviousState
from reader.lookups.known.decisions import Decisions
from reader.lookups.known.facts import KnownFacts
from spindle.store.base import DeviceKey, SeriesKey


@dataclass
class WatchFindings:
    """Filled by the watch; empty where none runs.

    :ivar watching: the watch runs, so that ``anomalies`` are complete but for ``unwatched``.
    :ivar anomalies: those that last or ended lately.
    :ivar unwatched: how many series the watch leaves alone: see ``READER_WATCH_SERIES``.
    :ivar since: from when on ``anomalies`` are complete, in seconds since the epoch.
    :ivar learning: series of which it is not known yet what is usual, and the seconds until it is.
    :ivar lasting: the findings that still last, by device.
    :ivar previous_states: devices that were not ok when the watch last judged the fleet.
    :ivar judged: that was lately: whoever is not among ``previous_states`` is ok.
    :ivar full_at: when devices that fill up will be full, in seconds since the epoch.
    :ivar facts: what devices say they are.
    :ivar decisions: what people decided about them.
    """

    watching: bool = False
    anomalies: Sequence[Anomaly] = ()
    unwatched: int = 0
    since: float = 0.0
    learning: Mapping[SeriesKey, float] = field(default_factory=dict)
    lasting: Mapping[DeviceKey, Sequence[Finding]] = field(default_factory=dict)
    previous_states: Mapping[DeviceKey, PreviousState] = field(default_factory=dict)
    judged: bool = False
    full_at: Mapping[DeviceKey, float] = field(default_factory=dict)
    facts: KnownFacts = field(default_factory=KnownFacts)
    decisions: Decisions = field(default_factory=Decisions)

    def hides(self, device: DeviceKey, time_ns: int = 0) -> bool:
        """Whether answers leave out what a device said, or what was found of it, at a time."""
        return self.facts.hides(device) or self.decisions.hides(device, time_ns)
