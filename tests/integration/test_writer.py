"""The writer on a real nats-server and a real SQLite file."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import orjson
import pytest
from nats.aio.client import Client
from nats.js.api import AckPolicy
from nats.js.errors import BadRequestError

from reader.lookups.ledger_evidence import gather
from reader.questions.audit import AuditParams, compare
from spindle import bus, subjects
from spindle.bus import deadletters, streams
from spindle.ledger.numbering import Claims
from spindle.settings import Settings
from spindle.store.registry import open_store
from tests.servers import ROOT, Server
from tests.services import ServiceProcess
from tests.waiting import until
from writer import repair as repair_module
from writer.repair import repair

STAMP = "2026-05-01T10:20:30.{:09d}Z"


def metric(number: int, **changes: object) -> dict[str, object]:
    """A reading that its nanosecond names."""
    return {
        "timestamp": STAMP.format(number),
        "sourceDevice": "DiskUnit",
        "metricType": "Latency",
        "value": float(number),
        "deviceId": "d1",
        "arrayId": "a1",
        **changes,
    }


def event(number: int, **changes: object) -> dict[str, object]:
    return {
        "id": f"event-{number}",
        "criticality": 9,
        "timestamp": STAMP.format(number),
        "sourceDevice": "DiskUnit",
        "eventType": "DriveFailure",
        **changes,
    }


@pytest.fixture
async def client(nats_server: Server, settings: Settings) -> AsyncIterator[Client]:
    connection = await bus.connect(settings, "test")
    await bus.declare(connection, settings)
    yield connection
    await connection.close()


@pytest.fixture
def writer(tmp_path: Path, settings: Settings) -> Iterator[ServiceProcess]:
    process = ServiceProcess(
        "writer", tmp_path, nats_url=settings.nats_url, store_url=settings.store, retention_hours=0
    )
    yield process
    process.stop()


def rows(settings: Settings, query: str) -> list[tuple[object, ...]]:
    path = settings.store.removeprefix("sqlite:///")
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        return database.execute(query).fetchall()


async def test_both_payload_forms_are_stored_and_acknowledged(
    client: Client, writer: ServiceProcess, settings: Settings
) -> None:
    writer.start()
    await client.publish("events.metrics", orjson.dumps(metric(1)))
    await client.publish("events.metrics.DiskUnit.d1", orjson.dumps([metric(2), metric(3)]))
    await client.publish("events.event", orjson.dumps(event(1)))
    await until(lambda: writer.total("writer_stored_points_total") == 4)
    assert [row[0] for row in rows(settings, "SELECT value FROM device_metrics ORDER BY 1")] == [
        1.0, 2.0, 3.0,
    ]  # fmt: skip
    for stream in (subjects.METRICS_STREAM, subjects.EVENTS_STREAM):
        await acknowledged(client, stream)


async def test_garbage_becomes_dead_letters_with_reasons_and_harms_nothing_else(
    client: Client, writer: ServiceProcess
) -> None:
    writer.start()
    garbage = [
        b"not json",
        b'{"value": NaN}',
        orjson.dumps(metric(1, sourceDevice="a\nb")),
        orjson.dumps(metric(2, metricType="a,b")),
        orjson.dumps(metric(3, deviceId='a"b')),
        orjson.dumps(metric(4, timestamp="9999-01-01T00:00:00Z")),
        b" " * 900_000,
        orjson.dumps([metric(5), metric(6, value="hot"), metric(7)]),
    ]
    for payload in garbage:
        await client.publish("events.metrics", payload)
    await until(lambda: writer.total("writer_dead_lettered_points_total") == 8)
    await until(lambda: writer.total("writer_stored_points_total") == 2)
    assert writer.total("writer_received_points") == 10
    js = deadletters.js_of(client)
    letters = [letter async for letter in deadletters.letters(js)]
    assert len(letters) == 8
    assert all(letter.reason and letter.kind == "invalid" for letter in letters)
    assert all(letter.subject == "events.metrics" for letter in letters)
    hot = next(letter for letter in letters if "hot" in letter.reason)
    assert json.loads(hot.payload)["value"] == "hot"
    assert hot.origin == "METRICS 8 [1]"


async def test_a_dead_letter_can_be_replayed_once_its_cause_is_gone(
    client: Client, writer: ServiceProcess, settings: Settings
) -> None:
    writer.settings["MAX_FUTURE_SECONDS"] = "0"
    writer.start()
    ahead = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 600))
    await client.publish("events.metrics", orjson.dumps(metric(1, timestamp=ahead)))
    js = deadletters.js_of(client)
    await until(lambda: writer.total("writer_dead_lettered_points_total") == 1)
    assert writer.stop() == 0
    writer.settings["MAX_FUTURE_SECONDS"] = "3600"
    writer.start()
    (letter,) = [letter async for letter in deadletters.letters(js)]
    claims = Claims("deadletters")
    await deadletters.replay(js, letter, claims)
    await deadletters.replay(js, letter, claims)  # who has read it too does no harm
    await deadletters.claim(js, claims)
    await until(lambda: writer.total("writer_stored_points_total") == 1)
    assert await deadletters.count(js) == 0
    assert writer.stop() == 0  # what it stored is noted by then
    audited = AuditParams().window(time.time_ns())
    store = open_store(settings)
    try:
        (publisher,) = (await compare(await gather(client), store, audited))["publishers"]
    finally:
        await store.close()
    assert publisher["publisher"] == claims.publisher
    assert publisher["points_acknowledged"] == publisher["points_dealt_with"] == 1


async def test_a_stopping_writer_stores_what_it_holds_and_exits_with_0(
    client: Client, writer: ServiceProcess, settings: Settings
) -> None:
    writer.constants["writer.main.LINGER_SECONDS"] = 30
    writer.start()
    for number in range(100):
        await client.publish("events.metrics", orjson.dumps(metric(number)))
    await until(lambda: writer.total("writer_received_points") == 100)
    assert rows(settings, "SELECT count(*) FROM device_metrics") == [(0,)]
    assert writer.stop() == 0
    assert rows(settings, "SELECT count(*) FROM device_metrics") == [(100,)]
    assert (await client.jetstream().stream_info(subjects.METRICS_STREAM)).state.messages == 0


async def test_a_second_writer_on_the_same_sqlite_file_exits_with_one_sentence(
    writer: ServiceProcess, client: Client
) -> None:
    writer.start()
    second = ServiceProcess("writer", writer.folder, **writer.settings)
    second.start(wait=False)
    assert second.process is not None
    assert second.process.wait(60) == 4
    assert "another" in second.said()
    assert "Traceback" not in second.said()


async def acknowledged(client: Client, stream: str = subjects.METRICS_STREAM) -> None:
    """The stream is empty."""

    async def is_empty() -> bool:
        return (await client.jetstream().stream_info(stream)).state.messages == 0

    await until(is_empty)


async def test_a_deleted_consumer_is_declared_again_and_nothing_is_lost(
    client: Client, writer: ServiceProcess
) -> None:
    writer.start()
    await client.publish("events.metrics", orjson.dumps(metric(1)))
    await until(lambda: writer.total("writer_stored_points_total") == 1)
    await acknowledged(client)  # else it is rightly delivered to the new consumer as well
    await client.jetstream().delete_consumer(subjects.METRICS_STREAM, subjects.WRITER_CONSUMER)
    await client.publish("events.metrics", orjson.dumps(metric(2)))
    await until(lambda: writer.total("writer_stored_points_total") == 2)


async def test_repair_makes_the_consumers_anew_and_keeps_what_waits(
    client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a reset where the server has it; a consumer that is missing is made anew."""
    js = client.jetstream()
    await js.publish("events.metrics", orjson.dumps(metric(1)))
    pull = await js.pull_subscribe_bind(subjects.WRITER_CONSUMER, stream="METRICS")
    resets = repair_module.RESETS_SINCE
    ways = {resets: "reset: what waits is delivered anew", (99, 0): "deleted and made anew"}
    for since, said in ways.items():
        monkeypatch.setattr(repair_module, "RESETS_SINCE", since)
        assert len(await pull.fetch(1)) == 1
        lines = await repair(settings)
        assert lines[0] == f"METRICS: consumer writer {said}; 1 messages wait"
    monkeypatch.setattr(repair_module, "RESETS_SINCE", resets)
    await js.delete_consumer("METRICS", "writer")
    assert "METRICS: consumer writer was missing, made anew; 1" in (await repair(settings))[0]
    [message] = await pull.fetch(1)
    assert message.metadata.num_delivered == 1


async def test_a_consumer_that_drifted_is_reconciled(client: Client, settings: Settings) -> None:
    js = client.jetstream()
    wanted = dict(streams.consumers())[subjects.METRICS_STREAM]
    await js.add_consumer(subjects.METRICS_STREAM, wanted.evolve(max_ack_pending=7))
    await bus.declare(client, settings)
    config = (await js.consumer_info(subjects.METRICS_STREAM, subjects.WRITER_CONSUMER)).config
    assert config.ack_policy == AckPolicy.EXPLICIT
    assert config.max_ack_pending == streams.MAX_ACK_PENDING


async def test_the_broker_itself_refuses_to_acknowledge_all(client: Client) -> None:
    js = client.jetstream()
    wanted = dict(streams.consumers())[subjects.METRICS_STREAM]
    await js.delete_consumer(subjects.METRICS_STREAM, subjects.WRITER_CONSUMER)
    with pytest.raises(BadRequestError, match="explicit ack"):
        await js.add_consumer(subjects.METRICS_STREAM, wanted.evolve(ack_policy=AckPolicy.ALL))


async def test_the_writer_answers_for_its_ledger(client: Client, writer: ServiceProcess) -> None:
    writer.start()
    await client.publish("events.metrics", orjson.dumps([metric(1), metric(2)]))
    await until(lambda: writer.total("writer_stored_points_total") == 2)
    reply = await client.request(subjects.WRITER_LEDGER, timeout=30)
    ledger = orjson.loads(reply.data)["streams"]["METRICS"]
    assert (ledger["received"], ledger["stored"], ledger["in_flight"]) == (2, 2, 0)
    assert ledger["adds_up"] is True
    assert "can lose acknowledged messages" not in writer.said(), "this server is repaired"
    assert "nats-server 2." in writer.said()


async def test_two_events_of_one_device_in_the_same_nanosecond_are_both_kept(
    client: Client, writer: ServiceProcess, settings: Settings
) -> None:
    writer.start()
    same = [event(1, id="a"), event(1, id="b")]
    await client.publish("events.event", orjson.dumps(same))
    await client.publish("events.event", orjson.dumps(event(1, id="c")))
    await until(lambda: writer.total("writer_stored_points_total") == 3)
    assert rows(settings, "SELECT count(*) FROM events") == [(3,)]


@pytest.mark.parametrize(("argument", "code"), [("--help", 0), ("start", 2)])
def test_a_service_takes_no_arguments_and_says_so(argument: str, code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "writer", argument],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == code
    assert "usage: python -m writer" in done.stdout + done.stderr
