"""An HTTP proxy between writer and database that misbehaves on writes.

One request per connection; what it decides about a write is a *deed* handed in by the test.
Everything else (``/ping``, ``/query``) passes.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import Self

from tests.servers import free_port

_HEAD_LIMIT = 2**16


@dataclass(slots=True)
class Request:
    """One request that came through, and what became of it.

    :ivar began: when its first byte came, on the monotonic clock.
    :ivar ended: when its answer was sent, or its connection cut.
    :ivar status: of the answer; 0 for none.
    """

    method: str
    path: str
    head: bytes
    body: bytes = b""
    began: float = field(default_factory=time.monotonic)
    ended: float = 0.0
    status: int = 0

    @property
    def is_write(self) -> bool:
        return self.path.startswith("/write")

    @property
    def lines(self) -> list[bytes]:
        """Of line protocol, whose last one may end with the line's end or without it."""
        return [line for line in self.body.split(b"\n") if line]


class Deed:
    """Pass it on, and pass the answer back."""

    async def do(self, proxy: Proxy, request: Request, writer: asyncio.StreamWriter) -> None:
        answer = await proxy.ask(request)
        _answer(request, writer, answer)


PASS = Deed()


@dataclass(frozen=True, slots=True)
class Say(Deed):
    """Answer by itself; the database never hears of it."""

    status: int
    headers: str = ""
    body: bytes = b'{"error":"the proxy says no"}'

    async def do(self, proxy: Proxy, request: Request, writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 {self.status} No\r\n{self.headers}Content-Length: {len(self.body)}\r\n"
        _answer(request, writer, f"{head}Connection: close\r\n\r\n".encode() + self.body)


@dataclass(frozen=True, slots=True)
class TooLargeOver(Deed):
    """413 for a body of more bytes, else pass."""

    limit: int

    async def do(self, proxy: Proxy, request: Request, writer: asyncio.StreamWriter) -> None:
        deed = Say(413) if len(request.body) > self.limit else PASS
        await deed.do(proxy, request, writer)


class CutInBody(Deed):
    """Half of the body reaches the database, then both connections break."""

    async def do(self, proxy: Proxy, request: Request, writer: asyncio.StreamWriter) -> None:
        _, database = await proxy.connect()
        database.write(request.head + request.body[: len(request.body) // 2])
        await database.drain()
        database.transport.abort()
        writer.transport.abort()


class CutAfterStoring(Deed):
    """The database stores it, and the connection breaks before a byte of the answer."""

    async def do(self, proxy: Proxy, request: Request, writer: asyncio.StreamWriter) -> None:
        await proxy.ask(request)
        writer.transport.abort()


@dataclass(frozen=True, slots=True)
class Late(Deed):
    """The database stores it; its answer comes after so many seconds."""

    seconds: float

    async def do(self, proxy: Proxy, request: Request, writer: asyncio.StreamWriter) -> None:
        answer = await proxy.ask(request)
        await asyncio.sleep(self.seconds)
        _answer(request, writer, answer)


@dataclass(frozen=True, slots=True)
class StoredLate(Deed):
    """It reaches the database only after so many seconds, when the writer has long given up."""

    seconds: float

    async def do(self, proxy: Proxy, request: Request, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(self.seconds)
        _answer(request, writer, await proxy.ask(request))


def first(deeds: Sequence[Deed]) -> Callable[[Request], Deed]:
    """These for the first writes, then pass."""
    following = chain(deeds, repeat(PASS))
    return lambda _: next(following)


class Proxy:
    """Listens on a port of its own before the database.

    :ivar decide: what is done with each write; may be changed at any time.
    :ivar writes: those that came, in the order in which they began.
    """

    def __init__(self, database_port: int) -> None:
        self.port = free_port()
        self.decide: Callable[[Request], Deed] = lambda _: PASS
        self.writes: list[Request] = []
        self._database_port = database_port
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, limit=_HEAD_LIMIT
        )
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def answered(self, status: int) -> list[Request]:
        """Writes with this answer."""
        return [request for request in self.writes if request.status == status]

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """To the database."""
        return await asyncio.open_connection("127.0.0.1", self._database_port)

    async def ask(self, request: Request) -> bytes:
        """The database's answer, all of it."""
        reader, writer = await self.connect()
        try:
            writer.write(request.head + request.body)
            await writer.drain()
            return await reader.read()
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._handle(reader, writer)
        finally:
            self._connections.discard(task)
            writer.close()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await _read(reader)
        deed = PASS
        if request.is_write:
            self.writes.append(request)
            deed = self.decide(request)
        try:
            await deed.do(self, request, writer)
            await writer.drain()
        finally:
            request.ended = time.monotonic()


async def _read(reader: asyncio.StreamReader) -> Request:
    """The one request of a connection; the database is told that no further one follows."""
    head = await reader.readuntil(b"\r\n\r\n")
    began = time.monotonic()
    lines = head.decode("latin-1").split("\r\n")
    method, path, _ = lines[0].split(" ")
    length = 0
    kept = [lines[0]]
    for line in lines[1:-2]:
        name, _, value = line.partition(":")
        if name.lower() == "content-length":
            length = int(value)
        if name.lower() not in {"connection", "accept-encoding"}:
            kept.append(line)
    passed = "\r\n".join([*kept, "Connection: close", "", ""]).encode("latin-1")
    body = await reader.readexactly(length)
    return Request(method, path, passed, body, began)


def _answer(request: Request, writer: asyncio.StreamWriter, answer: bytes) -> None:
    request.status = int(answer.split(b" ", 2)[1]) if answer else 0
    writer.write(answer)
