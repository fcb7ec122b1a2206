"""Numbered points: each number says what its reading or event is, and what must become of it."""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from dataclasses import dataclass
from enum import IntEnum

import orjson

from spindle import subjects, timestamps
from spindle.catalog import VERDICTS

METRIC_TYPES = ("DiskTemp", "IOPs", "Latency", "CapacityUsed")
DEVICES = 40
STEP_NS = 1_001  # between two numbers, so that all nine digits matter
SHARING = 32  # neighbouring numbers whose events share device and time
EVENT_STEP_NS = 1_000_000  # as of a clock that knows milliseconds
HOUR_NS = 3600 * 10**9

_BAD = re.compile(rb"bad-(\d+)")
_SHOWN = 8


class Fate(IntEnum):
    """What must become of a number."""

    NONE = 0
    METRIC = 1
    EVENT = 2
    DEAD = 3


@dataclass(frozen=True, slots=True)
class Message:
    """``id`` is its ``Nats-Msg-Id``, the same at every try; ``points`` are good and bad ones."""

    id: str
    subject: str
    payload: bytes
    points: int = 1


@dataclass(frozen=True, slots=True)
class Metric:
    """A stored row of ``device_metrics``."""

    device_id: str
    metric_type: str
    array_id: str
    time_ns: int
    value: float


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """A stored row of ``events``, with its true time."""

    event_id: str
    device_id: str
    time_ns: int
    criticality: int


class Numbers:
    """Makes messages, and compares what was made with what is stored.

    :ivar fates: of each number, by its place.
    :ivar kinds: of the dead, as the dead letter must say it.
    """

    def __init__(self, seed: int = 1) -> None:
        self.base_ns = time.time_ns() - HOUR_NS
        self.fates = bytearray()
        self.kinds: dict[int, str] = {}
        self._rng = random.Random(seed)
        self._messages = 0

    # -- making ------------------------------------------------------------------------------

    def next_message(self) -> Message:
        """Single messages and envelopes, readings and events, now and then a bad one."""
        dice = self._rng.random()
        if dice < 0.70:
            return self.metrics(1)
        if dice < 0.88:
            return self.metrics(50, with_bad=self._rng.random() < 0.1)
        if dice < 0.94:
            return self.events(1)
        if dice < 0.98:
            return self.events(5, with_bad=self._rng.random() < 0.1)
        return self.garbage()

    def metrics(self, count: int, *, with_bad: bool = False) -> Message:
        """``count`` readings, one of them bad if asked for; a single one is no envelope."""
        bad_at = self._rng.randrange(count) if with_bad else -1
        objects = []
        for place in range(count):
            number = self._number(Fate.DEAD if place == bad_at else Fate.METRIC)
            objects.append(self.reading(number))
            if place == bad_at:
                self.kinds[number] = "invalid"
                objects[-1]["value"] = f"bad-{number}"
        return self._message(subjects.METRICS, objects)

    def events(self, count: int, *, with_bad: bool = False) -> Message:
        """The same of events."""
        bad_at = self._rng.randrange(count) if with_bad else -1
        objects = []
        for place in range(count):
            number = self._number(Fate.DEAD if place == bad_at else Fate.EVENT)
            objects.append(self._event(number))
            if place == bad_at:
                self.kinds[number] = "invalid"
                objects[-1]["criticality"] = f"bad-{number}"
        return self._message(subjects.EVENTS, objects)

    def garbage(self) -> Message:
        """A message that is no JSON."""
        number = self._number(Fate.DEAD)
        self.kinds[number] = "invalid"
        return self._send(subjects.METRICS, f"bad-{number} is no JSON".encode())

    def refused_metrics(self, count: int, bad: dict[int, int]) -> Message:
        """An envelope with readings that only the store refuses.

        :param bad: place -> its time in nanoseconds.
        """
        objects = []
        for place in range(count):
            number = self._number(Fate.DEAD if place in bad else Fate.METRIC)
            objects.append(self.reading(number))
            if place in bad:
                self.kinds[number] = "refused"
                objects[-1]["deviceId"] = f"bad-{number}"
                objects[-1]["timestamp"] = timestamps.format_ns(bad[place] + number)
        return self._message(subjects.METRICS, objects)

    def refused_events(self, count: int, bad: dict[int, int]) -> Message:
        """The same of events."""
        objects = []
        for place in range(count):
            number = self._number(Fate.DEAD if place in bad else Fate.EVENT)
            objects.append(self._event(number))
            if place in bad:
                self.kinds[number] = "refused"
                objects[-1]["id"] = f"bad-{number}"
                objects[-1]["timestamp"] = timestamps.format_ns(bad[place] + number)
        return self._message(subjects.EVENTS, objects)

    def reading(self, number: int) -> dict[str, object]:
        """A number as a reading on the wire."""
        metric = self.metric(number)
        fields: dict[str, object] = {
            "timestamp": timestamps.format_ns(metric.time_ns),
            "sourceDevice": "DiskUnit",
            "metricType": metric.metric_type,
            "value": metric.value,
            "deviceId": metric.device_id,
        }
        return fields | ({"arrayId": metric.array_id} if metric.array_id else {})

    def metric(self, number: int) -> Metric:
        """The row that a number becomes."""
        device = number % DEVICES
        return Metric(
            f"d{device}",
            METRIC_TYPES[number // DEVICES % len(METRIC_TYPES)],
            "a1" if device % 2 else "",
            self.base_ns + number * STEP_NS,
            float(number),
        )

    def event(self, number: int) -> StoredEvent:
        """The row that a number becomes as an event."""
        group = number // SHARING
        time_ns = self.base_ns // EVENT_STEP_NS * EVENT_STEP_NS + group * EVENT_STEP_NS
        return StoredEvent(f"event-{number}", f"e{group % 5}", time_ns, number % 10 + 1)

    def _event(self, number: int) -> dict[str, object]:
        event = self.event(number)
        return {
            "id": event.event_id,
            "criticality": event.criticality,
            "timestamp": timestamps.format_ns(event.time_ns),
            "sourceDevice": "DiskUnit",
            "eventType": "DriveFailure",
            "eventMessage": f'number {number}, "quoted", a \\ and a comma',
            "deviceId": event.device_id,
        }

    def _number(self, fate: Fate) -> int:
        self.fates.append(fate)
        return len(self.fates) - 1

    def _message(self, subject: str, objects: list[dict[str, object]]) -> Message:
        payload = orjson.dumps(objects if len(objects) > 1 else objects[0])
        return self._send(subject, payload, len(objects))

    def _send(self, subject: str, payload: bytes, points: int = 1) -> Message:
        self._messages += 1
        if self._rng.random() < 0.5:  # both forms of subject
            subject = f"{subject}.DiskUnit.d1"
        return Message(f"chaos-{self.base_ns}-{self._messages}", subject, payload, points)

    # -- comparing ---------------------------------------------------------------------------

    @property
    def good(self) -> int:
        """Numbers that must be stored."""
        return self.fates.count(Fate.METRIC) + self.fates.count(Fate.EVENT)

    @property
    def dead(self) -> int:
        """Numbers that must be dead letters."""
        return self.fates.count(Fate.DEAD)

    def comparison(self) -> Comparison:
        """To be told every stored row and every dead letter."""
        return Comparison(self)


class Comparison:
    """Takes in what is stored, row by row, and tells every difference."""

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers
        self._seen = bytearray(len(numbers.fates))
        self._dead: Counter[int] = Counter()
        self._faults: list[str] = []

    def row(self, row: Metric | StoredEvent) -> None:
        """One row of the store."""
        if isinstance(row, Metric):
            self._metric(row)
        else:
            self._event(row)

    def _metric(self, row: Metric) -> None:
        if row.metric_type in VERDICTS:
            return  # the reader's, of the devices that the numbers are of
        number = int(row.value)
        if self._is(number, Fate.METRIC) and row == self._numbers.metric(number):
            self._see(number)
        else:
            self._faults.append(f"stored and never sent so: {row}")

    def _event(self, row: StoredEvent) -> None:
        number = int(row.event_id.removeprefix("event-"))
        if self._is(number, Fate.EVENT) and row == self._numbers.event(number):
            self._see(number)
        else:
            self._faults.append(f"stored and never sent so: {row}")

    def letter(self, payload: bytes, kind: str) -> None:
        """One dead letter."""
        match = _BAD.search(payload)
        number = int(match[1]) if match else -1
        if self._numbers.kinds.get(number) == kind:
            self._dead[number] += 1
        else:
            self._faults.append(f"dead letter of a good point ({kind}): {payload[:200]!r}")

    def _is(self, number: int, fate: Fate) -> bool:
        return 0 <= number < len(self._seen) and self._numbers.fates[number] == fate

    def _see(self, number: int) -> None:
        self._seen[number] = min(2, self._seen[number] + 1)

    def differences(self) -> list[str]:
        """Sentences; none when everything is where it has to be, once."""
        fates, seen = self._numbers.fates, self._seen
        stored = {Fate.METRIC, Fate.EVENT}
        found = {
            "missing": [n for n, fate in enumerate(fates) if fate in stored and not seen[n]],
            "stored twice": [n for n, times in enumerate(seen) if times > 1],
            "without dead letter": [n for n in self._numbers.kinds if not self._dead[n]],
            "dead-lettered twice": [n for n, times in self._dead.items() if times > 1],
        }
        lines = [
            f"{len(them)} {what}: {them[:_SHOWN]} ({Fate(fates[them[0]]).name})"
            for what, them in found.items()
            if them
        ]
        return lines + self._faults[:_SHOWN]
