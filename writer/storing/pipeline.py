"""One stream's way to the store: the thin shell of sockets and clocks around the core."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

from nats.errors import Error as NatsError

from spindle import subjects
from spindle.bus.client import SafeClient
from spindle.errors import (
    BatchRefused,
    BatchTooLarge,
    BusUnavailable,
    StoreDenied,
    StoreError,
)
from spindle.service.health import Health
from spindle.store.base import Written
from writer.storing import deadletter
from writer.storing.batch import Answer, DeadLetter, Delivery, Limits, Mistake, Outcome, Write
from writer.storing.core import Core
from writer.storing.delay import Delay
from writer.storing.intake import ACK, IN_PROGRESS, NAK, Intake
from writer.storing.journal import Journal

log = logging.getLogger("writer.pipeline")

P = TypeVar("P")
P_co = TypeVar("P_co", covariant=True)

# Decoded before others get their turn on the loop: a few milliseconds of work.
MOST_POINTS_AT_ONCE = 4_000
MOST_MESSAGES_AT_ONCE = 500
MOST_MESSAGES_ASKED = 20_000
MOST_LETTERS_AT_ONCE = 64
LETTER_PAUSE_SECONDS = 1.0
IDLE_SECONDS = 5.0
FLUSH_SECONDS = 2

_OUTCOMES: dict[type[StoreError], Outcome] = {
    BatchRefused: Outcome.REFUSED,
    BatchTooLarge: Outcome.TOO_LARGE,
    StoreDenied: Outcome.DENIED,
}


class Decoder(Protocol[P_co]):
    """Payload -> good points and mistakes."""

    def decode(self, payload: bytes, latest_ns: int) -> tuple[Sequence[P_co], list[Mistake]]:
        """:param latest_ns: timestamps after this lie in the future."""


class Pipeline(Generic[P]):
    """Takes from one stream, writes to the store, acknowledges.

    :ivar others: pipelines to the same store.
    :ivar delay: is told of what is stored; None where nobody asks how late it is.
    """

    def __init__(
        self,
        journal: Journal[P],
        decoder: Decoder[P],
        write: Callable[[Sequence[P]], Awaitable[Written | None]],
        limits: Limits,
        health: Health,
        latest_ns: Callable[[], int],
        decode_each: Callable[[Sequence[bytes], int], Sequence[P] | None] | None = None,
    ) -> None:
        """:param decode_each: the points of payloads that hold one good point each, at once and
        quicker than one by one; None where one may not.
        """
        self.stream = journal.stream
        self.journal = journal
        self.delay: Delay | None = None
        self._noting = False
        self.core: Core[P] = Core(limits, random.Random())
        self.others: Sequence[Pipeline[Any]] = ()
        self._decoder = decoder
        self._points_of_each = decode_each or (lambda _payloads, _latest_ns: None)
        self._write = write
        self._health = health
        self._latest_ns = latest_ns
        self._changed = asyncio.Event()  # something arrived or ended
        self._intake: Intake | None = None
        self._letters_out = 0
        self._turned_at = 0.0  # when a turn last began; a long time ago if we were frozen
        self._points_per_message = 1.0  # running mean, to ask for no more than there is room for

    async def run(
        self,
        client: SafeClient,
        declare: Callable[[], Awaitable[None]],
        stopping: asyncio.Event,
        drain_seconds: float,
    ) -> None:
        """Work until told to stop; then store what is in hand, and return the rest.

        :param declare: makes streams and consumers anew, should somebody have deleted them.
        """
        intake = Intake(client, self.stream, subjects.WRITER_CONSUMER, self._changed.set)
        self._intake = intake
        await intake.open()
        self._turned_at = time.monotonic()
        try:
            async with asyncio.TaskGroup() as tasks:
                while not stopping.is_set():
                    if intake.gone and client.is_connected:
                        await self._declare_again(intake, declare)
                    await self._turn(client, intake, tasks, asking=True)
                    await self._wait(intake, stopping)
                await self._drain(client, intake, tasks, drain_seconds)
        finally:  # where it is to be run again, what arrives here is not taken by anybody
            await intake.close()

    async def _turn(
        self, client: SafeClient, intake: Intake, tasks: asyncio.TaskGroup, *, asking: bool
    ) -> None:
        self._changed.clear()
        now = time.monotonic()
        if asking:
            if now - self._turned_at > self.core.limits.lease / 2:  # longer than any wait of ours
                # We were frozen: what lies here may be in another writer's hands by now.
                await intake.reopen()
            most = int(MOST_POINTS_AT_ONCE / self._points_per_message)
            self._decode(intake.take(max(1, min(most, MOST_MESSAGES_AT_ONCE))), now)
        self._turned_at = now
        while write := self.core.next_write(time.monotonic()):
            tasks.create_task(self._store(write), name=f"write to {self.stream}")
        while self._letters_out < MOST_LETTERS_AT_ONCE and (letter := self.core.next_letter()):
            self._letters_out += 1
            tasks.create_task(self._publish_letter(client, letter), name="dead letter")
        for batch in self.core.take_settled():
            if self.delay is not None and batch.points:
                self.delay.stored(batch.deliveries)
            self.journal.add(batch)
        due_at = self.journal.due_at()
        if due_at is not None and not self._noting and time.monotonic() >= due_at:
            self._noting = True
            tasks.create_task(self._note(client), name=f"note of {self.stream}")
        if client.is_connected:
            waiting = self.core.to_extend(time.monotonic())
            await self._tell(client, _replies(waiting), IN_PROGRESS)
            if asking and not intake.gone:
                await self._ask(client, intake)

    async def _note(self, client: SafeClient) -> None:
        """Note what was dealt with, and acknowledge it."""
        try:
            await self._tell(client, await self.journal.note(client), ACK)
        finally:
            self._noting = False
            self._changed.set()

    async def _declare_again(self, intake: Intake, declare: Callable[[], Awaitable[None]]) -> None:
        self._health.failing(self.stream, intake.gone)
        await declare()
        intake.gone = ""
        intake.forget_requests()
        self._health.ok(self.stream)

    async def _ask(self, client: SafeClient, intake: Intake) -> None:
        room = self.core.room() - int(intake.waiting * self._points_per_message)
        messages = min(int(room / self._points_per_message), MOST_MESSAGES_ASKED)
        if room > 0:
            most_bytes = max(client.max_payload, self.core.limits.held_bytes // 3)
            await intake.ask(max(1, messages), most_bytes, time.monotonic())

    async def _wait(self, intake: Intake, stopping: asyncio.Event) -> None:
        if intake.waiting or self._changed.is_set() or stopping.is_set():
            await asyncio.sleep(0)  # others get their turn
            return
        due_at = None if self._noting else self.journal.due_at()
        times = [at for at in (self.core.wake_at(), due_at) if at is not None]
        idle = min(IDLE_SECONDS, self.core.limits.lease / 6)
        seconds = min(times) - time.monotonic() if times else idle
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        await self._changed_within(seconds)

    async def _changed_within(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    @property
    def asking(self) -> bool:
        """There is room for more, and messages are asked for."""
        return self._intake is not None and self.core.room() > 0 and not self._intake.waiting

    def wake(self) -> None:
        """Let the pipeline look again at once for something to do."""
        self._changed.set()

    def connection_changed(self) -> None:
        """The connection was lost or came back: no request of before is answered any more."""
        if self._intake is not None:
            self._intake.forget_requests()
        self._changed.set()

    def _decode(self, messages: list[Delivery], now: float) -> None:
        if not messages:
            return
        count = self._decode_each(messages, now)
        if count is None:
            latest_ns = self._latest_ns()
            decode, take = self._decoder.decode, self.core.take
            count = 0
            for message in messages:
                points, mistakes = decode(message.payload, latest_ns)
                take(message, points, mistakes, now)
                count += len(points) + len(mistakes)
        mean = count / len(messages)
        self._points_per_message += (max(1.0, mean) - self._points_per_message) * 0.2

    def _decode_each(self, messages: list[Delivery], now: float) -> int | None:
        """All at once, if they are of one good point each; None if they are not."""
        payloads = [message.payload for message in messages]
        points = self._points_of_each(payloads, self._latest_ns())
        if points is None:
            return None
        self.core.take_each(messages, points, now)
        return len(points)

    async def _store(self, write: Write[P]) -> None:
        try:
            answer = await self._try(write)
        except asyncio.CancelledError:  # it may or may not have been stored: it is written again
            self.core.answer(write, Answer(Outcome.LATER, "interrupted"), time.monotonic())
            raise
        self.core.answer(write, answer, time.monotonic())
        if answer.outcome in {Outcome.LATER, Outcome.DENIED}:
            self._health.failing("store", answer.reason, self.stream)
        else:
            self._health.ok("store", self.stream)
            for other in self.others:
                if other.core.others_stored(time.monotonic()):
                    other.wake()
        self._changed.set()

    async def _try(self, write: Write[P]) -> Answer:
        try:
            written = await self._write(write.points)
        except StoreError as error:
            kinds = (outcome for kind, outcome in _OUTCOMES.items() if isinstance(error, kind))
            outcome = next(kinds, Outcome.LATER)
            return Answer(outcome, str(error), getattr(error, "retry_after", None))
        except Exception as error:
            # Whatever it is: the batch is kept, and it is said.
            log.error("the store failed unexpectedly", exc_info=error)
            return Answer(Outcome.LATER, f"unexpected {type(error).__name__}")
        return Answer(Outcome.STORED, written=written)

    async def _publish_letter(self, client: SafeClient, letter: DeadLetter) -> None:
        try:
            duplicate = await deadletter.publish_dead_letter(
                client, self.stream, letter.delivery, letter.mistake
            )
        except BusUnavailable as error:
            self._health.failing("deadletters", str(error), self.stream)
            try:
                await asyncio.sleep(LETTER_PAUSE_SECONDS)
            finally:
                self.core.letter_failed(letter)
        except asyncio.CancelledError:  # it may or may not have been kept
            self.core.letter_failed(letter)
            raise
        else:
            self._health.ok("deadletters", self.stream)
            self.core.letter_kept(letter, duplicate=duplicate)
        finally:
            self._letters_out -= 1
            self._changed.set()

    async def _tell(self, client: SafeClient, replies: list[str], what: bytes) -> None:
        """Acknowledge, extend or return; what gets lost is delivered again, which is harmless."""
        try:
            await client.publish_many(replies, what)
        except (NatsError, OSError) as error:
            log.debug("%s not sent: %s", what.decode(), error)

    async def _drain(
        self, client: SafeClient, intake: Intake, tasks: asyncio.TaskGroup, seconds: float
    ) -> None:
        await intake.close()
        await self._tell(client, _replies(intake.take(intake.waiting)), NAK)
        self.core.drain()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not (
            self.core.idle and self.journal.idle and not self._noting
        ):
            await self._turn(client, intake, tasks, asking=False)
            await self._changed_within(0.05)
        left = self.core.held_deliveries()
        if left:
            log.warning("%s: %d messages returned to the stream", self.stream, len(left))
        await self._tell(client, _replies(left), NAK)
        # Closing a socket in which something lies unread can undo what was just sent.
        with contextlib.suppress(NatsError, TimeoutError):
            await client.flush(FLUSH_SECONDS)


def _replies(deliveries: list[Delivery]) -> list[str]:
    return [delivery.reply for delivery in deliveries]
