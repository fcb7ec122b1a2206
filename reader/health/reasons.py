"""Why a device is not well, each reason with its sentence."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from reader.detection.findings import RANK, Finding, State
from reader.health.limits import Limit, Limits
from reader.health.smart import OWN_WORDS
from spindle import timestamps
from spindle.catalog import DRIVE_GONE, METRICS, Metric, is_smart
from spindle.store.base import NO_ARRAY, DeviceKey, EventRow, Latest
from spindle.timestamps import NS, duration

CRITICAL_EVENT = 8  #: criticality from which an event makes its device critical
ANOMALY, HEALTH = "Anomaly", "HealthChanged"
#: Types of the events that the reader itself publishes; they are no evidence of health again.
OWN_EVENTS = frozenset((ANOMALY, HEALTH))
SILENCE = "Silence"  #: name of the reason that no reading comes
RETIRED = "Retired"  #: of the one that it was retired
CLOCK = "Clock"  #: and of the one that readings are dated after now


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a unit is not ok; severity ``ok``: why it was not, lately.

    :ivar value: the reading in ``unit``, or an event's criticality; None where it is silent.
    :ivar limit: the threshold it reached, in the same unit.
    :ivar time: of the reading or event, RFC 3339.
    :ivar since: when it began, RFC 3339.
    :ivar acknowledged: the severity that it would have, had nobody acknowledged it.
    """

    source_device: str
    device: str
    array_id: str
    metric_type: str | None
    event_type: str | None
    value: float | None
    unit: str
    limit: float | None
    severity: State
    time: str | None
    since: str | None
    message: str
    acknowledged: State | None = None

    @property
    def name(self) -> str:
        """What it is about: a metric type, an event type, ``Silence`` or ``Clock``."""
        return self.metric_type or self.event_type or (CLOCK if self.since is None else SILENCE)


#: Types of events that are named as they are where few names are to be used.
_EVENTS = frozenset(
    (
        *(DRIVE_GONE, "ArrayDegraded", "FileSystemReadOnly"),
        *("DriveFailure", "DataCorruption", "UnauthorizedAccess"),
    )
)
_OF_ARRAYS = frozenset(("ArrayDegraded", "Degraded", "MissingMembers", "FailedMembers"))


def code(reason: Reason) -> tuple[str, str]:
    """What a reason is about, and of what kind that is, as one of few names: for metrics.

    Kinds: ``silence``, ``array``, ``smart``, ``event``, ``reading``. What people call their own
    metrics and events is ``Other``.
    """
    name = reason.name
    if name in (SILENCE, CLOCK):
        return name, "silence" if name == SILENCE else "reading"
    known = name in METRICS or name in _EVENTS
    kind = "event" if reason.metric_type is None else "smart" if is_smart(name) else "reading"
    return (name if known else "Other"), "array" if name in _OF_ARRAYS else kind


def row(reason: Reason) -> dict[str, Any]:
    """One reason as a row of answers and announcements."""
    return {**asdict(reason), "array_id": reason.array_id or None}


def worst_first(reason: Reason) -> tuple[float, float, float, float]:
    """Sort key: severity, then the drive's own word, readings before what they led to, and how far
    past the limit."""
    excess = abs(reason.value / reason.limit) if reason.value and reason.limit else 0.0
    own = reason.metric_type in OWN_WORDS
    return -RANK[reason.severity], not own, reason.event_type is not None, -excess


def reading_past_limit(
    reading: Latest, limits: Limits, severity: State, limit: Limit, since_ns: int, now_ns: int
) -> Reason:
    """The reason for a limit that was reached and not left since."""
    lasting = duration((now_ns - since_ns) / NS)
    unit = f" {limits.unit}" if limits.unit else ""
    message = f"{limits.metric_type} {reading.value:.4g}{unit}"
    if limits.reached(reading.value, limit.enter):
        at = "at or above" if limits.bad == "high" else "at or below"
        how_long = f"for {lasting}" if now_ns - since_ns >= 2 * NS else "just now"
        message += f", {at} {limit.enter:g}{unit} ({severity}) {how_long}"
    elif limits.reached(reading.value, limit.leave):
        message += f", not yet safely back from {limit.enter:g}{unit} ({severity})"
        message += f", which it reached {lasting} ago"
    else:
        better = "below" if limits.bad == "high" else "above"
        message += f", {better} {limit.leave:g}{unit} again but not yet for "
        message += f"{limit.leave_seconds:g} s; it reached {limit.enter:g}{unit} ({severity})"
        message += f" {lasting} ago"
    return Reason(
        *reading.device, limits.metric_type, None, reading.value,
        limits.unit, limit.enter, severity, timestamps.format_ns(reading.time_ns),
        timestamps.format_ns(since_ns), message,
    )  # fmt: skip


def critical_event(event: EventRow, since_ns: int, severity: State, now_ns: int) -> Reason:
    """The reason for a critical event; severity ``ok`` when its trouble is over."""
    what = f"{event.event_type} of criticality {event.criticality}"
    message = f"{what}: {event.message}" if event.message else what
    ago = duration((now_ns - event.time_ns) / NS)
    message = f"{'over: ' if severity == 'ok' else ''}{message} ({ago} ago)"
    return Reason(
        *event.device, None, event.event_type, float(event.criticality),
        "", float(CRITICAL_EVENT), severity, timestamps.format_ns(event.time_ns),
        timestamps.format_ns(since_ns), message,
    )  # fmt: skip


def silence(
    key: DeviceKey, last_read_ns: int, now_ns: int, interval: float, severity: State
) -> Reason:
    """The reason for a device without a reading for too long.

    :param interval: usual seconds between two readings; 0 where not known.
    """
    seen = timestamps.format_ns(last_read_ns)
    message = f"no reading for {duration((now_ns - last_read_ns) / NS)}, last seen {seen[:19]}Z"
    if interval:
        message += f", usually every {duration(interval)}"
    return Reason(*key, None, None, None, "", None, severity, seen, seen, message)


def impossible(reading: Latest, metric: Metric, severity: State) -> Reason:
    """The reason for an impossible value, which tells nothing of the device's state."""
    unit = f" {metric.unit}" if metric.unit else ""
    time = timestamps.format_ns(reading.time_ns)
    possible = f"only {metric.least:g} to {metric.most:.4g}{unit} can"
    if reading.value == metric.no_value:
        possible = "it is what a sensor says that has no value"
    message = f"{metric.name} {reading.value:.4g}{unit} cannot be: {possible}"
    message += "; the sensor or its reading is broken"
    return Reason(
        *(*reading.device, metric.name, None, reading.value, metric.unit),
        *(None, severity, time, time, message),
    )


def clock_ahead(reading: Latest, came_ns: int | None, now_ns: int, severity: State) -> Reason:
    """The reason for a reading dated after now; ``ok`` where other readings are right.

    :param came_ns: when it came; None where that is not known, so that it lay as far ahead as it
        does now, or further.
    """
    dated = timestamps.format_ns(reading.time_ns)
    by = duration((reading.time_ns - (now_ns if came_ns is None else came_ns)) / NS)
    or_more = " or more" if came_ns is None else ""
    came = "" if came_ns is None else f"came at {timestamps.format_ns(came_ns)[:19]}Z and "
    message = f"its clock is {by} ahead{or_more}: its newest reading {came}is dated {dated[:19]}Z"
    if severity == "ok":
        message = f"its clock was ahead: a reading {came}is dated {dated[:19]}Z"
    return Reason(*reading.device, None, None, None, "", None, severity, dated, None, message)


def silent_lately(key: DeviceKey, from_ns: int, to_ns: int, now_ns: int) -> Reason:
    """The reason for a device that was silent and is back."""
    since, until = timestamps.format_ns(from_ns), timestamps.format_ns(to_ns)
    message = (
        f"over: no reading for {duration((to_ns - from_ns) / NS)} until {until[:19]}Z "
        f"({duration((now_ns - to_ns) / NS)} ago)"
    )
    return Reason(*key, None, None, None, "", None, "ok", until, since, message)


def rebuilding(key: DeviceKey, percent: float, time_ns: int) -> Reason:
    """An array gets its redundancy back."""
    time = timestamps.format_ns(time_ns)
    message = f"a rebuild is under way, {percent:.3g} % done"
    return Reason(*key, "RebuildProgress", None, percent, "%", None, "ok", time, time, message)


def back_again(key: DeviceKey, retired_ns: int, note: str, *, another: bool) -> Reason:
    """It was retired, and publishes again; or another drive is in its place."""
    when = timestamps.format_ns(retired_ns)
    message = f"back: it was retired at {when[:19]}Z{f' ({note})' if note else ''}"
    if another:
        message = f"another drive since {when[:19]}Z, {note}"
    return Reason(*key, None, RETIRED, None, "", None, "ok", when, when, message)


def never_heard_of(source_device: str, device: str, lookback_hours: float) -> Reason:
    """The reason for a device of which nothing is known."""
    message = f"nothing was heard of {device} in the last {lookback_hours:g} h"
    key = DeviceKey(source_device, device, NO_ARRAY)
    return Reason(*key, None, None, None, "", None, "unknown", None, None, message)


def from_finding(finding: Finding, reading: float | None = None) -> Reason:
    """The reason for a finding of the watch, of the peers or of a forecast.

    :param reading: the metric's newest reading.
    """
    since = timestamps.format_ns(finding.since_ns)
    message = finding.message
    if reading is not None and finding.is_well_again(reading):
        unit = f" {finding.unit}" if finding.unit else ""
        message += f"; {reading:.4g}{unit} now, over when it stays so"
    return Reason(
        *finding.device, finding.metric_type, None, finding.value,
        finding.unit, finding.limit, finding.severity, since, since, message,
    )  # fmt: skip
