"""The daemon on a real nats-server that is killed, filled up and emptied under it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import nats
import orjson
import pytest
from nats.aio.client import Client
from nats.js.api import RawStreamMsg
from prometheus_client import CollectorRegistry

from daemon.backlog import MOST_POINTS, Backlog
from daemon.lane import ACK_TIMEOUT_SECONDS
from daemon.messages import Message
from daemon.meters import Meters
from daemon.publisher import Publisher
from daemon.settings import DaemonSettings
from spindle.models import DeviceMetric, Event, decode, parse
from spindle.service.health import Health
from spindle.settings import load
from tests.servers import Server, free_port, nats_server, running
from tests.services import ServiceProcess
from tests.waiting import until

LATER = 2_000_000_000 * 10**9


@dataclass
class Running:
    """A publisher under test, with what can be seen of it."""

    publisher: Publisher
    backlog: Backlog
    health: Health
    registry: CollectorRegistry

    def total(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0

    def part(self, name: str) -> str:
        parts = self.health.report()["parts"]
        assert isinstance(parts, dict)
        return str(parts[name])


Start = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture
def start(nats_server: Server) -> Start:
    """Starts a publisher at the fresh nats-server, with settings of the test's own."""

    @contextlib.asynccontextmanager
    async def started(
        most_points: int = MOST_POINTS, ack_timeout: float = ACK_TIMEOUT_SECONDS, **given: object
    ) -> AsyncIterator[Running]:
        given = {"nats_url": f"nats://127.0.0.1:{nats_server.port}", **given}
        settings = load(DaemonSettings, **given)
        backlog = Backlog(settings.daemon_backlog_bytes, most_points)
        health, registry = Health("daemon", ["nats", "stream"]), CollectorRegistry()
        meters = Meters(registry, backlog)
        publisher = Publisher(settings, health, backlog, meters, ack_timeout=ack_timeout)
        task = asyncio.create_task(publisher.run(), name="publisher")
        try:
            yield Running(publisher, backlog, health, registry)
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    return started


@pytest.fixture
async def client(nats_server: Server) -> AsyncIterator[Client]:
    connection = await nats.connect(
        f"nats://127.0.0.1:{nats_server.port}",
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.1,
    )
    yield connection
    await connection.close()


def numbered(first: int, last: int, size: int = 0) -> list[Message]:
    """Messages ``first`` to ``last`` that say their number, padded to ``size`` bytes."""
    return [
        Message("METRICS", "events.metrics", b'{"n":%d}' % number + b" " * size)
        for number in range(first, last + 1)
    ]


async def stored(client: Client, stream: str) -> list[RawStreamMsg]:
    """Every message in a stream, in its order."""
    js = client.jetstream()
    state = (await js.stream_info(stream)).state
    if not state.messages:
        return []
    sequences = range(state.first_seq, state.last_seq + 1)
    return [await js.get_msg(stream, sequence) for sequence in sequences]


async def take(client: Client, stream: str) -> list[RawStreamMsg]:
    """Every message in a stream, removed from it: makes room, as the writer does."""
    messages = await stored(client, stream)
    for message in messages:
        await client.jetstream().delete_msg(stream, message.seq or 0)
    return messages


def numbers(messages: list[RawStreamMsg]) -> list[int]:
    return [orjson.loads(message.data or b"")["n"] for message in messages]


async def test_what_is_put_in_is_in_the_stream_once_and_in_order(
    start: Start, client: Client
) -> None:
    async with start() as daemon:
        daemon.publisher.put(numbered(1, 2000))
        assert await daemon.publisher.drained(60) == 0
        messages = await stored(client, "METRICS")
        assert numbers(messages) == list(range(1, 2001))
        ids = Counter((message.headers or {})["Nats-Msg-Id"] for message in messages)
        assert set(ids.values()) == {1}
        # The audit tells the publisher's name: who asks could publish under the next id.
        said = (messages[0].headers or {})["Spindle-Number"].split()[0]
        assert not any(said in each for each in ids)
        assert daemon.total("daemon_points_published_total") == 2000
        assert daemon.total("daemon_messages_published_total") == 2000
        assert daemon.total("daemon_backlog_points") == daemon.total("daemon_backlog_bytes") == 0
        assert daemon.part("nats") == daemon.part("stream") == "ok"


async def test_what_is_read_before_nats_is_there_is_published_when_it_comes(
    tmp_path: Path, start: Start
) -> None:
    server = nats_server(tmp_path / "late", port=free_port())
    async with start(nats_url=f"nats://127.0.0.1:{server.port}") as daemon:
        daemon.publisher.put(numbered(1, 100))
        await until(lambda: daemon.part("nats") == "no connection; points wait in the backlog")
        with running(server):
            assert await daemon.publisher.drained(60) == 0
            connection = await nats.connect(f"nats://127.0.0.1:{server.port}")
            assert numbers(await stored(connection, "METRICS")) == list(range(1, 101))
            await connection.close()


async def test_a_killed_nats_server_costs_no_point_and_doubles_none(
    start: Start, client: Client, nats_server: Server
) -> None:
    async with start() as daemon:
        for tick in range(60):
            daemon.publisher.put(numbered(50 * tick + 1, 50 * tick + 50))
            if tick in (20, 40):
                await asyncio.to_thread(nats_server.kill)
            if tick in (25, 50):
                await asyncio.to_thread(nats_server.start)
            await asyncio.sleep(0.05)
        assert await daemon.publisher.drained(30) == 0
        assert sorted(numbers(await stored(client, "METRICS"))) == list(range(1, 3001))
        assert daemon.total("daemon_points_published_total") == 3000
        assert daemon.total("daemon_dropped_total") == 0


async def test_an_overflowing_backlog_drops_the_oldest_counts_exactly_and_says_so_once(
    start: Start, client: Client, nats_server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    async with start(most_points=100, daemon_envelope_size=1) as daemon:
        daemon.publisher.put(numbered(1, 10))
        assert await daemon.publisher.drained(60) == 0
        nats_server.kill()
        await until(lambda: daemon.part("nats") != "ok")
        for number in range(11, 261):
            daemon.publisher.put(numbered(number, number))
        assert daemon.total("daemon_dropped_total") == 150
        assert daemon.total("daemon_backlog_points") == 100
        assert daemon.part("stream") == "the backlog is full, the oldest points are dropped"
        await asyncio.to_thread(nats_server.start)
        assert await daemon.publisher.drained(60) == 0
        assert numbers(await stored(client, "METRICS")) == [*range(1, 11), *range(161, 261)]
        assert daemon.total("daemon_points_published_total") == 110
        assert daemon.part("stream") == "ok"
    told = [text for text in caplog.messages if text.startswith("the backlog")]
    assert len(told) == 2
    assert told[1] == "the backlog has room again; 150 points were dropped since start"


async def test_a_full_stream_refuses_aloud_holds_up_no_events_and_goes_on_when_there_is_room(
    start: Start, client: Client
) -> None:
    async with start(metrics_stream_max_bytes=2**20) as daemon:
        daemon.publisher.put(numbered(1, 200, size=10_000))
        await until(lambda: "is full" in daemon.part("stream"))
        held = int(daemon.total("daemon_backlog_points"))
        there = numbers(await stored(client, "METRICS"))
        assert there == list(range(1, len(there) + 1))
        assert held == 200 - len(there)
        assert daemon.total("daemon_publish_failures_total", reason="stream_full") > 0

        event = Message("EVENTS", "events.event", b'{"n":1}', 1, "event-1")
        daemon.publisher.put([event])
        await until(lambda: daemon.total("daemon_events_published_total") == 1)

        taken: list[int] = []
        async with asyncio.timeout(30):
            while len(taken) < 200:
                taken += numbers(await take(client, "METRICS"))
        assert sorted(taken) == list(range(1, 201))
        assert await daemon.publisher.drained(60) == 0
        assert daemon.total("daemon_dropped_total") == 0
        await until(lambda: daemon.part("stream") == "ok")


async def test_streams_that_were_deleted_are_declared_again(start: Start, client: Client) -> None:
    async with start() as daemon:
        daemon.publisher.put(numbered(1, 5))
        assert await daemon.publisher.drained(60) == 0
        js = client.jetstream()
        await js.delete_stream("METRICS")
        daemon.publisher.put(numbered(6, 10))
        assert await daemon.publisher.drained(60) == 0
        assert numbers(await stored(client, "METRICS")) == [6, 7, 8, 9, 10]
        assert daemon.total("daemon_publish_failures_total", reason="no_stream") > 0


async def test_what_is_not_acknowledged_in_time_is_published_again_under_the_same_id(
    start: Start, client: Client, nats_server: Server
) -> None:
    async with start(ack_timeout=0.5) as daemon:
        daemon.publisher.put(numbered(1, 1))
        assert await daemon.publisher.drained(60) == 0
        nats_server.send(signal.SIGSTOP)
        try:
            last = 1  # a signal takes its time: the first few may still be acknowledged
            while daemon.total("daemon_publish_failures_total", reason="timeout") < 2:
                last += 1
                daemon.publisher.put(numbered(last, last))
                await asyncio.sleep(0.05)
            assert daemon.part("stream") == "no acknowledgement from METRICS in 0.5 s"
        finally:
            nats_server.send(signal.SIGCONT)
        assert await daemon.publisher.drained(60) == 0
        assert sorted(numbers(await stored(client, "METRICS"))) == list(range(1, last + 1))


def small_messages_only(folder: Path) -> Server:
    server = nats_server(folder)
    config = Path(server.command[-1])
    config.write_text(config.read_text().replace("max_payload: 8MB", "max_payload: 64KB"))
    return server


async def test_a_message_that_nats_will_never_take_is_counted_and_holds_nothing_up(
    tmp_path: Path, start: Start
) -> None:
    with running(small_messages_only(tmp_path / "small")) as server:
        async with start(nats_url=f"nats://127.0.0.1:{server.port}") as daemon:
            daemon.publisher.put(numbered(1, 1) + numbered(2, 2, size=100_000) + numbered(3, 3))
            assert await daemon.publisher.drained(60) == 0
            assert daemon.total("daemon_points_published_total") == 2
            assert daemon.total("daemon_dropped_total") == 1
            assert "set a smaller DAEMON_ENVELOPE_SIZE" in daemon.part("stream")


@pytest.fixture
def process(tmp_path: Path, nats_server: Server) -> ServiceProcess:
    return ServiceProcess(
        "daemon",
        tmp_path / "daemon",
        nats_url=f"nats://127.0.0.1:{nats_server.port}",
        generation_interval_seconds=0.1,
        event_probability=1,
        daemon_envelope_size=20,
    )


async def test_the_process_publishes_the_fleet_and_this_machine_and_drains_when_told_to_stop(
    process: ServiceProcess, client: Client, nats_server: Server
) -> None:
    try:
        await asyncio.to_thread(process.start)
        await asyncio.sleep(2)
        nats_server.kill()
        killed_ns = time.time_ns()
        await asyncio.sleep(1)
        back_ns = time.time_ns()

        async def says_so() -> bool:
            return (await asyncio.to_thread(process.health)).get("status") == "failing"

        await until(says_so)
        await asyncio.to_thread(nats_server.start)
        await asyncio.to_thread(process.wait_healthy)
        published = await asyncio.to_thread(process.total, "daemon_points_published_total")
        assert published > 0
        assert await asyncio.to_thread(process.total, "daemon_dropped_total") == 0
    finally:
        code = await asyncio.to_thread(process.stop)
    assert code == 0, process.said()
    assert "Traceback" not in process.said()

    bodies = [message.data or b"" for message in await stored(client, "METRICS")]
    points = [parse(DeviceMetric, item, LATER) for body in bodies for item in decode(body)]
    assert len(points) >= published
    simulated = [point for point in points if (point.array_id or "").startswith("array")]
    per_tick = Counter(point.timestamp for point in simulated)
    assert set(per_tick.values()) == {14 * 4}  # no tick lacks a point, none has one twice
    assert any(killed_ns < tick < back_ns for tick in per_tick)  # read while NATS was away
    assert len(points) > len(simulated)  # and this machine's own

    events = [
        parse(Event, orjson.loads(message.data or b""), LATER)
        for message in await stored(client, "EVENTS")
    ]
    assert len({event.id for event in events}) == len(events)
    assert all(1 <= event.criticality <= 10 for event in events)


async def test_a_daemon_that_is_stopped_while_a_fault_is_on_publishes_its_end(
    nats_server: Server, client: Client, tmp_path: Path
) -> None:
    process = ServiceProcess(
        *("daemon", tmp_path / "daemon"),
        nats_url=nats_server.url,
        generation_interval_seconds=0.1,
        daemon_sources="simulator",
        simulated_faults="overheat:array1-disk3:for=1h",
        simulated_incident_seconds=0,
    )
    await asyncio.to_thread(process.start)
    assert await asyncio.to_thread(process.stop) == 0
    truths = [orjson.loads(each.data or b"") for each in await stored(client, "SIMULATION")]
    assert [truth["phase"] for truth in truths] == ["start", "end"]
    assert truths[0]["id"] == truths[1]["id"]
    assert truths[1]["to"] < truths[0]["to"]


async def test_wrong_settings_are_all_named_and_the_exit_code_is_2(
    tmp_path: Path, nats_server: Server
) -> None:
    process = ServiceProcess(
        "daemon", tmp_path / "daemon", daemon_sources="fish", event_probability=7
    )
    process.start(wait=False)
    assert process.process is not None
    assert await asyncio.to_thread(process.process.wait, 20) == 2
    assert process.said().splitlines() == [
        "daemon: EVENT_PROBABILITY: given '7', expected at most 1",
        "daemon: DAEMON_SOURCES: given 'fish', no source is called 'fish': "
        "expected one or more of simulator, host, smart, parking, separated by commas",
    ]
