"""The reader of NATS's protocol: whatever nats-server may send, split anywhere."""

from __future__ import annotations

import asyncio
import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.aio.client import Client
from nats.errors import ProtocolError

from spindle.bus import protocol
from spindle.bus.client import SafeClient
from spindle.bus.protocol import OTHER_LINE, Message, take

#: What nats-server lets a subject consist of: any bytes but these.
no_blanks = st.binary(min_size=1, max_size=12).map(
    lambda some: bytes(byte for byte in some if byte not in b" \t\r\n\0") or b"x"
)
any_bytes = st.one_of(st.binary(max_size=40), st.sampled_from([b"\r\n", b"MSG a 1 2\r\n", b"PING"]))
messages = st.tuples(
    st.integers(1, 10**6), no_blanks, st.one_of(st.just(b""), no_blanks), any_bytes, any_bytes
)


def wire(message: Message) -> bytes:
    """As nats-server sends it."""
    sid, subject, reply, header, payload = message
    kind = b"HMSG" if header else b"MSG"
    sizes = [len(header)] * bool(header) + [len(header) + len(payload)]
    words = [kind, subject, b"%d" % sid, *([reply] if reply else []), *(b"%d" % n for n in sizes)]
    return b" ".join(words) + b"\r\n" + header + payload + b"\r\n"


def parts(data: bytes, places: list[int]) -> list[bytes]:
    """Cut at these places."""
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[low:high] for low, high in pairwise(edges)]


def read(pieces: list[bytes]) -> list[Message]:
    """What a connection makes of pieces that hold nothing but messages."""
    buffer, found, needed = b"", [], 0
    for piece in pieces:
        buffer += piece
        if len(buffer) >= needed:
            some, used, needed = take(buffer)
            assert needed > len(buffer) - used
            found += some
            buffer = buffer[used:]
    assert not buffer
    return found


@given(st.lists(messages, max_size=6), st.lists(st.integers(0, 10**4), max_size=12))
def test_messages_arrive_as_they_were_sent_wherever_they_are_cut(
    sent: list[Message], places: list[int]
) -> None:
    assert read(parts(b"".join(map(wire, sent)), places)) == sent


@given(st.lists(messages, min_size=1, max_size=3))
def test_byte_by_byte_too(sent: list[Message]) -> None:
    data = b"".join(map(wire, sent))
    assert read([data[place : place + 1] for place in range(len(data))]) == sent


@given(st.lists(messages, max_size=3), st.sampled_from([b"PING\r\n", b"+OK\r\n", b"-ERR 'x'\r\n"]))
def test_it_stops_before_a_line_that_is_no_message(sent: list[Message], line: bytes) -> None:
    data = b"".join(map(wire, sent))
    assert take(data + line) == (sent, len(data), OTHER_LINE)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_and_never_twice(data: bytes) -> None:
    for start in (b"", b"MSG ", b"HMSG a 1 "):
        try:
            found, used, needed = take(start + data)
        except ValueError:
            continue
        assert 0 <= used <= len(start + data)
        assert bool(found) == bool(used)
        assert needed == OTHER_LINE or needed > 0


@pytest.mark.parametrize(
    "line", [b"MSG a 1 -5", b"MSG a 1", b"MSG a b 2", b"HMSG a 1 9 3", b"HMSG a 1 r 5 4 3", b"MSG "]
)
def test_a_head_that_no_server_sends_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        take(line + b"\r\n" + b"x" * 20)


class Listening(SafeClient):
    """A client to whom bytes are fed by hand, and that notes what reaches nats-py."""

    def __init__(self) -> None:
        super().__init__()
        self.one_by_one: list[bytes] = []
        self.pings = 0

    async def _process_msg(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes | None
    ) -> None:
        self.one_by_one.append(data)

    async def _process_ping(self) -> None:
        self.pings += 1


@pytest.mark.parametrize("seed", range(50))
async def test_each_message_reaches_its_subscriber_once_and_in_order(seed: int) -> None:
    rng = random.Random(seed)
    client = Listening()
    many: list[Message] = []
    client.sinks[7] = many.extend
    allowed = [byte for byte in range(1, 256) if byte not in b" \t\r\n"]
    data, sent = b"", []
    for number in range(300):
        subject = bytes(rng.choices(allowed, k=rng.randint(1, 30)))
        header = rng.randbytes(rng.randint(1, 9)) if rng.random() < 0.3 else b""
        payload = b"%d " % number + rng.choice([b"\r\n", rng.randbytes(rng.randint(0, 300))])
        sent.append((rng.choice([7, 8]), subject, rng.choice([b"", b"r"]), header, payload))
        data += wire(sent[-1]) + (b"PING\r\n" if rng.random() < 0.1 else b"")
    at = 0
    while at < len(data):
        size = rng.choice([1, 2, 7, 100, 5000])
        await client._ps.parse(data[at : at + size])
        at += size
    assert many == [message for message in sent if message[0] == 7]
    assert client.one_by_one == [message[4] for message in sent if message[0] == 8]
    assert client.pings == data.count(b"\r\nPING\r\n")


async def test_a_line_that_nobody_knows_ends_the_connection_and_does_not_hang() -> None:
    with pytest.raises(ProtocolError):
        await Listening()._ps.parse(b"NONSENSE " + b"x" * 5000 + b"\r\n")


@given(st.lists(st.from_regex(r"[!-~]{1,30}", fullmatch=True), max_size=5), st.binary(max_size=8))
def test_one_payload_to_many_subjects_is_sent_as_to_each(
    subjects: list[str], payload: bytes
) -> None:
    assert protocol.publish(subjects, payload) == b"".join(
        b"PUB %b %d\r\n%b\r\n" % (subject.encode(), len(payload), payload) for subject in subjects
    )


def test_a_status_of_the_server_is_read() -> None:
    header = b"NATS/1.0 409 Consumer Deleted\r\nNats-Pending-Messages: 12\r\n\r\n"
    assert protocol.status(header) == (
        "409",
        {"Description": "Consumer Deleted", "Nats-Pending-Messages": "12"},
    )
    assert protocol.status(b"NATS/1.0 100\r\n\r\n") == ("100", {})


@given(st.binary(max_size=60))
def test_no_header_breaks_the_reading_of_a_status(header: bytes) -> None:
    protocol.status(header)


def test_nats_py_has_what_is_built_upon() -> None:
    """A new version of it is noticed here, and not by silence."""
    client = Client()
    for name in ("_send_command", "_flush_pending", "_process_msg", "_remove_sub", "_ps"):
        assert hasattr(client, name)


async def test_a_flush_waits_for_what_was_asked_before_it() -> None:
    """nats-py sends its PING ahead of the SUB that still waits to be sent."""
    lines: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"max_payload":1048576,"headers":true}\r\n')
        async for line in reader:
            lines.append(line.strip().partition(b" ")[0])
            if lines[-1] == b"PING":
                writer.write(b"PONG\r\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        client = SafeClient()
        await client.connect(f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        await client.subscribe("a")
        await client.publish("b", b"")
        await client.flush()
        await client.close()
    assert [line for line in lines if line] == [b"CONNECT", b"PING", b"SUB", b"PUB", b"PING"]
