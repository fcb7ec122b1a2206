"""The matcher: entries and exits from NATS -> the bucket ``parking`` -> visits. The shell.

What a message says is recorded in the state of its plate by compare-and-set, decisions with it, and
only then acknowledged; from the state's outbox it is published, and only then taken out. Whenever
a matcher is killed, another sees in the bucket what is left to do. Nothing is lost, and what is
done twice has the same id twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from prometheus_client import CollectorRegistry

from spindle import parking, subjects
from spindle.bus import buckets
from spindle.errors import BusUnavailable
from spindle.models import MAX_PAYLOAD_BYTES
from spindle.service.checked_clock import CheckedClock
from spindle.service.health import Health
from spindle.service.tasks import cancelled, lasting
from spindle.timestamps import NS
from writer.metrics import ParkingMeters
from writer.parking import codec, core
from writer.parking.agenda import PlateAgenda, Watermark
from writer.parking.bucket import TIMEOUT_SECONDS, Cell, PlateStates
from writer.parking.outbox import Outbox
from writer.parking.state import Passage, Rules
from writer.settings import WriterSettings
from writer.storing import deadletter
from writer.storing.batch import Mistake, gathered
from writer.storing.intake import delivery
from writer.storing.journal import Journal, state_of

log = logging.getLogger("writer.parking")

PART = "parking"
REMEMBER_SECONDS = 86_400  #: a repeat of a passage that is over comes within a day, or never
NEVER_NS = 2**62  #: so long is remembered what is over, while the clock is in doubt
EVERY_SECONDS = 0.25  # how often is looked whether something has waited long enough
LEDGER_SECONDS = 5.0
OUTBOX_SECONDS = 3.0  # after which somebody else's outbox is emptied
PAUSE_SECONDS = 0.5
FETCH_SECONDS = 5.0
CHANGES_AT_ONCE = 500
PUBLISHING_AT_ONCE = 32

TROUBLE = (NatsError, BusUnavailable, OSError)


class Matcher:
    """One writer's share of the matching; any number may run at once."""

    def __init__(
        self,
        client: Client,
        settings: WriterSettings,
        health: Health,
        registry: CollectorRegistry,
        declare: Callable[[], Awaitable[None]],
        clock: CheckedClock,
    ) -> None:
        self._client = client
        self._js: JetStreamContext = client.jetstream(timeout=TIMEOUT_SECONDS)
        self._health = health
        self._declare = declare
        self._clock = clock
        self._rules = rules(settings)
        self._in_doubt = replace(self._rules, remember_ns=NEVER_NS)
        self._agenda = PlateAgenda(self._rules)
        self._watermark = Watermark()
        self._meters = ParkingMeters(registry, lambda: len(self._agenda.inside))
        self._bucket = PlateStates(self._js, REMEMBER_SECONDS)
        self._outbox = Outbox(client, self._js, self._bucket, self._meters)
        self._publishing = asyncio.Semaphore(PUBLISHING_AT_ONCE)
        self._journal: Journal[Passage] = Journal(subjects.PARKING_STREAM, health)
        self._noting = asyncio.Lock()  # one note at a time

    async def run(self) -> None:
        """Match until cancelled. What is not done then stays where the next one finds it."""
        never = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            works = {
                "take": self._take,
                "watch": self._watch,
                "end": self._end,
                "ledger": self._keep_ledger,
            }
            for name, work in works.items():
                loop = lasting(self._again(name, work, tasks), never)
                tasks.create_task(loop, name=f"parking: {name}")

    async def _again(
        self,
        name: str,
        work: Callable[[asyncio.TaskGroup], Awaitable[None]],
        tasks: asyncio.TaskGroup,
    ) -> None:
        """Work for ever; when NATS gets in the way, say so, declare what is missing, go on."""
        while not cancelled():
            try:
                await work(tasks)
            except TROUBLE as error:
                self._ill(name, f"NATS does not answer: {error or type(error).__name__}")
            except Exception as error:  # the telemetry beside it goes on, whatever it is
                log.error("parking: %s failed unexpectedly", name, exc_info=error)
                self._ill(name, f"unexpected {type(error).__name__}")
            await asyncio.sleep(PAUSE_SECONDS)
            if self._client.is_connected:
                await self._declare()

    def _ill(self, name: str, reason: str) -> None:
        self._health.failing(PART, reason, name)

    def _well(self, name: str) -> None:
        self._health.ok(PART, name)

    # -- taking --------------------------------------------------------------------------------

    async def _take(self, tasks: asyncio.TaskGroup) -> None:
        stream, consumer = subjects.PARKING_STREAM, subjects.PARKING_CONSUMER
        async for messages in self._messages(stream, consumer, 1, "take"):
            for message in messages:
                for key, cell in await self._record(message):
                    tasks.create_task(self._publish(key, cell), name="parking: publish")

    async def _record(self, message: Msg) -> list[tuple[str, Cell]]:
        """Record what a message says, note it in the ledger, and acknowledge it; the plates that
        have something to say."""
        now_ns = self._clock.nats_ns()
        taken_ns = int(message.metadata.timestamp.timestamp() * NS)
        times = codec.Times(taken_ns, now_ns, self._clock.latest_ns())
        most = MAX_PAYLOAD_BYTES
        told = codec.read(message.subject, message.data, times, most)
        for mistake in gathered(told.mistakes):
            await self._publish_dead_letter(message, mistake)
        owing = []
        for plate, passages in told.passages.items():
            key = parking.key_of(plate)
            cell = await self._advance(key, passages, 0)
            if cell is not None and cell.state.outbox:
                owing.append((key, cell))
        async with self._noting:
            self._journal.add_one(delivery(message), told.count)
            await self._journal.note(self._client)
        await message.ack()
        return owing

    async def _publish_dead_letter(self, message: Msg, mistake: Mistake) -> None:
        stream = subjects.PARKING_STREAM
        await deadletter.publish_dead_letter(self._client, stream, delivery(message), mistake)
        self._meters.invalid.inc(mistake.count)

    async def _advance(self, key: str, arrivals: list[Passage], recorded_ns: int) -> Cell | None:
        """Change a plate's state, whoever else does so too; None where it stays as it is.

        What may or may not have been written before is recognised.
        """
        plate = parking.plate_of(key)
        while True:
            cell = await self._bucket.read(key)
            now_ns = self._clock.nats_ns()
            kept = self._in_doubt if self._clock.in_doubt else self._rules
            step = core.advance(cell.state, plate, arrivals, now_ns, recorded_ns, kept)
            if step.state == cell.state:
                self._meters.duplicates.inc(len(arrivals))
                return None
            try:
                cell = await self._bucket.write(key, cell, step.state)
            except buckets.Overtaken:
                self._meters.conflicts.inc()
                continue
            self._meters.duplicates.inc(len(arrivals) - len(step.fresh))
            for passage in step.fresh:
                self._meters.recorded.labels(passage.kind).inc()
            return cell

    async def _publish(self, key: str, cell: Cell | None = None) -> None:
        """Empty a plate's outbox; where that fails, it is done later, here or elsewhere."""
        try:
            async with self._publishing:
                await self._outbox.empty(key, cell)
        except TROUBLE as error:
            self._ill("publish", f"visits wait to be published: {error or type(error).__name__}")
        else:
            self._well("publish")

    # -- watching ------------------------------------------------------------------------------

    async def _watch(self, tasks: asyncio.TaskGroup) -> None:  # noqa: ARG002 - as the others
        """Follow every plate's state, from what it is now."""
        self._agenda.forget()
        plates = buckets.Bucket(self._js, subjects.PARKING_BUCKET)
        consumer = await plates.follow()
        async for changes in self._messages(plates.stream, consumer, CHANGES_AT_ONCE, "watch"):
            now = time.monotonic()
            for change in changes:
                key, entry = plates.change(change)
                self._agenda.update(key, codec.decode(entry.value), now)

    async def _end(self, tasks: asyncio.TaskGroup) -> None:
        """End what has waited long enough, and empty outboxes that somebody left behind."""
        while not cancelled():
            await asyncio.sleep(EVERY_SECONDS)
            if not self._client.is_connected:
                continue
            now = time.monotonic()
            for key in self._agenda.outboxes(now - OUTBOX_SECONDS):
                self._agenda.put_off(key, now)
                tasks.create_task(self._publish(key), name="parking: publish")
            if self._clock.in_doubt:  # a stay that is long by a wrong clock is not ended
                continue
            now_ns = self._clock.nats_ns()
            if self._agenda.due(now_ns):
                await self._look(now_ns)
            recorded_ns = self._watermark.recorded_ns
            for key in self._agenda.due(recorded_ns):
                cell = await self._advance(key, [], recorded_ns)
                if cell is not None and cell.state.outbox:
                    tasks.create_task(self._publish(key, cell), name="parking: publish")
            self._well("end")

    async def _keep_ledger(self, tasks: asyncio.TaskGroup) -> None:  # noqa: ARG002 - as the others
        """Note what the stream is, and say which visits it acknowledged, for the audit."""
        while not cancelled():
            if self._client.is_connected:
                self._journal.seen(await state_of(self._client, subjects.PARKING_STREAM))
                async with self._noting:
                    await self._journal.note(self._client)
                await self._outbox.claim()
                self._well("ledger")
            await asyncio.sleep(LEDGER_SECONDS)

    async def _look(self, now_ns: int) -> None:
        stream = subjects.PARKING_STREAM
        last = (await self._js.stream_info(stream)).state.last_seq
        info = await self._js.consumer_info(stream, subjects.PARKING_CONSUMER)
        floor = info.ack_floor.stream_seq if info.ack_floor else 0
        outstanding = (info.num_pending or 0) + (info.num_ack_pending or 0)
        self._watermark.look(now_ns, last, floor, outstanding)

    async def _messages(
        self, stream: str, consumer: str, at_once: int, name: str
    ) -> AsyncIterator[list[Msg]]:
        """What a consumer delivers; ends when the consumer is gone."""
        pull = await self._js.pull_subscribe_bind(consumer, stream=stream)
        try:
            while not cancelled():
                await self._js.consumer_info(stream, consumer)  # raises where it is gone
                self._well(name)
                with contextlib.suppress(TimeoutError):
                    while not cancelled():
                        yield await pull.fetch(at_once, timeout=FETCH_SECONDS)
        finally:
            with contextlib.suppress(NatsError):
                await pull.unsubscribe()


def rules(settings: WriterSettings) -> Rules:
    """The settings that the core goes by, in nanoseconds."""
    return Rules(
        reorder_ns=int(settings.parking_reorder_seconds * NS),
        settle_ns=int(settings.parking_settle_seconds * NS),
        max_stay_ns=int(settings.parking_max_stay_hours * 3600 * NS),
        remember_ns=REMEMBER_SECONDS * NS,
    )
