"""The evidence that health is judged by, and the judged device."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from reader.detection.findings import Finding, State
from reader.health.decisions import Acknowledgement, Retired
from reader.health.limits import Limits, Thresholds
from reader.health.reasons import Reason
from reader.health.smart import DRIVE_LIMITS, Drive
from reader.health.smart_rules import Growth
from spindle.store.base import Bucket, DeviceKey, EventRow, Latest, SeriesKey

_BY_DRIVE = frozenset(metric for metric, _ in DRIVE_LIMITS)
EventKey = tuple[str, str, str]  # source_device, device_id, event_id


def event_key(event: EventRow) -> EventKey:
    """The identity of an event."""
    return event.source_device, event.device_id, event.event_id


@dataclass(frozen=True, slots=True)
class Rules:
    """The limits and times that devices are judged by.

    :ivar stale_ns: silence after which a device is unknown; longer where ten of its usual
        intervals are.
    :ivar event_ns: how long a critical event counts where no reading shows that it is over.
    :ivar drive_of: what is known of a real drive; None of whatever is none.
    """

    thresholds: Thresholds
    stale_ns: int
    event_ns: int
    drive_of: Callable[[DeviceKey], Drive | None] = lambda _: None

    def limits_of(self, metric_type: str, key: DeviceKey) -> Limits | None:
        """Limits of one metric of one unit; None where nothing is bad."""
        if metric_type in self.thresholds.unlimited:
            return None
        kind = ""
        if metric_type in _BY_DRIVE and (drive := self.drive_of(key)) is not None:
            kind = drive.kind
        return self.thresholds.limits_of(metric_type, *key, kind)

    def is_recent(self, event: EventRow, now_ns: int) -> bool:
        """Whether the event still makes its device critical, unless it is resolved."""
        return now_ns - event.time_ns <= self.event_ns


class PreviousState(NamedTuple):
    """A device's state when it was last judged, and the time from which it has had it.

    :ivar told: of its reasons that events have told of: the severity by name.
    """

    state: State
    since_ns: int
    told: Mapping[str, State] = MappingProxyType({})


#: Where an earlier version wrote down a state and not of which array the device was.
ANY_ARRAY = "*"


def last_state(states: Mapping[DeviceKey, PreviousState], key: DeviceKey) -> PreviousState | None:
    """The state that a device was in; None where it was ok."""
    return states.get(key) or states.get(key._replace(array_id=ANY_ARRAY))


@dataclass(frozen=True)
class Evidence:
    """Everything that is known of the devices that are to be judged.

    :ivar readings: the newest of each series.
    :ivar ahead: readings dated after now, one of each device whose clock is or was ahead, by what
        its series say.
    :ivar came: of series with such a reading its time, and when it came, where that is known.
    :ivar events: those of criticality ``CRITICAL_EVENT`` or more, newest first.
    :ivar buckets: the last minutes, by device and metric type, of devices that were looked at
        closely.
    :ivar findings: of the watch, the peers and the forecast, by device.
    :ivar intervals: usual seconds between two readings of a device; 0 where it has reported too
        seldom to tell.
    :ivar silences: between which readings nothing came lately, of devices that are back.
    :ivar previous_state: of the devices that were not ok when they were last judged.
    :ivar resolved_events: events that earlier looks found to be over; they stay so.
    :ivar growths: how much more SMART counters are than they were, by device and metric type.
    :ivar acknowledged: reasons that somebody knows of, by class and device id.
    :ivar retired: devices that were retired, alike; those that are judged are back.
    """

    readings: Sequence[Latest]
    events: Sequence[EventRow] = ()
    buckets: Mapping[DeviceKey, Mapping[str, Sequence[Bucket]]] = field(default_factory=dict)
    findings: Mapping[DeviceKey, Sequence[Finding]] = field(default_factory=dict)
    intervals: Mapping[DeviceKey, float] = field(default_factory=dict)
    ahead: Mapping[DeviceKey, Latest] = field(default_factory=dict)
    came: Mapping[SeriesKey, tuple[int, int]] = field(default_factory=dict)
    silences: Mapping[DeviceKey, tuple[int, int]] = field(default_factory=dict)
    previous_state: Mapping[DeviceKey, PreviousState] = field(default_factory=dict)
    resolved_events: Container[EventKey] = frozenset()
    growths: Mapping[DeviceKey, Mapping[str, Growth]] = field(default_factory=dict)
    acknowledged: Mapping[tuple[str, str], Sequence[Acknowledgement]] = field(default_factory=dict)
    retired: Mapping[tuple[str, str], Sequence[Retired]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unit:
    """One device, judged.

    :ivar score: 0 (worst) to 100.
    :ivar since_ns: time from which it has been in this state; None where not known.
    :ivar last_seen_ns: time of its newest reading or event.
    :ivar reasons: the worst first.
    :ivar resolved_events: its recent critical events that are over.
    :ivar last_read_ns: time of its newest reading, 0 where there is none.
    :ivar silent: no reading came for so long that it is a reason.
    :ivar lost: of an array, members that are missing or have failed.
    """

    source_device: str
    device_id: str
    array_id: str
    state: State
    score: int
    since_ns: int | None
    last_seen_ns: int
    reasons: tuple[Reason, ...]
    resolved_events: tuple[EventRow, ...] = ()
    last_read_ns: int = 0
    silent: bool = False
    lost: int = 0

    @property
    def key(self) -> DeviceKey:
        """The identity of the device."""
        return DeviceKey(self.source_device, self.device_id, self.array_id)
