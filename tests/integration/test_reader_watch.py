"""The watch on a real nats-server: it follows, tells once, goes on after a restart or a kill."""

from __future__ import annotations

import asyncio
import random
import re
import shutil
import signal
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import nats
import orjson
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.errors import NotFoundError
from prometheus_client import generate_latest

from reader.detection import anomaly
from reader.main import PARTS, answer_from
from reader.settings import ReaderSettings
from reader.watching import bucket, fleet_health, forecasts, ownership, session, share_store
from reader.watching.followed_shares import FollowedShares
from spindle import bus
from spindle.service import tasks
from spindle.service.health import Health
from spindle.service.run import Service
from spindle.settings import Settings, load
from spindle.store.base import EventRow, Series, Store
from spindle.timestamps import NS, format_ns
from spindle.timestamps import parse as parse_time
from tests.asking import ask, parts, reading
from tests.servers import Server
from tests.waiting import PATIENCE_SECONDS, until

DISK = Series("DiskUnit", "Latency", "disk-1", "array-1")
WATCHING: dict[str, Any] = {"reader_watch": True}


#: What the readers of a test follow, by their names in the table of shares.
FOLLOWED: dict[str, FollowedShares] = {}


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    FOLLOWED.clear()
    run = session._Session.run

    async def noted(self: session._Session) -> None:
        FOLLOWED[self._me] = self._followed
        await run(self)

    monkeypatch.setattr(session._Session, "run", noted)
    monkeypatch.setattr(session, "TICK_SECONDS", 0.05)
    monkeypatch.setattr(fleet_health, "HEALTH_SECONDS", 0.1)
    monkeypatch.setattr(share_store, "SNAPSHOT_SECONDS", 1.0)
    monkeypatch.setattr(anomaly, "STEP_SECONDS", 1.0)
    monkeypatch.setattr(ownership, "BEAT_SECONDS", 0.1)
    monkeypatch.setattr(ownership, "LEASE_SECONDS", 1.5)


class World:
    """What is published, and what is heard."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.anomalies: list[dict[str, Any]] = []
        self.health: list[dict[str, Any]] = []  # events of it
        self.changes: list[dict[str, Any]] = []
        self.next_ns = (time.time_ns() // NS - 900) * NS  # of the next reading
        self.random = random.Random(5)

    async def listen(self) -> None:
        async def event(message: Msg) -> None:
            said = orjson.loads(message.data)
            (self.anomalies if said["eventType"] == "Anomaly" else self.health).append(said)

        async def changed(message: Msg) -> None:
            self.changes.append(orjson.loads(message.data))

        await self.client.subscribe("events.event.>", cb=event)
        await self.client.subscribe("health.changed.>", cb=changed)
        await self.client.flush()

    def values(self, count: int, mean: float = 2.0) -> list[tuple[int, float]]:
        """Readings a second apart."""
        made = []
        for _ in range(count):
            made.append((self.next_ns, mean + 0.2 * self.random.gauss(0, 1)))
            self.next_ns += NS
        return made

    async def publish(self, count: int, mean: float = 2.0) -> None:
        """Readings of the disk, some in one message, others alone."""
        for at, value in self.values(count, mean):
            one = {
                "timestamp": format_ns(at),
                "sourceDevice": "DiskUnit",
                "metricType": "Latency",
                "value": value,
                "deviceId": "disk-1",
                "arrayId": "array-1",
            }
            many = at % 2
            subject = "events.metrics" if many else "events.metrics.DiskUnit.disk-1"
            await self.client.publish(subject, orjson.dumps([one] if many else one))
        await self.client.flush()

    @property
    def told(self) -> list[int]:
        """Criticalities of the anomalies told."""
        return [each["criticality"] for each in self.anomalies]


@pytest.fixture
async def world(nats_server: Server) -> AsyncIterator[World]:
    client = await nats.connect(f"nats://127.0.0.1:{nats_server.port}")
    await bus.declare(client, load(Settings, nats_url=f"nats://127.0.0.1:{nats_server.port}"))
    world = World(client)
    await world.listen()
    yield world
    await client.close()


def followed(service: Service[ReaderSettings]) -> float:
    return service.registry.get_sample_value("reader_watch_points_total") or 0.0


async def all_followed(client: Client, readers: int) -> None:
    """Wait until every share has an owner that follows it, and so many readers have some."""
    js = client.jetstream()

    async def dealt() -> bool:
        try:
            entry = await (await js.key_value("reader_watch")).get("shares")
        except NotFoundError:  # not there yet
            return False
        owners = orjson.loads(zlib.decompress(entry.value or b""))["owners"]
        return len(set(owners)) == readers and all(
            owner in FOLLOWED and number in FOLLOWED[owner].shares
            for number, owner in enumerate(owners)
        )

    await until(dealt)


def states_saved_since(moment: float) -> bool:
    return all(
        series.saved > moment
        for followed_ in FOLLOWED.values()
        for share in followed_.shares.values()
        for series in share.series.values()
    )


async def test_an_anomaly_is_told_when_it_begins_and_when_it_ends_by_one_of_two_readers(
    nats_server: Server, store: Store, world: World
) -> None:
    async with (
        reading(nats_server, store, **WATCHING) as one,
        reading(nats_server, store, **WATCHING) as two,
    ):
        await all_followed(world.client, 2)
        await world.publish(400)
        await until(lambda: followed(one) + followed(two) == 400)
        assert 0 in (followed(one), followed(two))  # nothing is scored twice
        await world.publish(30, mean=40)
        await until(lambda: world.told == [7])
        reply = await ask(world.client, "anomalies")
        while not reply["data"]:  # the other reader reads the record with its next beat
            reply = await ask(world.client, "anomalies")
        assert reply["source"] == "watch"
        assert [(row["device"], row["lasts"]) for row in reply["data"]] == [("disk-1", True)]
        for scope in ({"device_id": "disk-1"}, {"source_device": "DiskUnit"}):
            narrow = await ask(world.client, "anomalies", **scope)
            while not narrow["data"]:
                narrow = await ask(world.client, "anomalies", **scope)
            assert narrow["source"] == "watch"
            assert [row["from"] for row in narrow["data"]] == [reply["data"][0]["from"]]
        assert (await ask(world.client, "anomalies", device_id="disk-2"))["data"] == []
        await world.publish(60)
        await until(lambda: world.told == [7, 1])
        await asyncio.sleep(0.5)
    assert world.told == [7, 1]
    begin, end = world.anomalies
    assert begin["eventType"] == end["eventType"] == "Anomaly"
    assert "Latency" in begin["eventMessage"]
    assert "over since" in end["eventMessage"]
    assert begin["id"] != end["id"]


async def test_a_restarted_reader_goes_on_where_the_one_before_stopped(
    nats_server: Server, store: Store, world: World
) -> None:
    async with reading(nats_server, store, **WATCHING):
        await all_followed(world.client, 1)
        await world.publish(400)
        await world.publish(20, mean=40)
        await until(lambda: world.told == [7])
    async with reading(nats_server, store, **WATCHING):
        await all_followed(world.client, 1)
        await world.publish(20, mean=40)
        await world.publish(60)
        await until(lambda: world.told == [7, 1])


async def test_when_a_reader_is_killed_another_takes_over_and_tells_nothing_twice(
    nats_server: Server, store: Store, world: World
) -> None:
    settings = ReaderSettings(nats_url=f"nats://127.0.0.1:{nats_server.port}", **WATCHING)
    service = Service("reader", settings, Health("reader", PARTS))
    victim = asyncio.create_task(answer_from(store, service), name="victim")
    await all_followed(world.client, 1)
    await world.publish(400)
    await world.publish(20, mean=40)
    await until(lambda: world.told == [7])
    for _ in range(2):  # the first save may have begun before
        await until(partial(states_saved_since, time.monotonic()))
    victim.cancel()
    await asyncio.wait([victim])
    async with reading(nats_server, store, **WATCHING) as heir:
        await until(lambda: (heir.registry.get_sample_value("reader_watch_series") or 0) == 1)
        await world.publish(20, mean=40)
        await world.publish(60)
        await until(lambda: world.told == [7, 1])
        await asyncio.sleep(0.3)
    assert world.told == [7, 1]


async def test_what_was_missed_is_read_from_the_store_so_that_a_new_watch_is_warm(
    nats_server: Server, store: Store, world: World
) -> None:
    world.next_ns = (time.time_ns() // NS - 290) * NS
    await store.write_points([(DISK, at, value) for at, value in world.values(285)])
    async with reading(nats_server, store, **WATCHING) as service:
        await all_followed(world.client, 1)
        await until(lambda: (service.registry.get_sample_value("reader_watch_series") or 0) == 1)
        await world.publish(20, mean=40)
        await until(lambda: world.told == [7])


async def test_a_change_of_health_is_published_once_and_not_again_after_a_restart(
    nats_server: Server, store: Store, world: World
) -> None:
    hot, now = Series("DiskUnit", "DiskTemp", "hot-1", "array-1"), time.time_ns()
    await store.write_points([(hot, now - n * NS, 66.0) for n in range(30)])
    world.next_ns = now - 5 * NS
    for _ in range(2):
        async with reading(nats_server, store, **WATCHING):
            await all_followed(world.client, 1)
            await world.publish(1)
            await until(lambda: len(world.changes) >= 1)
            await asyncio.sleep(0.5)
            fleet = (await ask(world.client, "fleet_health"))["data"]
            assert [row["device"] for row in fleet["devices"]] == ["hot-1"]
    (event,) = world.health
    assert (event["eventType"], event["deviceId"], event["criticality"]) == (
        "HealthChanged",
        "hot-1",
        8,
    )
    (change,) = world.changes
    assert (change["device"], change["old_state"], change["new_state"]) == (
        "hot-1",
        "ok",
        "critical",
    )
    assert "DiskTemp 66 degC" in change["reasons"][0]["message"]
    later = time.time_ns()
    await store.write_points([(hot, later + n * NS // 10, 30.0) for n in range(300)])
    async with reading(nats_server, store, **WATCHING):
        await all_followed(world.client, 1)
        await world.publish(1)
        await until(lambda: len(world.changes) == 2 and len(world.health) == 2)
    assert world.changes[1]["new_state"] == "ok"
    assert (world.health[1]["criticality"], world.health[1]["eventMessage"]) == (
        1,
        "over: DiskTemp",
    )


async def test_verdicts_are_published_once_and_are_no_readings_of_the_device(
    nats_server: Server, store: Store, world: World
) -> None:
    """Stored as the writer stores them, they change no answer, and nobody hears from a device."""
    heard: list[dict[str, Any]] = []

    async def verdicts(message: Msg) -> None:
        heard.extend(orjson.loads(message.data))

    await world.client.subscribe("health.verdicts", cb=verdicts)
    hot, now = Series("DiskUnit", "DiskTemp", "hot-1", "array-1"), time.time_ns()
    silent = Series("DiskUnit", "DiskTemp", "silent-1", "array-1")
    await store.write_points([(hot, now - n * NS, 66.0) for n in range(30)])
    await store.write_points([(silent, now - n * NS, 30.0) for n in range(3600, 3700)])
    world.next_ns = now - 5 * NS
    answers = []
    for _ in range(2):
        async with reading(nats_server, store, **WATCHING) as service:
            await all_followed(world.client, 1)
            await world.publish(1)
            await until(lambda: len(heard) >= 6)
            await asyncio.sleep(0.5)
            page = generate_latest(service.registry).decode()
            fleet = (await ask(world.client, "fleet_health"))["data"]
            asked = [await ask(world.client, "devices")]
            asked += [await ask(world.client, "anomalies", window_minutes=120)]
            asked += [await ask(world.client, "series", device_id="hot-1", since_minutes=5)]
            answers.append([each["data"] for each in asked])
            assert {row["device"]: row["health"] for row in fleet["devices"]} == {
                "hot-1": "critical",
                "silent-1": "unknown",
            }
        points = [
            (
                Series(each["sourceDevice"], each["metricType"], each["deviceId"], each["arrayId"]),
                parse_time(each["timestamp"]),
                each["value"],
            )
            for each in heard
        ]
        values = {(key.device_id, key.metric_type): value for key, _, value in points}
        assert len(points) == 6  # of each device, once
        assert (values["hot-1", "Health"], values["silent-1", "Health"]) == (3, 1)
        assert (values["hot-1", "Score"] < 31, values["silent-1", "Score"]) == (True, 40)
        await store.write_points(points)
        heard.clear()
    assert answers[0] == answers[1]
    assert 'reader_device_health{array_id="array-1",device_id="hot-1",model=""' in page
    assert 'reason="Silence"' in page
    async with reading(nats_server, store) as service:
        told = (await ask(world.client, "series", metric_type="Health", device_id="hot-1"))["data"]
        assert {row["mean"] for row in told} == {3}
        assert "reader_device_health" not in generate_latest(service.registry).decode()


async def test_where_nothing_is_heard_any_more_the_devices_silence_is_told_all_the_same(
    nats_server: Server, store: Store, world: World
) -> None:
    """As when whatever publishes ended while the reader, or NATS, was away."""
    silent, now = Series("DiskUnit", "DiskTemp", "silent-1", "array-1"), time.time_ns()
    await store.write_points([(silent, now - n * NS, 30.0) for n in range(3600, 3700)])
    async with reading(nats_server, store, **WATCHING, reader_stale_seconds=1) as service:
        await until(lambda: world.health and world.changes)
        page = generate_latest(service.registry).decode()
    assert world.changes[0]["new_state"] == "unknown"
    assert world.health[0]["eventMessage"].startswith("no reading for")
    assert 'kind="silence"' in page


@pytest.mark.fault("h16")
async def test_an_answer_of_the_watch_says_how_many_series_it_leaves_alone(
    nats_server: Server, store: Store, world: World
) -> None:
    async with reading(nats_server, store, **WATCHING, reader_watch_series=1):
        await all_followed(world.client, 1)
        await world.publish(1)
        one = {"timestamp": format_ns(time.time_ns()), "sourceDevice": "DiskUnit", "value": 30.0}
        others = [one | {"metricType": "DiskTemp", "deviceId": f"disk-{n}"} for n in range(5)]
        await world.client.publish("events.metrics", orjson.dumps(others))

        async def said() -> int | None:
            number: int | None = (await ask(world.client, "anomalies")).get("unwatched_series")
            return number

        async def is_said() -> bool:
            return await said() == 5

        await until(is_said)


async def test_identical_questions_are_answered_by_one_look_into_the_store(
    nats_server: Server, store: Store, world: World
) -> None:
    now = time.time_ns()
    await store.write_points([(DISK, now, 2.0)])
    async with reading(nats_server, store, shared_seconds=30) as service:
        await ask(world.client, "devices")
        await store.write_events(
            [EventRow(now, "e", "DiskUnit", "DriveFailure", "disk-9", "", 9, "")]
        )
        again = await ask(world.client, "devices", limit="1000")  # the default, written out
        assert [row["device_id"] for row in again["data"]] == ["disk-1"]
        other = await ask(world.client, "devices", limit=999)
        assert len(other["data"]) == 2
        assert service.registry.get_sample_value("reader_cached_total") == 1


async def test_a_device_that_fills_within_hours_is_told_everywhere_and_its_end_too(
    nats_server: Server, store: Store, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0.5 % a minute: health, event, change of health, forecast and metric name it."""
    monkeypatch.setattr(forecasts, "FIRST_FORECAST_SECONDS", 0.0)
    monkeypatch.setattr(forecasts, "SHORT_TERM_SECONDS", 0.2)
    leak, now = Series("DiskUnit", "CapacityUsed", "leak-1", "array-1"), time.time_ns()
    past = [(leak, now - m * 60 * NS, 70.0 - 0.5 * m) for m in range(12)]
    await store.write_points(past)
    async with reading(nats_server, store, **WATCHING) as service:
        await all_followed(world.client, 1)
        await world.publish(1)
        await until(lambda: any("a minute" in each["eventMessage"] for each in world.health))
        (said,) = world.health
        assert (said["criticality"], said["deviceId"]) == (8, "leak-1")
        # By when it was looked at a step may be cut, as 0.49 % a minute and 100 % in 1.02 h.
        found = re.search(
            r"growing (\S+) % a minute.* 100 % in (\S+) (min|h)", said["eventMessage"]
        )
        assert found is not None, said["eventMessage"]
        assert float(found[1]) == pytest.approx(0.5, rel=0.05)
        hours = float(found[2]) / (60 if found[3] == "min" else 1)
        assert hours == pytest.approx(1, rel=0.1)
        health = (await ask(world.client, "device_health", device_id="leak-1"))["data"]
        assert health["health"] == "critical"
        (row,) = (await ask(world.client, "capacity_forecast"))["data"]
        assert (row["verdict"], row["growth_per_day"]) == ("filling", pytest.approx(720, rel=0.05))
        await until(lambda: any(each["new_state"] == "critical" for each in world.changes))
        labels = {"source_device": "DiskUnit", "device": "leak-1"}
        shown = generate_latest(service.registry).decode()
        (gauge,) = [
            line for line in shown.splitlines() if line.startswith("reader_device_days_until_full{")
        ]
        assert all(value in gauge for value in labels.values())
        assert float(gauge.split()[-1]) == pytest.approx(60 / 1440, rel=0.1)
        await store.write_points([(leak, time.time_ns(), 30.0)])  # somebody cleared it
        await until(lambda: world.health[-1]["criticality"] == 1)
        await until(lambda: world.changes[-1]["new_state"] == "ok")


async def test_a_device_that_will_be_full_soon_is_a_warning_with_the_day(
    nats_server: Server, store: Store, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecasts, "FIRST_FORECAST_SECONDS", 0.0)
    filling, now = Series("DiskUnit", "CapacityUsed", "full-1", "array-1"), time.time_ns()
    hours = range(6 * 24)
    await store.write_points(
        [
            (filling, now - h * 3600 * NS, 84 - h * 0.09 + 0.05 * world.random.gauss(0, 1))
            for h in hours
        ]
    )
    async with reading(nats_server, store, **WATCHING):
        await all_followed(world.client, 1)
        await world.publish(1)
        found: dict[str, Any] = {}

        async def warned() -> bool:
            found.update((await ask(world.client, "device_health", device_id="full-1"))["data"])
            return bool(found["health"] == "warning")

        deadline = time.monotonic() + PATIENCE_SECONDS
        while not await warned():
            assert time.monotonic() < deadline, found
            await asyncio.sleep(0.1)
    (reason,) = found["reasons"]
    assert (reason["metric_type"], reason["limit"]) == ("CapacityUsed", 100)
    assert "100 % in 7" in reason["message"]


async def freeze(server: Server, _: Client) -> None:
    server.send(signal.SIGSTOP)
    await asyncio.sleep(2.0)
    server.send(signal.SIGCONT)


async def delete_the_bucket(_: Server, client: Client) -> None:
    await client.jetstream().delete_key_value("reader_watch")


async def empty(server: Server, client: Client) -> None:
    server.kill()
    shutil.rmtree(server.log.parent / "jetstream")
    server.start()
    await until(lambda: client.is_connected)


@pytest.mark.parametrize("harm", [freeze, delete_the_bucket, empty])
@pytest.mark.fault("2", "3", "h11")
async def test_the_watch_goes_on_whatever_happened_to_nats(
    nats_server: Server,
    store: Store,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    harm: Callable[[Server, Client], Awaitable[None]],
) -> None:
    monkeypatch.setattr(bucket, "_TIMEOUT_SECONDS", 0.5)  # so that two seconds are long
    monkeypatch.setattr(tasks, "STEADY_SECONDS", 1.0)
    async with reading(nats_server, store, **WATCHING) as service:
        await all_followed(world.client, 1)
        await world.publish(1)
        await until(lambda: followed(service) == 1)
        await harm(nats_server, world.client)
        await asyncio.sleep(2.0)
        await all_followed(world.client, 1)
        before = followed(service)

        async def heard() -> bool:
            await world.publish(1)
            return followed(service) > before

        deadline = time.monotonic() + PATIENCE_SECONDS
        while not await heard():
            assert time.monotonic() < deadline, parts(service)
            await asyncio.sleep(0.1)
        restarts = service.registry.get_sample_value(
            "reader_task_restarts_total", {"task": "watch"}
        )
        assert (restarts or 0) >= 1
        await until(lambda: service.health.healthy)
