"""Live messages: who gets them, and who is dropped."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.http import stream
from gateway.http.stream import EventStream, Hub
from spindle.errors import Busy

ALL: frozenset[str] = frozenset()


def test_every_listener_gets_the_kinds_it_wants() -> None:
    hub = Hub(most=2, queue_size=10)
    with hub.joined(ALL) as everything, hub.joined(frozenset({"visit"})) as visits:
        hub.send("visit", b"v")
        hub.send("critical_event", b"c")
        assert [everything.queue.get_nowait() for _ in range(2)] == [b"v", b"c"]
        assert visits.queue.get_nowait() == b"v"
        assert visits.queue.empty()
    assert len(hub) == 0


def test_one_listener_too_many_is_told_so() -> None:
    hub = Hub(most=1, queue_size=1)
    with hub.joined(ALL), pytest.raises(Busy, match="1 clients listen already"), hub.joined(ALL):
        pass


def test_a_slow_listener_is_ended_once_and_the_others_go_on() -> None:
    hub, dropped = Hub(most=2, queue_size=2), []
    hub.on_drop = lambda: dropped.append(1)
    with hub.joined(ALL) as slow, hub.joined(ALL) as quick:
        for _ in range(5):
            hub.send("visit", b"v")
            quick.queue.get_nowait()
        assert slow.ended.is_set()
        assert slow.queue.qsize() == 2
        assert not quick.ended.is_set()
    assert dropped == [1]


class Client:
    """The client's side of an ASGI response.

    :ivar reads: whether it takes what it is sent.
    """

    def __init__(self, *, reads: bool = True) -> None:
        self.got: list[dict[str, Any]] = []
        self.gone = asyncio.Event()
        self.reads = reads

    async def send(self, message: Any) -> None:
        self.got.append(message)
        if not self.reads and message["type"] == "http.response.body":
            await asyncio.Event().wait()

    async def receive(self) -> Any:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    @property
    def text(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.got)

    @property
    def complete(self) -> bool:
        return self.got[-1].get("more_body") is False


async def test_a_quiet_stream_sends_comments_and_ends_when_the_client_goes() -> None:
    hub, client = Hub(1, 10), Client()
    response = EventStream(hub, ALL, heartbeat_seconds=0.02)
    running = asyncio.create_task(response({}, client.receive, client.send))
    while client.text.count(stream.HEARTBEAT) < 2:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    client.gone.set()
    await running
    assert len(hub) == 0


async def test_a_stream_ends_properly_when_the_gateway_stops() -> None:
    hub, client = Hub(1, 10), Client()
    response = EventStream(hub, ALL, heartbeat_seconds=10)
    running = asyncio.create_task(response({}, client.receive, client.send))
    while not client.got:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    hub.close()
    await running
    assert client.complete
    with pytest.raises(Busy, match="stopping"), hub.joined(ALL):
        pass


async def test_a_client_that_never_reads_is_dropped_without_an_end() -> None:
    """So that it knows it missed something."""
    hub, client = Hub(1, 10), Client(reads=False)
    dropped: list[int] = []
    hub.on_drop = lambda: dropped.append(1)
    await EventStream(hub, ALL, heartbeat_seconds=0.05)({}, client.receive, client.send)
    assert dropped == [1]
    assert not client.complete
    assert len(hub) == 0
