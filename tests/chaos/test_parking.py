"""Parking under repeats, disorder and kills: exactly the visits of a brute-force matcher.

The short form runs with every test run; SPINDLE_TEST_LONG=1 has 10,000 events and ten kills.
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from random import Random

import pytest
from nats.aio.client import Client

from reader.lookups.ledger_evidence import gather
from reader.questions.audit import compare
from spindle import bus, subjects
from spindle.bus import parking_buckets
from spindle.ledger.comparison import Window
from spindle.settings import Settings, load
from spindle.store.base import VisitRow, VisitSelection
from spindle.store.registry import open_store
from spindle.timestamps import format_ns
from tests import parking_events as events
from tests.parking_events import Stay
from tests.servers import Server
from tests.services import ServiceProcess
from tests.waiting import until

LONG = bool(os.environ.get("SPINDLE_TEST_LONG"))
EVENTS, KILLS = (10_000, 10) if LONG else (2_000, 2)
SECONDS = 900 if LONG else 100

pytestmark = pytest.mark.timeout(SECONDS + 60)


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[Client]:
    connection = await bus.connect(settings, "test")
    await bus.declare(connection, settings)
    yield connection
    await connection.close()


def service(name: str, folder: Path, settings: Settings, **given: object) -> ServiceProcess:
    return ServiceProcess(
        name,
        folder,
        nats_url=settings.nats_url,
        store_url=settings.store,
        retention_hours=0,
        **given,
    )


@pytest.fixture
def processes() -> Iterator[Callable[..., ServiceProcess]]:
    started: list[ServiceProcess] = []

    def start(*arguments: object, **given: object) -> ServiceProcess:
        process = service(*arguments, **given)  # type: ignore[arg-type]
        started.append(process)
        return process

    yield start
    for process in started:
        process.stop()


def stay_of(visit: VisitRow) -> Stay:
    entry = None if visit.entry_ns is None else format_ns(visit.entry_ns)
    return visit.plate, entry, format_ns(visit.time_ns)


async def stored(settings: Settings) -> Counter[Stay]:
    """Every visit in the store, and how often."""
    store = open_store(settings)
    try:
        return Counter(map(stay_of, await store.visits(VisitSelection(), 0, 1_000_000)))
    finally:
        await store.close()


def in_csv(path: Path) -> Counter[Stay]:
    if not path.exists():
        return Counter()
    with path.open(newline="") as file:
        return Counter(
            (row["vehicle_plate"], row["entry_date_time"] or None, row["exit_date_time"])
            for row in csv.DictReader(file)
        )


async def everything_is_done(client: Client, settings: Settings, output: Path, visits: int) -> None:
    """So many visits are stored, written down and counted, or time is up."""
    js = client.jetstream()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SECONDS):
            while (  # noqa: ASYNC110 - processes
                sum((await stored(settings)).values()) < visits
                or sum(in_csv(output).values()) < visits
                or (await parking_buckets.read_totals(js)).latency_count < visits
            ):
                await asyncio.sleep(0.5)


async def as_a_brute_force_matcher_says(
    client: Client, settings: Settings, output: Path, sent: list[events.Event]
) -> None:
    """The store, the CSV file, the totals and the vehicles inside."""
    expected, inside = events.brute_force(sent)
    assert set(expected.values()) == {1}
    await everything_is_done(client, settings, output, len(expected))
    await asyncio.sleep(1)  # what would be too much has time to come
    assert await stored(settings) == expected
    assert in_csv(output) == expected
    js = client.jetstream()
    totals = await parking_buckets.read_totals(js)
    unmatched = sum(entry is None for _, entry, _ in expected)
    assert (totals.matched, totals.unmatched) == (len(expected) - unmatched, unmatched)
    assert totals.latency_count == len(expected)
    assert {vehicle.vehicle_plate for vehicle in await parking_buckets.read_inside(js)} == inside
    assert (await js.stream_info("DEADLETTERS")).state.messages == 0
    store = open_store(settings)
    try:
        data = await compare(await gather(client), store, Window(events.NOON, time.time_ns()))
    finally:
        await store.close()
    assert data["complete"], [row["message"] for row in data["missing"]]
    dealt_with = {row["stream"]: row["messages_dealt_with"] for row in data["streams"]}
    assert dealt_with[subjects.PARKING_STREAM] >= len(sent)
    assert dealt_with[subjects.PARKING_SUMMARIES_STREAM] >= len(expected)


async def publish(client: Client, sent: list[events.Event], pause: float = 0.0) -> None:
    """As publishers do that NATS cannot recognise a repeat of.

    :param pause: seconds after every 50.
    """
    js = client.jetstream()
    for start in range(0, len(sent), 50):
        await asyncio.gather(
            *(js.publish(one.subject, one.payload) for one in sent[start : start + 50])
        )
        await asyncio.sleep(pause)


async def test_the_writer_killed_again_and_again_makes_each_visit_once(
    client: Client, settings: Settings, tmp_path: Path, processes: Callable[..., ServiceProcess]
) -> None:
    """20 % of the events come twice, 10 % out of order."""
    random = Random(5)
    history = events.history(EVENTS, 150, random)
    sent = events.delivered(history, 0.1, 0.2, random)
    await publish(client, sent)
    writer = processes("writer", tmp_path, settings, parking_reorder_seconds=10)
    csv_client = processes("client", tmp_path / "client", settings)
    writer.start()
    csv_client.start(wait=False)
    for _ in range(KILLS):
        await until(lambda: recorded(writer) >= EVENTS // (KILLS + 2), 60)
        writer.kill()
        writer.start()
    output = csv_client.folder / "parking_summary.csv"
    await as_a_brute_force_matcher_says(client, settings, output, history)


def recorded(writer: ServiceProcess) -> float:
    """Events that this process has recorded."""
    try:
        return writer.total("parking_events_total")
    except OSError:
        return 0


async def test_two_writers_side_by_side_and_one_killed_make_each_visit_once(
    nats_server: Server,
    influxd: Server,
    client: Client,
    settings: Settings,
    tmp_path: Path,
    processes: Callable[..., ServiceProcess],
) -> None:
    settings = load(
        Settings,
        nats_url=settings.nats_url,
        store_url=f"influxdb://127.0.0.1:{influxd.port}/parking_{os.getpid()}",
        retention_hours=0,
    )
    random = Random(6)
    history = events.history(EVENTS // 4, 60, random)
    sent = events.delivered(history, 0.1, 0.2, random)
    writers = [
        processes("writer", tmp_path / str(n), settings, parking_reorder_seconds=10)
        for n in range(2)
    ]
    csv_client = processes("client", tmp_path / "client", settings)
    publishing = asyncio.create_task(publish(client, sent, 0.5 if LONG else 0.0))
    for process in writers:
        process.start()
    csv_client.start(wait=False)
    for number in range(KILLS if LONG else 1):
        await until(lambda: all(recorded(one) >= 20 for one in writers), 60)
        await asyncio.to_thread(writers[number % 2].kill)
        await asyncio.to_thread(writers[number % 2].start)
    await publishing
    output = csv_client.folder / "parking_summary.csv"
    await as_a_brute_force_matcher_says(client, settings, output, history)
