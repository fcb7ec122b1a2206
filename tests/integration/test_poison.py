"""What anybody can publish and nats-py cannot parse: no service falls silent over it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import nats
import orjson
import pytest
from nats.aio.client import Client

from spindle import bus, subjects
from spindle.bus import deadletters
from spindle.settings import Settings
from tests.integration.test_writer import metric
from tests.servers import Server
from tests.services import ServiceProcess
from tests.waiting import until


@pytest.fixture
async def client(nats_server: Server, settings: Settings) -> AsyncIterator[Client]:
    connection = await nats.connect(f"nats://127.0.0.1:{nats_server.port}")
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


async def raw(port: int, *lines: bytes) -> None:
    """Write protocol lines on a socket of its own, and wait until the server has read them."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    options = b'CONNECT {"verbose":false,"pedantic":false,"headers":true}\r\n'
    writer.write(options + b"".join(lines) + b"PING\r\n")
    await writer.drain()
    while not (line := await reader.readline()).startswith(b"PONG"):
        assert line.startswith((b"INFO", b"+OK")), line
    writer.close()


POISON = {
    "a vertical tab in the subject": b"PUB events.metrics.a\x0bb 2\r\n{]\r\n",
    "a form feed in the subject": b"PUB events.metrics.a\x0cb 2\r\n{]\r\n",
    "a subject that is no UTF-8": b"PUB events.metrics.\xff\xfe 2\r\n{]\r\n",
    "a header of two bytes": b"HPUB events.metrics 2 4\r\n\r\n{]\r\n",
    "a header of one letter": b"HPUB events.metrics 1 3\r\nN{]\r\n",
    "a header that is no UTF-8": (
        b"HPUB events.metrics 19 21\r\nNATS/1.0 \xff\xfe\r\nA: \xff\r\n{]\r\n"
    ),
    "a status without a number": b"HPUB events.metrics 10 12\r\nNATS/1.0 \r{]\r\n",
    "a very long subject": b"PUB events.metrics." + b"x" * 4040 + b" 2\r\n{]\r\n",
}


@pytest.mark.parametrize("kind", POISON)
@pytest.mark.fault("h6", "h7")
async def test_what_the_library_cannot_parse_becomes_a_dead_letter(
    kind: str, client: Client, writer: ServiceProcess, nats_server: Server
) -> None:
    writer.start()
    await raw(nats_server.port, *[POISON[kind]] * 3)
    await client.publish("events.metrics", orjson.dumps(metric(1)))
    await until(lambda: writer.total("writer_stored_points_total") == 1)
    await until(lambda: writer.total("writer_dead_lettered_points_total") == 3)
    letters = [one async for one in deadletters.letters(client.jetstream())]
    assert [one.payload for one in letters] == [b"{]"] * 3
    assert all(one.kind == "invalid" and "not JSON" in one.reason for one in letters)
    js = client.jetstream()
    async with asyncio.timeout(20):  # they are acknowledged once the ledger is noted
        while (await js.stream_info(subjects.METRICS_STREAM)).state.messages:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_a_good_reading_under_a_bad_subject_is_stored(
    client: Client, writer: ServiceProcess, nats_server: Server
) -> None:
    writer.start()
    payload = orjson.dumps(metric(1))
    await raw(
        nats_server.port, b"PUB events.metrics.\xff\x0b %d\r\n%b\r\n" % (len(payload), payload)
    )
    await until(lambda: writer.total("writer_stored_points_total") == 1)


@pytest.mark.parametrize("service", ["reader", "gateway"])
async def test_a_reader_and_a_gateway_go_on_hearing(
    service: str, nats_server: Server, settings: Settings, tmp_path: Path
) -> None:
    """What they hear of ``events.metrics`` and of visits comes over the same client."""
    connection = await bus.connect(settings, service)
    heard: list[bytes] = []

    async def hear(message: object) -> None:
        heard.append(message.data)  # type: ignore[attr-defined]

    await connection.subscribe("events.metrics.>", cb=hear)
    await connection.subscribe("events.metrics", cb=hear)
    await connection.flush()
    await raw(nats_server.port, *POISON.values())
    await until(lambda: len(heard) == len(POISON))
    await connection.close()


@pytest.mark.fault("h6", "h7")
async def test_ten_thousand_messages_of_noise_are_all_resolved(
    client: Client, writer: ServiceProcess, nats_server: Server, request: pytest.FixtureRequest
) -> None:
    rng = random.Random(request.node.name)  # of each round its own
    writer.start()
    lines = [noise(rng) for _ in range(10_000)]
    for start in range(0, len(lines), 1000):
        await raw(nats_server.port, *lines[start : start + 1000])
    js = client.jetstream()
    await until(lambda: writer.total("writer_dead_lettered_points_total") >= 10_000, 60)

    async def all_resolved() -> bool:
        return (await js.stream_info(subjects.METRICS_STREAM)).state.messages == 0

    await until(all_resolved)
    assert (await js.stream_info(subjects.METRICS_STREAM)).state.last_seq == 10_000
    await client.publish("events.metrics", orjson.dumps(metric(1)))
    await until(lambda: writer.total("writer_stored_points_total") == 1)


def noise(rng: random.Random) -> bytes:
    """A message that the server takes, with any bytes in its subject, header and payload."""
    allowed = [byte for byte in range(1, 256) if byte not in b" \t\r\n.*>"]
    subject = b"events.metrics." + bytes(rng.choices(allowed, k=rng.randint(1, 20)))
    header = rng.choice((b"", b"", rng.randbytes(rng.randint(1, 12)), numbered(rng)))
    payload = b"{]" + rng.randbytes(rng.randint(0, 40))
    if not header:
        return b"PUB %b %d\r\n%b\r\n" % (subject, len(payload), payload)
    sizes = (len(header), len(header) + len(payload))
    return b"HPUB %b %d %d\r\n%b%b\r\n" % (subject, *sizes, header, payload)


def numbered(rng: random.Random) -> bytes:
    """A header as publishers have it who number their points, with any numbers in it."""
    words = (rng.choice((0, 1, 2**53, 2**63, 10**30, -1)) for _ in range(2))
    return b"NATS/1.0\r\nSpindle-Number: p%d %d %d\r\n\r\n" % (rng.randrange(9), *words)


@pytest.mark.fault("h8")
async def test_a_crowd_in_one_message_is_one_letter_and_those_behind_it_are_stored(
    client: Client, writer: ServiceProcess
) -> None:
    writer.start()
    await client.publish("events.metrics", b"[" + b",".join([b"{}"] * 299_000) + b"]")
    await client.publish("events.metrics", b"[" + b",".join([b"{}"] * 5_000) + b"]")
    await client.publish("events.metrics", orjson.dumps(metric(1)))
    await until(lambda: writer.total("writer_stored_points_total") == 1)
    await until(lambda: writer.total("writer_dead_lettered_points_total") == 5_001)
    letters = [one async for one in deadletters.letters(client.jetstream())]
    assert len(letters) == 1 + 20
    assert "299000 objects, at most 15000 are taken in one message" in letters[0].reason
    assert any(one.reason.startswith("4981 more objects of this message") for one in letters)


@pytest.mark.fault("h3")
async def test_letters_of_a_stream_made_anew_are_all_kept(
    client: Client, writer: ServiceProcess, settings: Settings
) -> None:
    writer.start()
    for round_ in (1, 2):
        for number in range(5):
            await client.publish("events.metrics", b"bad %d %d" % (round_, number))
        await _lettered(writer, 5 * round_)
        await client.jetstream().delete_stream(subjects.METRICS_STREAM)
        await bus.declare(client, settings)
        await asyncio.sleep(1)
    state = (await client.jetstream().stream_info(subjects.DEAD_LETTER_STREAM)).state
    assert state.messages == 10


async def test_a_bad_message_that_is_sent_again_because_nats_was_killed_is_one_letter(
    client: Client, writer: ServiceProcess, nats_server: Server
) -> None:
    """A killed NATS forgets the ids of what was acknowledged, and takes a message a second time."""
    writer.start()
    js = client.jetstream()

    async def all_done() -> bool:
        return (await js.stream_info(subjects.METRICS_STREAM)).state.messages == 0

    async def sent(payload: bytes, name: str | None = "1") -> None:
        headers = {subjects.MESSAGE_ID_HEADER: name} if name else None
        answer = await js.publish("events.metrics", payload, headers=headers)
        assert not answer.duplicate
        await until(all_done)

    for payload in (b"bad", b"bad", b"another", b"bad"):
        await sent(payload)
        await asyncio.to_thread(nats_server.kill)
        await asyncio.to_thread(nats_server.start)
        await until(lambda: client.is_connected)
    for name in (None, None, "2"):
        await sent(b"bad", name)
    letters = [one.payload async for one in deadletters.letters(js)]
    assert letters == [b"bad", b"another", b"bad", b"bad", b"bad"]
    assert writer.total("writer_dead_lettered_points_total") == 5
    assert writer.total("writer_received_points") == 5


async def _lettered(writer: ServiceProcess, points: int) -> None:
    await until(lambda: writer.total("writer_dead_lettered_points_total") == points)
