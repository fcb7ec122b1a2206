"""Who shows NATS no credentials: what they may do, and by no trick any more than that."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.errors import APIError, KeyNotFoundError, NotFoundError, ServiceUnavailableError

from local.nats import accounts
from local.nats import users as nats_users
from spindle import bus
from spindle.bus import streams
from spindle.bus.listener import LISTENING_USERS, listener_of
from spindle.errors import InvalidInput
from spindle.service.health import Health
from spindle.service.run import Service
from spindle.settings import Settings, load
from spindle.store.base import Store
from spindle.store.registry import open_store
from tests.guarded_nats import Broker, guarded
from tests.servers import Server, nats_server, running
from tests.services import ServiceProcess
from tests.waiting import keys_of
from writer.guests import GuestConsumers, consumer
from writer.settings import WriterSettings

STREAMS = [str(stream.name) for stream in streams.streams(load(Settings))]
PLATES = ("B1", "B2")
QUESTION = {"query_type": "device_health", "params": {"source_device": "DiskUnit"}}
#: What JetStream would take for the server's own request.
HARMS = [
    f"$JS.API.STREAM.{verb}.{stream}"
    for verb in ("PURGE", "DELETE")
    for stream in ("EVENTS", "KV_parking", "KV_devices")
]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """With everything declared, a real reader, and two vehicles inside."""
    folder = tmp_path_factory.mktemp("guarded")
    with guarded(folder) as guarded_broker:
        store_url = f"sqlite:///{folder}/spindle.db"
        asyncio.run(_fill(guarded_broker))
        asyncio.run(_make(open_store(load(Settings, store_url=store_url), writing=True)))
        reader = ServiceProcess(
            "reader",
            folder,
            nats_url=guarded_broker.url,
            nats_user="reader",
            nats_password=guarded_broker.passwords["reader"],
            store_url=store_url,
        )
        reader.start()
        with _guests_are_given_consumers(guarded_broker):
            asyncio.run(_answering(guarded_broker))
            yield guarded_broker
        reader.stop()


@contextmanager
def _guests_are_given_consumers(broker: Broker) -> Iterator[None]:
    """As the writer does beside storing, which would empty the streams that these tests count."""
    service = Service("writer", load(WriterSettings), Health("writer"))

    async def give() -> None:
        client = await bus.connect(broker.settings("writer"), "writer")
        await GuestConsumers(client, service).run()
        await client.close()

    loop = asyncio.new_event_loop()
    giving = threading.Thread(target=loop.run_until_complete, args=(give(),))
    giving.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(service.stopping.set)
        giving.join()
        loop.close()


async def _answering(broker: Broker) -> None:
    """Until the reader does, and creates consumers: it is healthy a moment before."""
    left = ["reader.query", "$JS.API.CONSUMER.CREATE.KV_parking"]
    async with broker.as_user("guest") as (guest, _), asyncio.timeout(20):
        while left:
            try:
                await guest.request(left[-1], b"")
                left.pop()
            except nats.errors.NoRespondersError:
                await asyncio.sleep(0.05)


async def _make(store: Store) -> None:
    await store.prepare()
    await store.close()


async def _fill(broker: Broker) -> None:
    writer = await bus.connect(broker.settings("writer"), "writer")
    await bus.declare(writer, broker.settings("writer"))
    for plate in PLATES:
        await writer.jetstream().publish(f"$KV.parking.{plate}", b"inside")
    await writer.close()
    async with broker.as_user("daemon") as (daemon, _):
        await daemon.jetstream().publish("events.facts.DiskUnit.d1", b"{}")


@pytest.fixture
async def guest(broker: Broker) -> AsyncIterator[Client]:
    async with broker.as_user("guest") as (client, refused):
        yield client
        assert refused == []


async def _messages(broker: Broker) -> dict[str, int]:
    """How many each stream has; one that is gone is not in it."""
    found = {}
    async with broker.as_user("operator") as (operator, _):
        for stream in STREAMS:
            try:
                found[stream] = (await operator.jetstream().stream_info(stream)).state.messages
            except NotFoundError:
                continue
    return found


async def test_a_guest_publishes_and_is_told_that_it_is_stored(
    broker: Broker, guest: Client
) -> None:
    """With and without asking for it, headers and all: as a publisher of before does."""
    before = await _messages(broker)
    answer = await guest.jetstream().publish("events.event", b"{}", headers={"Of-Mine": "1"})
    assert answer.stream == "EVENTS"
    await guest.publish("events.metrics.DiskUnit.d1", b"{}")
    await guest.publish("parking.entry", b"{}")
    await guest.flush()
    after = await _messages(broker)
    grown = {stream for stream in STREAMS if after[stream] == before[stream] + 1}
    assert grown == {"EVENTS", "METRICS", "PARKING"}
    async with broker.as_user("operator") as (operator, _):
        kept = await operator.jetstream().get_msg("EVENTS", seq=answer.seq)
    assert dict(kept.headers or {}) == {"Of-Mine": "1"}


async def test_a_guest_asks_the_reader_and_finds_its_service(guest: Client) -> None:
    answer = await guest.request("reader.query", json.dumps(QUESTION).encode())
    assert json.loads(answer.data)["status"] == "success"
    wrong = await guest.request("reader.query", b"nonsense")
    assert (wrong.headers or {})["Nats-Service-Error-Code"] == "400"
    assert json.loads((await guest.request("$SRV.PING")).data)["name"] == "reader"
    with pytest.raises(nats.errors.NoRespondersError):
        await guest.request("reader.nothing", b"")


async def test_a_guest_lists_looks_up_and_follows_vehicles(broker: Broker, guest: Client) -> None:
    bucket = await guest.jetstream().key_value("parking")
    assert await keys_of(bucket) == sorted(PLATES)
    assert (await bucket.get("B1")).value == b"inside"
    with pytest.raises(KeyNotFoundError):
        await bucket.get("nowhere")
    watcher: Any = await bucket.watchall()
    async with broker.as_user("writer") as (writer, _):
        await writer.jetstream().publish("$KV.parking.B2", b"again")
    async with asyncio.timeout(60):
        while getattr(await watcher.updates(timeout=60), "value", None) != b"again":
            pass
    await watcher.stop()
    assert await keys_of(await guest.jetstream().key_value("devices")) == ["DiskUnit.d1"]


async def test_a_guest_is_given_more_than_nats_sends_unasked(broker: Broker, guest: Client) -> None:
    """After two megabytes a consumer waits for a sign of who listens."""
    async with broker.as_user("writer") as (writer, _):
        js = writer.jetstream()
        many = [js.publish(f"$KV.parking.L.{n}", b"x" * 10_000) for n in range(600)]
        await asyncio.gather(*many)
    watcher: Any = await (await guest.jetstream().key_value("parking")).watch("L.*")
    got = 0
    while await watcher.updates(timeout=60) is not None:
        got += 1
    await watcher.stop()
    assert got == 600


@pytest.mark.fault("h12")
async def test_no_answer_of_the_servers_goes_where_the_guest_may_not_publish(
    broker: Broker, guest: Client
) -> None:
    """JetStream would take an empty value, or what it says of a stream, for a request to purge."""
    asked = [
        "$JS.API.DIRECT.GET.KV_parking.$KV.parking.nowhere",
        "$JS.API.DIRECT.GET.KV_devices.$KV.devices.nowhere",
        "$JS.API.STREAM.INFO.KV_parking",
        "$JS.API.CONSUMER.CREATE.KV_parking",
        "$JS.API.CONSUMER.DELETE.KV_parking.nobody",
        "$JS.API.CONSUMER.INFO.KV_parking.nobody",
        "$JS.API.INFO",
        "$SRV.PING",
        "reader.query",
    ]
    before = await _messages(broker)
    for subject in asked:
        for harm in HARMS:
            await guest.publish(subject, b"", reply=harm)
    # Answered after all of those, by the same server and the same reader.
    await guest.jetstream().stream_info("KV_parking")
    await guest.request("reader.query", json.dumps(QUESTION).encode())
    assert await _messages(broker) == before


async def test_no_header_of_a_guests_empties_what_it_publishes_into(
    broker: Broker, guest: Client
) -> None:
    before = await _messages(broker)
    for subject in ("events.facts.DiskUnit.d2", "events.event", "events.metrics", "parking.exit"):
        for which in ("all", "sub"):
            with pytest.raises(APIError):
                await guest.jetstream().publish(subject, b"{}", headers={"Nats-Rollup": which})
    assert await _messages(broker) == before


@pytest.mark.parametrize("end", ["", ".mine", ".mine.$KV.parking.>"])
async def test_no_consumer_delivers_elsewhere_than_to_guests(
    broker: Broker, guest: Client, end: str
) -> None:
    before = await _messages(broker)
    for harm in (*HARMS, "_INBOX", "_INBOX.>", "_INBOX_writer.x", "_INBOX.a b", "deadletter.x", ""):
        config = {"deliver_subject": harm, "deliver_policy": "all", "ack_policy": "none"}
        body = json.dumps({"stream_name": "KV_parking", "config": config}).encode()
        answer = await guest.request(f"$JS.API.CONSUMER.CREATE.KV_parking{end}", body)
        assert "deliver to _INBOX.>" in json.loads(answer.data)["error"]["description"]
    assert await _messages(broker) == before


async def test_what_a_guest_may_not_settle_is_settled_for_it(guest: Client) -> None:
    """Neither a durable consumer, nor one of another stream, nor one that stays."""
    config = {
        "deliver_subject": "_INBOX.x",
        "durable_name": "mine",
        "inactive_threshold": 10**18,
        "ack_policy": "explicit",
    }
    asked = {"stream_name": "EVENTS", "action": "update", "config": config}
    answer = await guest.request(
        "$JS.API.CONSUMER.CREATE.KV_parking.mine", json.dumps(asked).encode()
    )
    given = json.loads(answer.data)
    assert given["stream_name"] == "KV_parking"
    assert given["name"] != "mine"
    assert "durable_name" not in given["config"]
    assert given["config"]["inactive_threshold"] == 5_000_000_000


@pytest.mark.parametrize("said", [b"", b"[]", b"{}", b'{"config": 1}', b'{"config": {}}', b"\xff"])
def test_what_is_no_request_for_a_consumer_is_refused(said: bytes) -> None:
    with pytest.raises(InvalidInput, match="_INBOX"):
        consumer(said, "KV_parking")


async def test_without_a_writer_there_is_no_consumer_and_the_rest_goes_on(tmp_path: Path) -> None:
    with guarded(tmp_path) as broker:
        await _fill(broker)
        async with broker.as_user("guest") as (guest, _):
            bucket = await guest.jetstream().key_value("parking")
            assert (await bucket.get("B1")).value == b"inside"
            with pytest.raises(ServiceUnavailableError):
                await bucket.keys()


ASKING = ("daemon", "reader", "client", "gateway", "homeassistant")
LISTENERS = tuple(map(listener_of, sorted(LISTENING_USERS)))


async def _first_kept(broker: Broker) -> dict[str, int]:
    """The first message of each stream that could be harmed."""
    async with broker.as_user("operator") as (operator, _):
        js = operator.jetstream()
        return {
            stream: (await js.stream_info(stream)).state.first_seq
            for stream in {harm.rsplit(".", 1)[1] for harm in HARMS}
        }


@pytest.mark.parametrize("name", [*ASKING, *LISTENERS])
@pytest.mark.fault("h12")
async def test_no_answer_goes_where_a_service_may_not_publish(
    broker: Broker, guest: Client, name: str
) -> None:
    """Whatever it may publish on, with whatever reply subject: nothing is purged or deleted."""
    await guest.jetstream().publish("events.event", b"{}")
    before = await _first_kept(broker)
    known = {user.name: user.publish for user in nats_users.USERS}
    asked = known.get(name) or known[name.removesuffix("_listener")]
    async with broker.as_user(name) as (client, _):
        for pattern in dict.fromkeys(asked):
            subject = pattern.replace("*", "x").replace(">", "x")
            for body in (b"", b"{}", b'{"no_wait":true,"batch":1}', b'{"seq":1}'):
                for harm in HARMS:
                    await client.publish(subject, body, reply=harm)
            for harm in HARMS:
                await client.publish(subject, b"", headers={"Nats-Trace-Dest": harm})
        await client.flush()
    assert await _first_kept(broker) == before


async def test_the_writer_is_trusted_not_to_do_it(broker: Broker, guest: Client) -> None:
    """As docs/security.md says; and by the same way that is closed to all others."""
    await guest.jetstream().publish("events.event", b"{}")
    async with broker.as_user("writer") as (client, refused):
        asked, harm = "$JS.API.DIRECT.GET.KV_parking.$KV.parking.nowhere", HARMS[0]
        await client.publish(asked, b"", reply=harm)
        async with asyncio.timeout(60):
            while (await _messages(broker))["EVENTS"]:
                pass
        assert refused == []


@pytest.mark.parametrize("name", LISTENERS)
async def test_who_listens_may_publish_nothing(broker: Broker, name: str) -> None:
    tried = ["events.event", "reader.query", "$JS.API.INFO", "$KV.decisions.k", "_INBOX.x", "x"]
    async with broker.as_user(name) as (client, refused):
        for subject in tried:
            await client.publish(subject, b"{}")
        async with asyncio.timeout(10):
            while len(refused) < len(tried):
                await client.flush()


@pytest.mark.parametrize("name", ASKING)
def test_nobody_but_the_writer_makes_streams_or_consumers(name: str) -> None:
    """Either may name where messages go: the deliver subject, ``republish``, ``sources``."""
    user = next(each for each in nats_users.USERS if each.name == name)
    assert not [each for each in user.publish if ".CREATE" in each or ".UPDATE" in each]


def _without_accounts(folder: Path) -> Server:
    """A server on the same streams that asks nobody who they are."""
    server = nats_server(folder, room="64GB")
    config = folder / "nats.conf"
    config.write_text(config.read_text().replace(f"{folder}/jetstream", f"{folder}/store"))
    accounts.hand_over_streams(folder / "store", to_account=False)
    return server


async def _stored(js: JetStreamContext) -> int:
    return (await js.stream_info("EVENTS")).state.messages


async def test_streams_of_before_there_were_accounts_are_the_pipelines(tmp_path: Path) -> None:
    """And back again, with NATS_AUTH=none."""
    plain = _without_accounts(tmp_path)
    settings = load(Settings, nats_url=f"nats://{plain.url}")
    with running(plain):
        before = await nats.connect(settings.nats_url)
        await bus.declare(before, settings)
        await before.jetstream().publish("events.event", b"1")
        await before.close()
    with guarded(tmp_path) as broker:
        async with broker.as_user("writer") as (writer, _):
            assert await _stored(writer.jetstream()) == 1
        async with broker.as_user("guest") as (guest, _):
            await guest.jetstream().publish("events.event", b"2")
    plain = _without_accounts(tmp_path)
    with running(plain):
        after = await nats.connect(f"nats://{plain.url}")
        assert await _stored(after.jetstream()) == 2
        await after.close()
