"""The reader as a NATS client sees it: a real nats-server, a store in memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import nats
import orjson
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from reader.questions.registry import QUERIES
from spindle import bus
from spindle.settings import Settings, load
from spindle.store.base import EventRow, Series
from spindle.timestamps import NS
from tests.asking import ask, parts, reading, request
from tests.memory_store import MemoryStore, away
from tests.servers import Server
from tests.waiting import PATIENCE_SECONDS, until

DISK = Series("DiskUnit", "DiskTemp", "disk-1", "array-1")


@pytest.fixture
async def store() -> MemoryStore:
    """A disk that warmed up, and a critical event of it."""
    store, now = MemoryStore(), time.time_ns()
    await store.write_points([(DISK, now - 600 * NS, 30.0), (DISK, now - NS, 41.5)])
    event = EventRow(now - NS, "e-1", "DiskUnit", "DriveFailure", "disk-1", "array-1", 9, "boom")
    await store.write_events([event])
    return store


@pytest.fixture
async def client(nats_server: Server) -> AsyncIterator[Client]:
    client = await nats.connect(f"nats://127.0.0.1:{nats_server.port}")
    yield client
    await client.close()


def code(message: Msg) -> str:
    return (message.headers or {}).get("Nats-Service-Error-Code", "")


def refusal(message: Msg) -> str:
    """The sentence of an error, which body and headers must agree on."""
    reply = orjson.loads(message.data)
    assert reply.keys() == {"status", "message"}
    assert reply["status"] == "error"
    assert (message.headers or {})["Nats-Service-Error"] == reply["message"]
    return str(reply["message"])


async def test_the_question_of_the_contract_is_answered(
    nats_server: Server, store: MemoryStore, client: Client
) -> None:
    async with reading(nats_server, store):
        message = await request(
            client,
            "reader.query",
            b'{"query_type":"device_health","params":{"source_device":"DiskUnit"}}',
        )
    reply = orjson.loads(message.data)
    assert reply["status"] == "success"
    assert (reply["data"]["device"], reply["data"]["health"]) == ("DiskUnit", "critical")
    assert not message.headers


async def test_every_query_type_answers_on_a_subject_of_its_own_with_the_params_as_payload(
    nats_server: Server, store: MemoryStore, client: Client
) -> None:
    await bus.declare(client, load(Settings))  # the writer does, and an audit reads them
    async with reading(nats_server, store):
        for name, query in QUERIES.items():
            own = await request(client, f"reader.{name}", orjson.dumps(query.example))
            whole = await ask(client, name, **query.example)
            if query.changes:  # of a device that is not there
                assert orjson.loads(own.data) == whole
                continue
            assert orjson.loads(own.data)["status"] == "success", (name, own.data)
            assert orjson.loads(own.data)["data"] == whole["data"]


async def test_an_empty_payload_on_a_subject_of_its_own_means_the_defaults(
    nats_server: Server, store: MemoryStore, client: Client
) -> None:
    async with reading(nats_server, store):
        reply = orjson.loads((await request(client, "reader.alerts_critical", b"")).data)
    assert [row["event_id"] for row in reply["data"]] == ["e-1"]
    assert reply["summary"] == [{"source_device": "DiskUnit", "critical_event_count": 1}]
    assert reply.keys() == {"status", "data", "summary"}


async def test_the_micro_service_describes_itself_and_counts_its_errors(
    nats_server: Server, store: MemoryStore, client: Client
) -> None:
    async with reading(nats_server, store):
        await ask(client, "devices")
        await request(client, "reader.query", b"nonsense")
        await request(client, "reader.device_health", b"")
        info = orjson.loads((await client.request("$SRV.INFO.reader", b"")).data)
        stats = orjson.loads((await client.request("$SRV.STATS.reader", b"")).data)
        ping = orjson.loads((await client.request("$SRV.PING", b"")).data)
    assert ping["name"] == info["name"] == "reader"
    subjects = {endpoint["subject"]: endpoint for endpoint in info["endpoints"]}
    assert subjects.keys() == {"reader.query", *(f"reader.{name}" for name in QUERIES)}
    assert {endpoint["queue_group"] for endpoint in info["endpoints"]} == {"reader"}
    assert "threshold" in subjects["reader.anomaly_temperature"]["metadata"]["params"]
    counted = {endpoint["name"]: endpoint for endpoint in stats["endpoints"]}
    assert (counted["query"]["num_requests"], counted["query"]["num_errors"]) == (2, 1)
    assert "400:" in counted["query"]["last_error"]
    assert counted["device_health"]["num_errors"] == 1
    assert counted["query"]["average_processing_time"] > 0


@pytest.mark.parametrize(
    ("payload", "sentence"),
    [
        (b"", "query_type: missing, expected one of acknowledge"),
        (b"{}", "query_type: missing, expected one of acknowledge"),
        (b"nonsense", "the question: not JSON"),
        (b"\xff\xfe", "the question: not JSON"),
        (b"[]", "the question: expected a JSON object"),
        (b"[" * 100_000, "the question: not JSON"),
        (b'{"query_type":7}', "query_type: given 7, expected one of acknowledge"),
        (b'{"query_type":["devices"]}', "query_type: given ['devices'], expected one of"),
        (b'{"query_type":"drop table"}', "query_type: given 'drop table', expected one of"),
        (b'{"query_type":"devices","params":7}', "devices: params: expected a JSON object"),
        (b'{"query_type":"device_health"}', "device_health: give source_device, dev"),
        (b'{"query_type":"devices","params":{"limit":0}}', "limit: given 0, expected a whole"),
        (
            b'{"query_type":"devices","params":{"device_id":"' + b"x" * 1_000_000 + b'"}}',
            "device_id: given 'xxx",
        ),
        (
            rb'{"query_type":"series","params":{"device_id":"x\" OR \"1\"=\"1\n"}}',
            "expected 1 to 128 letters, digits",
        ),
        (
            b'{"query_type":"alerts_critical","params":{"since_minutes":-1e308}}',
            "expected a number above 0",
        ),
    ],
)
async def test_a_bad_question_gets_one_sentence_and_code_400_and_asks_nothing_of_the_store(
    nats_server: Server, store: MemoryStore, client: Client, payload: bytes, sentence: str
) -> None:
    async with reading(nats_server, store):
        message = await request(client, "reader.query", payload)
        assert sentence in refusal(message)
        assert len(refusal(message)) < 500
        assert code(message) == "400"
        assert store.asked == 0
        assert (await ask(client, "devices"))["status"] == "success"


async def test_a_slow_query_delays_no_other_not_even_of_its_own_kind(
    nats_server: Server, store: MemoryStore, client: Client
) -> None:
    async with reading(nats_server, store), asyncio.TaskGroup() as tasks:
        await ask(client, "devices")
        store.slow, before = asyncio.Event(), store.asked
        slow = tasks.create_task(ask(client, "devices"), name="slow question")
        await until(lambda: store.asked > before)  # the slow one has reached the store
        blocked, store.slow = store.slow, None
        assert (await ask(client, "devices"))["status"] == "success"
        assert not slow.done()
        blocked.set()
        assert (await slow)["status"] == "success"


async def test_a_question_that_takes_too_long_is_answered_with_504(
    nats_server: Server, store: MemoryStore, client: Client
) -> None:
    store.slow = asyncio.Event()
    async with reading(nats_server, store, reader_query_timeout_seconds=0.05):
        message = await request(client, "reader.devices", b"")
    assert code(message) == "504"
    assert "devices: not answered within 0.05 s" in refusal(message)


async def test_one_question_too_many_is_told_busy_and_none_is_lost(
    nats_server: Server, store: MemoryStore, client: Client
) -> None:
    async with reading(nats_server, store, most_at_once=2) as service:
        await ask(client, "devices")
        store.slow = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            two = [tasks.create_task(ask(client, "devices")) for _ in range(2)]
            await until(lambda: service.registry.get_sample_value("reader_in_progress") == 2)
            message = await request(client, "reader.devices", b"")
            assert code(message) == "429"
            assert "busy" in refusal(message)
            store.slow.set()
        assert [task.result()["status"] for task in two] == ["success"] * 2
        assert service.registry.get_sample_value("reader_busy_total") == 1
        assert service.registry.get_sample_value("reader_in_progress") == 0


async def test_while_the_store_is_away_questions_get_503_and_healthz_says_why(
    nats_server: Server, store: MemoryStore, client: Client
) -> None:
    store.failing = away("the database is away")
    async with reading(nats_server, store) as service:
        message = await request(client, "reader.devices", b"")
        assert code(message) == "503"
        assert "the store is not there yet" in refusal(message)
        assert "the database is away" in parts(service)["store"]
        store.failing = None
        await until(lambda: service.health.healthy)
        assert (await ask(client, "devices"))["status"] == "success"
        store.failing = away("the database went away")
        assert "went away" in refusal(await request(client, "reader.devices", b""))
        await until(lambda: not service.health.healthy)
        store.failing = None
        await until(lambda: service.health.healthy)


async def test_a_fault_of_the_reader_is_code_500_without_its_text_and_the_log_has_it(
    nats_server: Server, store: MemoryStore, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    async with reading(nats_server, store, check_seconds=60) as service:
        await until(lambda: service.health.healthy)
        store.failing = RuntimeError("secret path")
        message = await request(client, "reader.devices", b"")
        store.failing = None
        assert code(message) == "500"
        assert "secret" not in refusal(message)
        assert "RuntimeError: secret path" in caplog.text
        assert (await ask(client, "devices"))["status"] == "success"


async def test_several_readers_share_the_questions_and_each_is_answered_once(
    nats_server: Server, store: MemoryStore, client: Client
) -> None:
    async with reading(nats_server, store) as one, reading(nats_server, store) as two:
        asked, deadline, answered = 0, time.monotonic() + PATIENCE_SECONDS, [0.0]
        while not all(answered) and time.monotonic() < deadline:  # both have to listen first
            await asyncio.gather(*(ask(client, "devices") for _ in range(60)))
            asked += 60
            answered = [
                one_of.registry.get_sample_value(
                    "reader_requests_total", {"query_type": "devices", "status": "success"}
                )
                or 0
                for one_of in (one, two)
            ]
    assert sum(answered) == asked
    assert all(answered)


async def test_a_hundred_questions_at_once_are_all_answered(
    nats_server: Server, store: MemoryStore, client: Client
) -> None:
    async with reading(nats_server, store, most_at_once=100):
        await ask(client, "devices")
        replies = await asyncio.gather(*(ask(client, "devices") for _ in range(100)))
    assert [reply["status"] for reply in replies] == ["success"] * 100


async def test_a_reader_that_is_asked_to_stop_still_answers_what_it_took(
    nats_server: Server, store: MemoryStore, client: Client
) -> None:
    async with asyncio.TaskGroup() as tasks:
        async with reading(nats_server, store) as service:
            await ask(client, "devices")
            store.slow = asyncio.Event()
            taken = tasks.create_task(ask(client, "devices"), name="taken")
            await until(lambda: service.registry.get_sample_value("reader_in_progress") == 1)
            service.stopping.set()
            await asyncio.sleep(0.05)
            store.slow.set()
        assert (await taken)["status"] == "success"


async def test_a_message_without_a_reply_subject_disturbs_nothing(
    nats_server: Server, store: MemoryStore, client: Client
) -> None:
    async with reading(nats_server, store):
        await ask(client, "devices")
        await client.publish("reader.query", b"nonsense")
        await client.publish("reader.devices", b"{}")
        assert (await ask(client, "devices"))["status"] == "success"


async def test_an_answer_larger_than_a_message_is_cut_to_what_nats_carries(
    tmp_path: Any, store: MemoryStore
) -> None:
    from tests import servers

    server = servers.nats_server(tmp_path / "small", extra="max_payload: 65536")
    config = tmp_path / "small" / "nats.conf"
    config.write_text(config.read_text().replace("max_payload: 8MB\n", ""))
    now = time.time_ns()
    events = [
        EventRow(now - n, f"e-{n}", "DiskUnit", "DriveFailure", "disk-1", "", 9, "x" * 100)
        for n in range(1000)
    ]
    await store.write_events(events)
    with servers.running(server):
        client = await nats.connect(f"nats://127.0.0.1:{server.port}")
        async with reading(server, store):
            first = await ask(client, "alerts_critical")
            second = await ask(client, "alerts_critical", offset=len(first["data"]))
        await client.close()
    assert first["truncated"] is True
    assert 100 < len(first["data"]) < 1000
    assert not {r["event_id"] for r in first["data"]} & {r["event_id"] for r in second["data"]}
