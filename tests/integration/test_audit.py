"""The audit on real servers: every way of losing an acknowledged point is named."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

import orjson
import pytest
from nats.aio.client import Client
from nats.js.api import DiscardPolicy
from prometheus_client import CollectorRegistry

from daemon.backlog import Backlog
from daemon.messages import Message
from daemon.meters import Meters
from daemon.parking.lot import Passage
from daemon.parking.source import message
from daemon.publisher import Publisher
from reader.lookups.ledger_evidence import gather
from reader.questions.audit import compare
from spindle import bus, subjects
from spindle.bus import streams
from spindle.bus.buckets import Bucket
from spindle.errors import BusUnavailable
from spindle.ledger.comparison import Window
from spindle.service.health import Health
from spindle.settings import Settings, load
from spindle.store.registry import open_store
from spindle.timestamps import NS, format_ns
from tests import servers
from tests.services import ServiceProcess
from tests.waiting import until

METRICS = subjects.METRICS_STREAM
ACK_WAIT_SECONDS = 3.0


class World:
    """nats-server, a store, a writer, and somebody who publishes.

    :ivar made: readings published so far.
    """

    def __init__(self, client: Client, settings: Settings, writer: ServiceProcess) -> None:
        self.client = client
        self.settings = settings
        self.writer = writer
        self.made = 0

    def payloads(self, count: int) -> list[bytes]:
        """New readings, no two of the same series and time."""
        self.made += count
        return [
            orjson.dumps(
                {
                    "timestamp": format_ns(time.time_ns() - NS + place),
                    "sourceDevice": "DiskUnit",
                    "deviceId": f"d{place % 7}",
                    "metricType": "DiskTemp",
                    "value": 40.0,
                }
            )
            for place in range(self.made - count, self.made)
        ]

    async def publish(self, count: int) -> None:
        """As an old publisher does: without numbers, one reading each; all acknowledged."""
        js = self.client.jetstream()
        await asyncio.gather(*(js.publish(subjects.METRICS, one) for one in self.payloads(count)))

    @contextlib.asynccontextmanager
    async def daemon(self) -> AsyncIterator[Publisher]:
        """A daemon's publisher, which numbers."""
        health, backlog = Health("daemon"), Backlog(2**24)
        publisher = Publisher(self.settings, health, backlog, Meters(CollectorRegistry(), backlog))
        task = asyncio.create_task(publisher.run())
        try:
            yield publisher
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def put(self, publisher: Publisher, count: int) -> None:
        """Publish by it, in envelopes of ten; until all is acknowledged."""
        made = self.payloads(count)
        publisher.put(
            Message(METRICS, subjects.METRICS, b"[" + b",".join(made[at : at + 10]) + b"]", 10)
            for at in range(0, count, 10)
        )
        assert await publisher.drained(20) == 0

    async def pass_by(
        self, publisher: Publisher, kind: Literal["entry", "exit"], plates: range
    ) -> None:
        """Entries or exits, by the same publisher."""
        publisher.put(
            message(Passage(kind, f"{kind}-{n}", f"P-{n}", time.time_ns())) for n in plates
        )
        assert await publisher.drained(20) == 0

    async def quiet(self, stream: str = METRICS) -> None:
        """Everything in the stream was dealt with."""

        async def empty() -> bool:
            state = (await self.client.jetstream().stream_info(stream)).state
            return bool(state.messages == 0)

        await until(empty)

    async def audit(self, minutes: float = 60.0) -> dict[str, Any]:
        """The question's answer, now."""
        evidence = await gather(self.client)
        now = time.time_ns()
        store = open_store(self.settings)
        try:
            return await compare(evidence, store, Window(now - int(minutes * 60 * NS), now))
        finally:
            await store.close()

    async def names(self, kind: str, count: int) -> bool:
        """So many are missing of a kind."""
        return bool(sum(row["count"] for row in await self.missing(kind)) == count)

    def lose_what_is_stored(self, table: str, measurement: str) -> None:
        """Behind the writer's back."""
        if (path := self.settings.store.removeprefix("sqlite:///")) != self.settings.store:
            with sqlite3.connect(path, timeout=20) as database:
                database.execute(f"DELETE FROM {table}")
            return
        url = self.settings.store.replace("influxdb://", "http://")
        address, _, database_name = url.rpartition("/")
        drop = urllib.parse.urlencode({"q": f"DROP MEASUREMENT {measurement}", "db": database_name})
        request = urllib.request.Request(f"{address}/query?{drop}", method="POST")
        with urllib.request.urlopen(request, timeout=20) as reply:
            assert reply.status == 200

    async def missing(self, kind: str) -> list[dict[str, Any]]:
        """What is missing of a kind."""
        return [row for row in (await self.audit())["missing"] if row["kind"] == kind]


@pytest.fixture(params=["sqlite", "influxdb"])
async def world(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    # What a killed writer held is delivered again after that.
    monkeypatch.setattr(streams, "ACK_WAIT_SECONDS", ACK_WAIT_SECONDS)
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(servers.running(servers.nats_server(tmp_path / "nats")))
        url = f"sqlite:///{tmp_path}/spindle.db"
        if request.param == "influxdb":
            influxd = stack.enter_context(servers.running(servers.influxd(tmp_path / "influxd")))
            url = f"influxdb://127.0.0.1:{influxd.port}/audit"
        settings = load(Settings, nats_url=f"nats://{server.url}", store_url=url)
        client = await bus.connect(settings, "test")
        await bus.declare(client, settings)
        writer = ServiceProcess("writer", tmp_path, nats_url=settings.nats_url, store_url=url)
        writer.constants["spindle.bus.streams.ACK_WAIT_SECONDS"] = ACK_WAIT_SECONDS
        writer.start()
        yield World(client, settings, writer)
        writer.kill()
        await client.close()


async def test_nothing_is_missing_while_all_goes_well(world: World) -> None:
    async with world.daemon() as publisher:
        await world.publish(50)
        await world.put(publisher, 100)
        await world.publish(20)
    await world.client.jetstream().publish(subjects.METRICS, b"no JSON")
    await world.quiet()
    answer = await world.audit()
    assert answer["complete"], answer["missing"]
    metrics = answer["streams"][0]
    assert metrics["messages_dealt_with"] == 50 + 10 + 20 + 1
    (publisher_row,) = answer["publishers"]
    assert publisher_row["points_acknowledged"] == publisher_row["points_dealt_with"] == 100
    held = answer["store"][0]
    assert held["held"] == 170
    assert 170 - 7 <= held["stored"] <= 170


async def test_what_an_operators_edit_lets_expire_is_named(world: World) -> None:
    """The ledger adds up all the while: it counts what one writer received."""
    async with world.daemon() as publisher:
        await world.put(publisher, 20)
        await world.quiet()
        world.writer.kill()
        js = world.client.jetstream()
        config = (await js.stream_info(METRICS)).config
        # As somebody would who wants no old readings; NATS removes them by and by.
        await js.update_stream(
            config.evolve(max_age=1, duplicate_window=1, discard=DiscardPolicy.OLD)
        )
        await world.put(publisher, 200)
        await world.publish(30)
        await world.quiet()
        world.writer.start()
        await world.put(publisher, 10)
        await world.quiet()
    await until(lambda: world.names("messages", 50))
    (gone,) = await world.missing("messages")
    assert (gone["from"], gone["to"], gone["count"]) == (3, 52, 50)
    assert "METRICS: messages 3 to 52 (50) are gone from the stream" in gone["message"]
    (points,) = await world.missing("points")
    assert (points["from"], points["to"], points["count"]) == (20, 219, 200)
    assert points["publisher"].startswith("daemon-")
    assert not (await world.audit())["complete"]


async def test_a_purge_is_named_though_nothing_is_published_after_it(world: World) -> None:
    async with world.daemon() as publisher:
        await world.put(publisher, 20)
        await world.quiet()
        world.writer.kill()
        await world.put(publisher, 30)
        await world.client.jetstream().purge_stream(METRICS)
    world.writer.start()
    assert await world.names("messages", 3)
    (points,) = await world.missing("points")
    assert (points["from"], points["to"]) == (20, 49)


async def test_a_stream_made_anew_hides_nothing(world: World) -> None:
    """Its sequences begin at 1 again, and what waited in the old one is named."""
    async with world.daemon() as publisher:
        await world.put(publisher, 100)
        await world.publish(40)
        await world.quiet()
        world.writer.kill()
        await world.put(publisher, 50)
        await world.client.jetstream().delete_stream(METRICS)
        await bus.declare(world.client, world.settings)
        await world.put(publisher, 20)
        world.writer.start()
        await world.quiet()
    await until(lambda: world.missing("points"))  # once NATS has what the publisher claims
    (points,) = await world.missing("points")
    assert (points["from"], points["to"], points["count"]) == (100, 149, 50)
    answer = await world.audit()
    assert len(answer["streams"][0]["made_anew"]) == 1
    assert answer["streams"][0]["messages_dealt_with"] == 10 + 40 + 2
    assert [row["kind"] for row in answer["missing"]] == ["points"]


async def test_points_that_left_the_store_are_counted(world: World) -> None:
    await world.publish(400)
    await world.quiet()
    assert (await world.audit())["complete"]
    world.lose_what_is_stored("points", "device_metrics")
    await world.publish(100)
    await world.quiet()
    answer = await world.audit()
    (row,) = [row for row in answer["missing"] if row["kind"] == "store"]
    assert 400 - 7 <= row["count"] <= 400
    assert answer["store"][0]["held"] == 100


async def test_a_killed_writer_and_repeats_leave_nothing_missing(world: World) -> None:
    """What is delivered again, published again, or is of the same series and time, is no loss."""
    js, said = world.client.jetstream(), world.payloads(60)
    async with world.daemon() as publisher:
        for _ in range(3):
            await world.put(publisher, 200)
            world.writer.kill()
            for one in said:
                await js.publish(subjects.METRICS, one)
            world.writer.start()
    await js.publish(subjects.METRICS, b"[" + b",".join(said[:1] * 50) + b"]")
    await world.quiet()
    answer = await world.audit()
    assert answer["complete"], answer["missing"]
    assert answer["publishers"][0]["points_dealt_with"] == 600


async def test_what_waits_is_not_missing(world: World) -> None:
    async with world.daemon() as publisher:
        await world.put(publisher, 20)
        await world.quiet()
        world.writer.kill()
        await world.put(publisher, 30)

    async def claimed() -> bool:
        return bool((await world.audit())["publishers"])

    await until(claimed)
    answer = await world.audit()
    assert answer["complete"], answer["missing"]
    assert answer["streams"][0]["waiting"] == 3
    assert answer["publishers"][0]["waiting"] == 30


async def test_a_window_has_what_was_lost_in_it(world: World) -> None:
    await world.publish(10)
    await world.quiet()
    world.writer.kill()
    await world.publish(10)
    await world.client.jetstream().purge_stream(METRICS)
    world.writer.start()
    await world.publish(1)
    await world.quiet()
    assert await world.names("messages", 10)
    await asyncio.sleep(1.5)
    assert (await world.audit(minutes=0.01))["complete"]


async def test_a_trouble_with_the_bucket_holds_nothing_up(world: World) -> None:
    js = world.client.jetstream()
    await world.publish(10)
    await world.quiet()
    await js.delete_stream(subjects.bucket_stream(subjects.LEDGER_BUCKET))
    await world.publish(10)
    await world.quiet()
    assert "ledger" in str(world.writer.health())
    await bus.declare(world.client, world.settings)
    await world.publish(10)
    await world.quiet()
    answer = await world.audit()
    assert answer["complete"], answer["missing"]
    assert answer["streams"][0]["messages_dealt_with"] == 30


async def test_a_key_of_the_ledger_changed_by_hand_is_named_until_it_is_deleted(
    world: World,
) -> None:
    bucket = Bucket(world.client.jetstream(), subjects.LEDGER_BUCKET)
    key = f"{subjects.LEDGER_CLAIMS}.METRICS.somebody"
    revision = await bucket.put(key, b"[[1,2,3]]")
    await world.publish(1)
    await world.quiet()
    with pytest.raises(BusUnavailable, match=f"somebody changed its key {key}"):
        await world.audit()
    await bucket.retire(key, b"", revision)
    assert (await world.audit())["complete"]


async def test_entries_exits_and_the_visits_made_of_them_are_followed(world: World) -> None:
    async with world.daemon() as publisher:
        await world.pass_by(publisher, "entry", range(12))
        await world.pass_by(publisher, "exit", range(10))

        async def visits() -> bool:
            said = [one for one in (await world.audit())["publishers"] if one["points_dealt_with"]]
            return {one["publisher"][:6]: one["points_acknowledged"] for one in said} == {
                "daemon": 22,
                "writer": 10,
            }

        await until(visits)
        answer = await world.audit()
        assert answer["complete"], answer["missing"]
        streams = {row["stream"]: row["messages_dealt_with"] for row in answer["streams"]}
        assert streams[subjects.PARKING_STREAM] == 22
        assert streams[subjects.PARKING_SUMMARIES_STREAM] == 10
        (visits_held,) = (row for row in answer["store"] if row["measurement"] == "parking_visits")
        assert (visits_held["stored"], visits_held["held"]) == (10, 10)
        world.lose_what_is_stored("visit_rows", "parking_visits")
        (gone,) = await world.missing("store")
        assert (gone["stream"], gone["count"]) == (subjects.PARKING_SUMMARIES_STREAM, 10)
        world.writer.kill()
        await world.pass_by(publisher, "exit", range(10, 12))
        await world.client.jetstream().purge_stream(subjects.PARKING_STREAM)
    world.writer.start()
    (messages,) = await world.missing("messages")
    assert (messages["stream"], messages["from"], messages["to"]) == ("PARKING", 23, 24)
    (points,) = await world.missing("points")
    assert (points["stream"], points["from"], points["to"]) == ("PARKING", 22, 23)
    assert points["publisher"].startswith("daemon-")
