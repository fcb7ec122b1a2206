"""One small world per test: a nats-server, a store, writers, a publisher; then the reckoning."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Self

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.errors import Error as JetStreamError

from reader.lookups.ledger_evidence import gather
from reader.questions.audit import compare
from spindle import bus, subjects
from spindle.bus import deadletters
from spindle.ledger.comparison import Window
from spindle.settings import Settings, load
from spindle.store.registry import open_store
from tests import servers
from tests.chaos.ledgers import LedgerWatch, Readings
from tests.chaos.numbers import Comparison, Message, Numbers
from tests.chaos.publisher import Publisher, connect
from tests.chaos.stores import Influx, StoreUnderTest, store_under_test
from tests.services import ServiceProcess

LONG = bool(os.environ.get("SPINDLE_TEST_LONG"))
#: Longest wait for anything that must come to pass; the broker alone may take 30 s to redeliver.
PATIENCE_SECONDS = 120.0
#: For writers whose messages are delivered again after a kill: in the short form soon.
SOON_AGAIN: Mapping[str, object] = {} if LONG else {"spindle.bus.streams.ACK_WAIT_SECONDS": 5.0}
RATE = 150.0  # messages per second, about 1,500 points
STREAMS = (subjects.METRICS_STREAM, subjects.EVENTS_STREAM)


def long_or_short(long: float, short: float) -> float:
    """What the long form takes, and the short."""
    return long if LONG else short


def rounds(short: int = 1) -> range:
    """Of one harm: ten in the long form."""
    return range(int(long_or_short(10, short)))


async def until(
    holds: Callable[[], Awaitable[object]], what: str, seconds: float = PATIENCE_SECONDS
) -> None:
    """Wait for something to come true."""
    deadline = time.monotonic() + seconds
    while not await holds():
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain for: {what}"
        await asyncio.sleep(0.05)


class World:
    """What a scenario is handed.

    :ivar notes: said with the test's outcome.
    """

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.folder = folder
        self.nats = servers.nats_server(folder / "nats")
        self.store: StoreUnderTest = store_under_test(kind, folder)
        self.numbers = Numbers()
        self.writers: list[ServiceProcess] = []
        self.notes: list[str] = []
        self._watch: LedgerWatch
        self._client: Client
        self._broker_killed = False
        self._cleanup = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            for server in (self.nats, self.store):
                stack.push_async_callback(asyncio.to_thread, _stop, server)
                await asyncio.to_thread(server.start)
            self._client = await connect(f"nats://{self.nats.url}")
            stack.push_async_callback(self._client.close)
            await bus.declare(self._client, self.settings)
            stack.push_async_callback(self._stop_writers)
            self._watch = await stack.enter_async_context(LedgerWatch(self.writers))
            self._cleanup = stack.pop_all()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._cleanup.aclose()

    @property
    def client(self) -> Client:
        """The test's own connection."""
        return self._client

    @property
    def settings(self) -> Settings:
        return load(Settings, nats_url=f"nats://{self.nats.url}", store_url=self.store.url)

    @property
    def influx(self) -> Influx:
        assert isinstance(self.store, Influx)
        return self.store

    # -- writers -----------------------------------------------------------------------------

    async def start_writer(
        self, constants: Mapping[str, object] | None = None, **settings: object
    ) -> ServiceProcess:
        """A further writer; by default with the store as it is, and healthy on return."""
        given = {
            "nats_url": f"nats://{self.nats.url}",
            "nats_monitor_url": self.nats.ready_url.removesuffix("/healthz"),
            "store_url": self.store.url,
            **settings,
        }
        writer = ServiceProcess("writer", self.folder, **given)
        writer.constants.update(constants or {})
        self.writers.append(writer)
        await asyncio.to_thread(writer.start)
        return writer

    async def restart(self, writer: ServiceProcess) -> None:
        """Start a killed or stopped writer again, with what it was started with."""
        await asyncio.to_thread(writer.start)

    async def kill(self, writer: ServiceProcess) -> None:
        """``kill -9`` while it holds points that the broker has not heard the end of."""
        await until(lambda: self.holds(writer, 1), "the writer to hold points")
        writer.kill()

    async def stop(self, writer: ServiceProcess) -> float:
        """SIGTERM; the seconds it took. It must end with exit code 0."""
        start = time.monotonic()
        code = await asyncio.to_thread(writer.stop, PATIENCE_SECONDS)
        assert code == 0, f"exit code {code}:\n{writer.said()}"
        return time.monotonic() - start

    async def holds(self, writer: ServiceProcess, points: int) -> bool:
        """It has at least so many points in hand."""
        readings = await self.readings(writer)
        return readings is not None and readings.sum("writer_in_flight_points") >= points

    async def readings(self, writer: ServiceProcess) -> Readings | None:
        """Its metrics now; None while it does not answer."""
        return await self._watch.look(writer)

    async def part(self, writer: ServiceProcess, name: str = "store") -> str:
        """What its ``/healthz`` says of a part: ``ok`` or why not."""
        report = await asyncio.to_thread(writer.health)
        parts = report.get("parts")
        return str(parts.get(name, "")) if isinstance(parts, dict) else ""

    async def well(self, writer: ServiceProcess) -> bool:
        """Its store works."""
        return await self.part(writer) == "ok"

    async def until_part_says(self, writer: ServiceProcess, what: str) -> None:
        """``/healthz`` is red, and says why."""

        async def says() -> bool:
            return what in await self.part(writer)

        await until(says, f"/healthz to say of the store: {what}")
        assert (await asyncio.to_thread(writer.health))["status"] == "failing"

    async def _stop_writers(self) -> None:
        for writer in self.writers:
            writer.send(signal.SIGCONT)
            writer.kill()

    # -- the broker --------------------------------------------------------------------------

    def jetstream(self) -> JetStreamContext:
        """Of the test's own connection."""
        return self._client.jetstream()

    async def restart_broker(self, seconds_away: float) -> None:
        """``kill -9``, and start it again on the same files and port."""
        self._broker_killed = True
        self.nats.kill()
        await asyncio.sleep(seconds_away)
        await asyncio.to_thread(self.nats.start)

    # -- publishing --------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def publishing(
        self, rate: float = RATE, make: Callable[[], Message] | None = None
    ) -> AsyncIterator[Publisher]:
        """Numbered points flow inside; at the end all of them are acknowledged by their streams."""
        publisher = self.publisher(make or self.numbers.next_message, rate)
        task = asyncio.create_task(publisher.run(), name="publisher")
        try:
            yield publisher
            publisher.enough()
            await asyncio.wait_for(task, PATIENCE_SECONDS)
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def publisher(self, make: Callable[[], Message], rate: float) -> Publisher:
        """One that publishes only what is made."""
        return Publisher(self._client, make, rate)

    async def pause(self, seconds: float) -> None:
        """Let things go on for so long; no proof of anything."""
        await asyncio.sleep(seconds)

    # -- reckoning ---------------------------------------------------------------------------

    async def waiting(self) -> int:
        """Messages in the telemetry streams; -1 while the broker does not answer."""
        js = self._client.jetstream(timeout=2)
        try:
            return sum([(await js.stream_info(name)).state.messages for name in STREAMS])
        except (NatsError, JetStreamError, TimeoutError):
            return -1

    async def redeliveries(self) -> int:
        """How often a message was delivered that had been delivered before."""
        js = self._client.jetstream(timeout=5)
        total = 0
        for name in STREAMS:
            delivered = (await js.consumer_info(name, subjects.WRITER_CONSUMER)).delivered
            assert delivered is not None
            total += delivered.consumer_seq - delivered.stream_seq
        return total

    async def quiet(self, seconds: float = PATIENCE_SECONDS) -> None:
        """Everything is acknowledged: the streams are empty."""

        async def empty() -> bool:
            return await self.waiting() == 0

        try:
            await until(empty, "the streams to be empty", seconds)
        except AssertionError as error:
            tails = "\n".join(writer.said() for writer in self.writers)
            raise AssertionError(
                f"{error}; {await self.waiting()} messages wait\n{tails}"
            ) from None

    async def stored_once(self) -> None:
        """The same of what is stored alone, where NATS lost its letters or never numbered them."""
        comparison = self.numbers.comparison()
        await asyncio.to_thread(self._compare_rows, comparison)
        differences = [each for each in comparison.differences() if "dead letter" not in each]
        assert not differences, "\n".join(differences)
        assert not self._watch.faults, "\n".join(self._watch.faults)
        self.notes.append(f"{self.numbers.good} points stored, each once")

    async def nothing_lost(self, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait for quiet; then every number is stored once or a dead letter once, as it has to be,
        and every ledger added up at every look."""
        await self.quiet(seconds)
        comparison = self.numbers.comparison()
        await asyncio.to_thread(self._compare_rows, comparison)
        async for letter in deadletters.letters(deadletters.js_of(self._client)):
            comparison.letter(letter.payload, letter.kind)
        differences = comparison.differences()
        assert not differences, "\n".join(differences)
        await self._ledgers_fit()
        await self.audit_finds_nothing()
        again = 0 if self._broker_killed else await self.redeliveries()
        self.notes.append(
            f"{self.numbers.good} points stored and {self.numbers.dead} dead letters, all there; "
            f"{again} redeliveries; {self._watch.looks} looks at the ledgers"
        )

    async def audit_finds_nothing(self) -> None:
        """``./run.sh audit`` says the same, by what the pipeline itself knows."""
        client = await bus.connect(self.settings, "test")
        evidence = await gather(client)
        await bus.close(client)
        store = open_store(self.settings)
        try:
            now = time.time_ns()
            data = await compare(evidence, store, Window(self.numbers.base_ns, now))
        finally:
            await store.close()
        assert data["complete"], [row["message"] for row in data["missing"]]
        counted = sum(row["points_dealt_with"] for row in data["publishers"])
        stored = sum(row["stored"] for row in data["store"])
        self.notes.append(f"the audit knows of {counted} numbered points and {stored} new ones")

    def _compare_rows(self, comparison: Comparison) -> None:
        for row in self.store.rows():
            comparison.row(row)

    async def _ledgers_fit(self) -> None:
        for writer in self.writers:
            await self.readings(writer)
        assert not self._watch.faults, "\n".join(self._watch.faults)
        assert self._watch.looks, "no ledger was ever read"
        stored, duplicates = self._watch.total("stored"), self._watch.total("duplicate")
        first = stored - duplicates  # of points at their first delivery
        if not self._broker_killed:  # else it may have forgotten what it delivered
            assert first <= self.numbers.good, f"{first} stored at first delivery"
        if not self._watch.killed:  # else the last counts of the killed are not known
            assert stored >= self.numbers.good, f"{stored} stored of {self.numbers.good}"
            assert self._watch.total("dead_lettered") >= self.numbers.dead


def _stop(server: servers.Server | StoreUnderTest) -> None:
    if isinstance(server, servers.Server):
        server.kill()
    else:
        server.stop()
