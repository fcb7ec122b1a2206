"""What each user of NATS may not do, tried on a real server with the generated configuration."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import nats
import pytest

from local.layout import ROOT
from local.nats import users as nats_users
from spindle import bus, subjects
from spindle.bus import deadletters, streams
from spindle.bus.connection import inbox_prefix
from spindle.bus.listener import mqtt_user_of
from spindle.ledger.numbering import Claims
from spindle.settings import Settings, load
from tests.guarded_nats import Broker, guarded
from tests.servers import nats_server, running

NAMES = [user.name for user in nats_users.USERS if user.name != "operator"]
EVERYONE = [*NAMES, "guest"]
STREAMS = [
    *(str(stream.name) for stream in streams.streams(load(Settings))),
    *(subjects.bucket_stream(name) for name in ("reader_watch", "gateway_keys")),
]
#: JetStream's whole API for one stream; every consumer is tried as ``stranger``.
API = [
    *("STREAM.CREATE.{}", "STREAM.UPDATE.{}", "STREAM.DELETE.{}", "STREAM.PURGE.{}"),
    *("STREAM.MSG.GET.{}", "STREAM.MSG.DELETE.{}", "STREAM.SNAPSHOT.{}", "STREAM.RESTORE.{}"),
    *("STREAM.PEER.REMOVE.{}", "STREAM.LEADER.STEPDOWN.{}", "DIRECT.GET.{}.x", "STREAM.INFO.{}"),
    *("CONSUMER.CREATE.{}", "CONSUMER.CREATE.{}.stranger", "CONSUMER.DURABLE.CREATE.{}.stranger"),
    *("CONSUMER.DELETE.{}.stranger", "CONSUMER.MSG.NEXT.{}.stranger", "CONSUMER.INFO.{}.stranger"),
    *("CONSUMER.NAMES.{}", "CONSUMER.LIST.{}", "CONSUMER.PAUSE.{}.stranger"),
]
WHOLE = ["STREAM.NAMES", "STREAM.LIST", "INFO", "ACCOUNT.PURGE.x", "META.LEADER.STEPDOWN"]
PLAIN = [
    *("events.event", "events.metrics.DiskUnit.d1", "parking.entry", "parking.summary"),
    *("deadletter.events.event", "health.changed.x", "reader.query", "writer.ledger"),
    *("simulation.inject", "simulation.truth", "$SRV.PING", "daemon.x", "stranger"),
    *(f"$KV.{name}.k" for name in ("parking", "parking_totals", "devices", "reader_watch")),
    *(f"$JS.ACK.{stream}.{each.durable_name}.1.1.1.1.0" for stream, each in streams.consumers()),
]
#: Beside the operator the gateway alone takes dead letters out, to replay them.
REPLAYED = {
    ("gateway", f"$JS.API.STREAM.MSG.{verb}.{subjects.DEAD_LETTER_STREAM}")
    for verb in ("GET", "DELETE")
}
#: Said here a second time on purpose: the table is wrong when it grants any of it to somebody else.
OPERATORS_OWN = ("STREAM.DELETE", "STREAM.PURGE", "STREAM.MSG", "STREAM.SNAPSHOT", "STREAM.RESTORE")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Without any stream: what is refused is refused before JetStream is asked."""
    with guarded(tmp_path_factory.mktemp("guarded")) as running:
        yield running


def allowed(name: str, subject: str) -> bool:
    """Whether the table grants it, by NATS's own rules of ``*`` and ``>``."""
    user = next(each for each in (*nats_users.USERS, nats_users.GUEST) if each.name == name)
    return any(_matches(pattern.split("."), subject.split(".")) for pattern in user.publish)


def _matches(pattern: list[str], subject: list[str]) -> bool:
    if pattern[-1] == ">":
        head = pattern[:-1]
        return len(subject) > len(head) and _matches([*head, "x"], [*subject[: len(head)], "x"])
    return len(pattern) == len(subject) and all(
        mine in {"*", theirs} for mine, theirs in zip(pattern, subject, strict=True)
    )


def tried() -> list[str]:
    """Every subject that a stranger might publish on."""
    api = [f"$JS.API.{verb.format(stream)}" for verb in API for stream in STREAMS]
    durables = [
        f"$JS.API.CONSUMER.{verb}.{stream}.{each.durable_name}"
        for stream, each in streams.consumers()
        for verb in ("INFO", "MSG.NEXT", "DELETE", "DURABLE.CREATE", "CREATE")
    ]
    inboxes = [f"{inbox_prefix(name)}.x" for name in EVERYONE]
    return [*api, *durables, *(f"$JS.API.{each}" for each in WHOLE), *PLAIN, *inboxes]


async def _not_refused(refused: list[str], what: list[str]) -> list[str]:
    """What the server has not refused when it has had time to: it answers one by one."""
    left = what
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(60):
            while left:
                await asyncio.sleep(0.05)
                said = "\n".join(refused)
                left = [each for each in left if each.lower() not in said]
    return left


@pytest.mark.parametrize("name", EVERYONE)
@pytest.mark.fault("h12")
async def test_what_is_not_in_the_table_is_refused(broker: Broker, name: str) -> None:
    """By the server, one by one; nothing of it reaches JetStream."""
    forbidden = [subject for subject in tried() if not allowed(name, subject)]
    assert len(forbidden) > 150
    async with broker.as_user(name) as (client, refused):
        for subject in forbidden:
            await client.publish(subject, b"{}")
        passed = await _not_refused(refused, [f'publish to "{each}"' for each in forbidden])
    assert passed == []


@pytest.mark.parametrize("name", EVERYONE)
@pytest.mark.fault("h12")
async def test_nobody_listens_to_another_or_to_everything(broker: Broker, name: str) -> None:
    others = [f"{inbox_prefix(each)}.>" for each in EVERYONE if each != name]
    wanted = [*others, ">", "$JS.>", "$KV.>", "$SYS.>", "deadletter.>", "*.>"]
    async with broker.as_user(name) as (client, refused):
        for subject in wanted:
            await client.subscribe(subject)
        passed = await _not_refused(refused, [f'subscription to "{each}"' for each in wanted])
    assert passed == []


@pytest.mark.parametrize("name", EVERYONE)
def test_purge_delete_and_reading_a_stream_raw_are_the_operators(name: str) -> None:
    for verb in OPERATORS_OWN:
        for stream in STREAMS:
            for end in ("", ".GET.", ".DELETE."):
                subject = f"$JS.API.{verb}{end or '.'}{stream}"
                assert allowed(name, subject) == ((name, subject) in REPLAYED), (name, subject)
    for stream in ("METRICS", "EVENTS", "PARKING"):
        assert allowed(name, f"$JS.API.STREAM.UPDATE.{stream}") == (name == "writer")


@pytest.mark.parametrize("name", [*NAMES, "guest"])
def test_nothing_crosses_twice(name: str) -> None:
    """Two of a user's subjects that overlap would be two imports: all would be published twice."""
    user = next(each for each in (*nats_users.USERS, nats_users.GUEST) if each.name == name)
    asked = set(user.publish) | {"$JS.API.INFO"}
    twice = [
        (one, other)
        for one in asked
        for other in asked
        if one != other and _matches(one.split("."), other.split("."))
    ]
    assert user.inside or not twice


async def test_who_speaks_mqtt_for_the_client_signs_in_by_mqtt_alone(broker: Broker) -> None:
    """Where nobody can name a reply subject."""
    with pytest.raises(nats.errors.Error, match="Authorization Violation"):
        async with broker.as_user(mqtt_user_of("client")):
            pass


async def test_the_others_wait_for_the_writer_to_declare(broker: Broker) -> None:
    """And go on by themselves."""

    def settings(name: str) -> Settings:
        password = broker.passwords[name]
        return load(Settings, nats_url=broker.url, nats_user=name, nats_password=password)

    waiting = {}
    for name in ("daemon", "reader", "client", "gateway"):
        client = await bus.connect(settings(name), name)
        waiting[asyncio.create_task(bus.declare(client, settings(name)))] = client
    done, _ = await asyncio.wait(waiting, timeout=1)
    assert not done
    writer = await bus.connect(settings("writer"), "writer")
    await bus.declare(writer, settings("writer"))
    async with asyncio.timeout(60):
        await asyncio.gather(*waiting)
    for client in (writer, *waiting.values()):
        await client.close()


async def test_the_gateway_may_replay_a_dead_letter_of_every_stream(broker: Broker) -> None:
    origins = [
        *(subjects.METRICS, f"{subjects.METRICS}.DiskUnit.d1", subjects.VERDICTS),
        *(subjects.EVENTS, subjects.PARKING_ENTRY, f"{subjects.PARKING_EXIT}.north"),
        subjects.PARKING_SUMMARY,
    ]
    writer = await bus.connect(broker.settings("writer"), "writer")
    await bus.declare(writer, broker.settings("writer"))
    for origin in origins:
        headers = {subjects.SUBJECT_HEADER: origin, subjects.STREAM_HEADER: "X"}
        subject = subjects.dead_letter_subject(origin)
        await writer.jetstream().publish(subject, b"{}", headers=headers)
    await writer.close()
    async with broker.as_user("gateway") as (client, refused):
        js = deadletters.js_of(client)
        letters = [letter async for letter in deadletters.letters(js)]
        assert [letter.subject for letter in letters] == origins
        claims = Claims("gateway-replay")
        for letter in letters:
            await deadletters.replay(js, letter, claims)
        await deadletters.claim(js, claims)
        assert await deadletters.count(js) == 0
    assert refused == []


async def test_a_percent_encoded_name_and_password_in_the_address_sign_in(tmp_path: Path) -> None:
    extra = 'authorization { users: [ { user: "us er", password: "p@ss:w/rd%" } ] }'
    with running(nats_server(tmp_path, extra=extra)) as server:
        url = f"nats://us%20er:p%40ss%3Aw%2Frd%25@127.0.0.1:{server.port}"
        async with asyncio.timeout(60):
            client = await bus.connect(Settings(nats_url=url), "test")
        assert client.is_connected
        await bus.close(client)


def test_the_documented_table_is_that_of_the_code() -> None:
    assert (ROOT / "docs" / "security.md").read_text().endswith(nats_users.table())
