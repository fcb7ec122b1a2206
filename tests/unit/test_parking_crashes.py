"""The matcher killed between any two of its steps: the same visits, each with one id."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from nats.js.api import RawStreamMsg
from nats.js.errors import APIError, NotFoundError
from prometheus_client import CollectorRegistry

from spindle.parking import key_of
from spindle.service.checked_clock import CheckedClock
from spindle.service.health import Health
from spindle.settings import load
from tests.parking_events import NOON, Event
from writer.parking.bucket import PlateStates
from writer.parking.matcher import Matcher
from writer.settings import WriterSettings

PLATES = "$KV.parking."


class Crash(BaseException):
    """The process ends here; nothing of ours may catch it."""


@dataclass
class Broker:
    """What JetStream keeps, and a limit to how many publications a matcher lives for.

    :ivar lives: publications until the crash; None for ever.
    :ivar kept: whether the broker took the last one.
    """

    values: dict[str, RawStreamMsg] = field(default_factory=dict)
    visits: dict[str, dict[str, Any]] = field(default_factory=dict)
    letters: list[str] = field(default_factory=list)
    sequence: int = 0
    lives: int | None = None
    kept: bool = True

    def jetstream(self, **_: object) -> Broker:
        return self

    async def get_msg(
        self, stream: str, *, subject: str, seq: int | None, direct: bool
    ) -> RawStreamMsg:
        if subject not in self.values:
            raise NotFoundError
        return self.values[subject]

    async def stream_info(self, _: str) -> Any:
        state = SimpleNamespace(first_seq=1, last_seq=1)
        return SimpleNamespace(created=datetime.fromtimestamp(NOON / 1e9, UTC), state=state)

    async def publish(
        self, subject: str, payload: bytes, headers: dict[str, str], msg_ttl: float | None = None
    ) -> Any:
        if self.lives == 0 and not self.kept:
            raise Crash
        duplicate = headers.get("Nats-Msg-Id") in self.visits
        self._keep(subject, payload, headers)
        if self.lives == 0:
            raise Crash
        if self.lives is not None:
            self.lives -= 1
        return SimpleNamespace(seq=self.sequence, duplicate=duplicate)

    def _keep(self, subject: str, payload: bytes, headers: dict[str, str]) -> None:
        self.sequence += 1
        if subject.startswith("$KV."):
            expected = int(headers["Nats-Expected-Last-Subject-Sequence"])
            last = self.values.get(subject)
            if expected != ((last.seq if last else 0) or 0):
                raise APIError(code=400, err_code=10071, description="wrong last sequence")
            message = RawStreamMsg(subject, self.sequence, payload, None, headers)
            self.values[subject] = message
        elif subject == "parking.summary":
            visit = orjson.loads(payload)
            visit.pop("processing_seconds")
            known = self.visits.setdefault(headers["Nats-Msg-Id"], visit)
            assert known == visit
        else:
            self.letters.append(headers["Nats-Msg-Id"])


class Message:
    """One event as NATS delivers it."""

    reply = "$JS.ACK.PARKING.parking.1.1.1.1.0"
    headers = None

    def __init__(self, event: Event) -> None:
        self.subject, self.data = event.subject, event.payload
        self.metadata = SimpleNamespace(timestamp=datetime.fromtimestamp(NOON / 1e9, UTC))
        self.acknowledged = False

    async def ack(self) -> None:
        self.acknowledged = True


async def matched(events: list[Event], broker: Broker) -> None:
    """Deliver each event until it is acknowledged; a matcher that dies is followed by another."""
    for event in events:
        message = Message(event)
        while not message.acknowledged:
            matcher = matcher_on(broker)
            try:
                for key, cell in await matcher._record(message):  # type: ignore[arg-type]
                    await matcher._publish(key, cell)
            except Crash:
                broker.lives = None
    for subject in list(broker.values):  # what a matcher sees in the bucket when it starts
        if not subject.startswith(PLATES):
            continue  # the ledger's record
        key = subject.removeprefix(PLATES)
        matcher = matcher_on(broker)
        await matcher._publish(key)
        cell = await PlateStates(broker, 3600).read(key)  # type: ignore[arg-type]
        assert cell.state.outbox == ()


def matcher_on(broker: Broker) -> Matcher:
    settings, health = load(WriterSettings), Health("writer")
    clock = CheckedClock(settings, health)

    async def declare() -> None:
        """Everything is there."""

    registry = CollectorRegistry()
    return Matcher(broker, settings, health, registry, declare, clock)  # type: ignore[arg-type]


def entry(number: int, plate: str = "B-1") -> Event:
    return Event("entry", f"e{number}", plate, NOON + number)


def leave(number: int, plate: str = "B-1") -> Event:
    return Event("exit", f"x{number}", plate, NOON + number)


HISTORIES = {
    "in order": [entry(1), leave(2), entry(3), leave(4)],
    "the exit first": [leave(2), entry(1), entry(3)],
    "repeated": [entry(1), entry(1), leave(2), leave(2), entry(1), leave(2)],
    "two in disorder": [entry(1), entry(3), leave(4), leave(2)],
    "two vehicles": [entry(1), entry(2, "B 2"), leave(3, "B 2"), leave(4)],
}


@pytest.mark.parametrize("name", HISTORIES)
async def test_killed_before_or_after_any_publication_the_visits_are_the_same(name: str) -> None:
    calm = Broker()
    await matched(HISTORIES[name], calm)
    assert calm.visits
    for lives, kept in itertools.product(range(calm.sequence + 1), (False, True)):
        broker = Broker(lives=lives, kept=kept)
        await matched(HISTORIES[name], broker)
        assert broker.visits == calm.visits, (lives, kept)
        assert inside(broker) == inside(calm), (lives, kept)


def inside(broker: Broker) -> set[str]:
    """Keys that are listed."""
    return {
        subject.removeprefix(PLATES)
        for subject, message in broker.values.items()
        if subject.startswith(PLATES) and (message.headers or {}).get("KV-Operation") != "DEL"
    }


async def test_two_matchers_that_change_one_plate_at_once_lose_nothing() -> None:
    broker = Broker()
    messages = [Message(entry(1)), Message(leave(2)), Message(entry(3)), Message(leave(4))]

    async def take(message: Message) -> None:
        matcher = matcher_on(broker)
        for key, cell in await matcher._record(message):  # type: ignore[arg-type]
            await matcher._publish(key, cell)

    await asyncio.gather(*map(take, messages))
    assert sorted(visit["entry_date_time"][-2:] for visit in broker.visits.values()) == ["1Z", "3Z"]
    assert inside(broker) == set()
    plates = {subject for subject in broker.values if subject.startswith(PLATES)}
    assert plates == {f"$KV.parking.{key_of('B-1')}"}
