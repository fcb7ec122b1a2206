"""What goes into a judgement of health, and what comes out. Pure."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from reader.health.limits import Thresholds
from reader.health.reasons import Finding, Key, Reason, State
from spindle.store.base import Bucket, EventRow, Latest


@dataclass(frozen=True, slots=True)
class Rules:
    """By what is judged.

    :ivar stale_ns: silence after which a device is unknown, if not ``UNKNOWN_INTERVALS`` is longer.
    :ivar event_ns: how long an event counts whatever the readings say.
    """

    thresholds: Thresholds
    stale_ns: int
    event_ns: int

    def counts(self, event: EventRow, now_ns: int) -> bool:
        """Whether it makes its device critical, if it is not over."""
        return now_ns - event.time_ns <= self.event_ns


EventId = tuple[str, str, str]  # source_device, device_id, and the event's own


def event_id(event: EventRow) -> EventId:
    """What it is remembered by."""
    return event.source_device, event.device_id, event.event_id


class Before(NamedTuple):
    """What a unit's state was when it was last looked at, and since when."""

    state: State
    since_ns: int


@dataclass(frozen=True)
class Evidence:
    """What is known of some units.

    :ivar readings: the newest of each series.
    :ivar events: of ``CRITICAL_EVENT`` or more, newest first.
    :ivar steps: the last minutes of the units where ``doubtful`` asks for them: by unit, by metric.
    :ivar intervals: usual seconds between two readings, where known.
    :ivar before: units that were not ok.
    :ivar over: events that were found to be over: what is over stays over.
    """

    readings: Sequence[Latest]
    events: Sequence[EventRow] = ()
    steps: Mapping[Key, Mapping[str, Sequence[Bucket]]] = field(default_factory=dict)
    findings: Mapping[Key, Sequence[Finding]] = field(default_factory=dict)
    intervals: Mapping[Key, float] = field(default_factory=dict)
    before: Mapping[Key, Before] = field(default_factory=dict)
    over: Container[EventId] = frozenset()


@dataclass(frozen=True, slots=True)
class Unit:
    """One device, judged.

    :ivar score: 0 (worst) to 100.
    :ivar since_ns: how long it has been in this state, where known.
    :ivar last_seen_ns: its newest reading or event.
    :ivar over: its events that would make it critical, and are over.
    """

    source_device: str
    device_id: str
    array_id: str
    state: State
    score: int
    since_ns: int | None
    last_seen_ns: int
    reasons: tuple[Reason, ...]
    over: tuple[EventRow, ...] = ()
