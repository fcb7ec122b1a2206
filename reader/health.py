"""Is a device well? Pure: the latest readings and recent critical events in, a verdict out.

A unit is *critical* when a reading is at or past the catalogue's critical threshold or it sent an
event of criticality 8 or more lately, *warning* when one is at or past the warning threshold,
*unknown* when nothing was heard of it for too long, else *ok*. A class is the worst of its members;
a member of unknown health is worse than one that is ok: nobody knows that all is well.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from spindle import catalog, timestamps
from spindle.store.base import EventRow, Latest

State = Literal["ok", "unknown", "warning", "critical"]
#: From best to worst.
RANK: dict[State, int] = {"ok": 0, "unknown": 1, "warning": 2, "critical": 3}
CRITICAL_EVENT = 8  # criticality from which an event makes its device critical
MOST_REASONS = 20  # an answer names the worst so many; its counts are of all


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a unit is not ok.

    :ivar value: the reading in ``unit``, or an event's criticality; None where it is silent.
    :ivar limit: the threshold it reached, in the same unit.
    :ivar time: of the reading or event, RFC 3339.
    """

    source_device: str
    device: str
    metric_type: str | None
    event_type: str | None
    value: float | None
    unit: str
    limit: float | None
    severity: State
    time: str | None
    message: str


@dataclass(frozen=True, slots=True)
class Unit:
    """One device, judged.

    :ivar last_seen_ns: its newest reading or event.
    """

    source_device: str
    device_id: str
    state: State
    last_seen_ns: int
    reasons: tuple[Reason, ...]


def judge(
    readings: Iterable[Latest], events: Iterable[EventRow], now_ns: int, stale_ns: int
) -> list[Unit]:
    """Every unit that the readings and events speak of.

    :param readings: the newest reading of each series.
    :param events: recent ones, already of ``CRITICAL_EVENT`` or more.
    :param stale_ns: a reading older than this says nothing about now.
    """
    read: defaultdict[tuple[str, str], list[Latest]] = defaultdict(list)
    happened: defaultdict[tuple[str, str], list[EventRow]] = defaultdict(list)
    for reading in readings:
        read[reading.source_device, reading.device_id].append(reading)
    for event in events:
        happened[event.source_device, event.device_id].append(event)
    return [
        _judge_unit(key, read.get(key, []), happened.get(key, []), now_ns, stale_ns)
        for key in sorted(read.keys() | happened.keys())
    ]


def _judge_unit(
    key: tuple[str, str],
    readings: Sequence[Latest],
    events: Sequence[EventRow],
    now_ns: int,
    stale_ns: int,
) -> Unit:
    heard = [*(reading.time_ns for reading in readings), *(event.time_ns for event in events)]
    last_read = max((reading.time_ns for reading in readings), default=None)
    fresh = [reading for reading in readings if now_ns - reading.time_ns <= stale_ns]
    reasons = [_from_event(event) for event in events]
    reasons += [reason for reading in fresh if (reason := _from_reading(reading)) is not None]
    if last_read is not None and not fresh:
        reasons.append(_silent(key, last_read, now_ns))
    reasons.sort(key=_worst_first)
    state = reasons[0].severity if reasons else "ok"
    return Unit(*key, state, max(heard), tuple(reasons))


def _worst_first(reason: Reason) -> tuple[float, float]:
    excess = abs(reason.value / reason.limit) if reason.value and reason.limit else 0.0
    return -RANK[reason.severity], -excess


def _from_reading(reading: Latest) -> Reason | None:
    metric = catalog.metric(reading.metric_type)
    if metric is None or metric.bad == "neither":
        return None
    limits: tuple[tuple[State, float | None], ...] = (
        ("critical", metric.critical),
        ("warning", metric.warning),
    )
    for severity, limit in limits:
        if limit is not None and _reached(metric, reading.value, limit):
            words = "at or above" if metric.bad == "high" else "at or below"
            message = (
                f"{metric.name} {reading.value:.4g} {metric.unit}, "
                f"{words} {limit:g} {metric.unit} ({severity})"
            )
            return Reason(
                reading.source_device,
                reading.device_id,
                metric.name,
                None,
                reading.value,
                metric.unit,
                limit,
                severity,
                timestamps.format_ns(reading.time_ns),
                message,
            )
    return None


def _reached(metric: catalog.Metric, value: float, limit: float) -> bool:
    return value >= limit if metric.bad == "high" else value <= limit


def _from_event(event: EventRow) -> Reason:
    what = f"{event.event_type} of criticality {event.criticality}"
    return Reason(
        event.source_device,
        event.device_id,
        None,
        event.event_type,
        float(event.criticality),
        "",
        float(CRITICAL_EVENT),
        "critical",
        timestamps.format_ns(event.time_ns),
        f"{what}: {event.message}" if event.message else what,
    )


def _silent(key: tuple[str, str], last_read_ns: int, now_ns: int) -> Reason:
    time = timestamps.format_ns(last_read_ns)
    message = f"no reading for {_ago(now_ns - last_read_ns)}"
    return Reason(*key, None, None, None, "", None, "unknown", time, message)


def _ago(ns: int) -> str:
    seconds = ns // timestamps.NS
    for size, name in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {name}"
    return f"{seconds} s"


def answer(
    device: str, source_device: str | None, units: Sequence[Unit], lookback_hours: float
) -> dict[str, Any]:
    """``{device, health, source_device, last_seen, counts, reasons}``; row 13 is its first two.

    :param device: what was asked about: a class or one unit.
    """
    counts = Counter(unit.state for unit in units)
    last_seen = max((unit.last_seen_ns for unit in units), default=None)
    reasons = sorted((reason for unit in units for reason in unit.reasons), key=_worst_first)
    never = Reason(
        source_device or "", device, None, None, None, "", None, "unknown", None,
        f"nothing was heard of {device} in the last {lookback_hours:g} h",
    )  # fmt: skip
    classes = {unit.source_device for unit in units}
    return {
        "device": device,
        "health": max(counts, key=RANK.__getitem__, default="unknown"),
        "source_device": source_device or (classes.pop() if len(classes) == 1 else None),
        "last_seen": None if last_seen is None else timestamps.format_ns(last_seen),
        "counts": {state: counts[state] for state in RANK},
        "reasons": [asdict(reason) for reason in (reasons if units else [never])[:MOST_REASONS]],
    }
