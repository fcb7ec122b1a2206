"""Server-sent events (WHATWG HTML, section 9.2): who listens, and the response that each gets.

A listener that is too slow is dropped, not buffered without end. sse-starlette 3.7 was tried in
place of ``EventStream``: it has no queue per listener, drops a client that does not read only when
a send times out, with a traceback in the log, and did not notice a stop (it looks for the server
behind the handler of SIGTERM, which here is the service's): that took the whole five seconds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from starlette.types import Receive, Scope, Send

from spindle.errors import Busy
from spindle.service import tasks

log = logging.getLogger("gateway")

MOST_LISTENERS = 100  # a file descriptor and a queue each
QUEUE_SIZE = 256  # messages that wait for one listener: a burst, not an outage
HEARTBEAT_SECONDS = 15.0  # below the time after which proxies close a quiet connection

HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]
FIRST = b"retry: 3000\n: connected\n\n"
HEARTBEAT = b": still here\n\n"


def frame(kind: str, data: bytes) -> bytes:
    """One event; ``data`` is JSON, which holds no line breaks."""
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), data)


@dataclass(eq=False)
class Listener:
    """One client of ``/api/v1/stream``.

    :ivar kinds: what it wants; empty for all.
    :ivar ended: set when it is to get no more: it was too slow, or the gateway stops.
    """

    queue: asyncio.Queue[bytes]
    kinds: frozenset[str]
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    too_slow: bool = False


class Hub:
    """Hands each frame to everybody who listens.

    :param most: listeners at the same time.
    :param queue_size: frames that wait for one listener.
    """

    def __init__(self, most: int, queue_size: int) -> None:
        self._most = most
        self._queue_size = queue_size
        self._listeners: set[Listener] = set()
        self._closed = False
        self.on_drop: Callable[[], None] = lambda: None  # told of each that was too slow

    def __len__(self) -> int:
        return len(self._listeners)

    @contextmanager
    def joined(self, kinds: frozenset[str]) -> Iterator[Listener]:
        """A listener for as long as the context lasts.

        :raises Busy: there are too many, or the gateway stops.
        """
        if self._closed:
            raise Busy("the gateway is stopping; connect again in a moment")
        if len(self._listeners) >= self._most:
            raise Busy(f"{self._most} clients listen already; connect again later")
        listener = Listener(asyncio.Queue(self._queue_size), kinds)
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    def send(self, kind: str, frame: bytes) -> None:
        """Send a frame to all who want this kind; end listeners whose queue is full."""
        for listener in self._listeners:
            if listener.kinds and kind not in listener.kinds:
                continue
            try:
                listener.queue.put_nowait(frame)
            except asyncio.QueueFull:
                self.drop(listener)

    def drop(self, listener: Listener) -> None:
        """End a listener that is too slow."""
        if not listener.too_slow:
            listener.too_slow = True
            self.on_drop()
            listener.ended.set()

    def close(self) -> None:
        """End all listeners, and take no more."""
        self._closed = True
        for listener in self._listeners:
            listener.ended.set()


class EventStream:
    """The response: an ASGI application that lasts until either side ends it."""

    def __init__(self, hub: Hub, kinds: frozenset[str], heartbeat_seconds: float) -> None:
        self._hub = hub
        self._kinds = kinds
        self._heartbeat = heartbeat_seconds

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """:raises Busy: before anything is sent."""
        with self._hub.joined(self._kinds) as listener:
            await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
            going = [
                asyncio.create_task(self._write(listener, send), name="stream"),
                asyncio.create_task(listener.ended.wait(), name="stream ended"),
                asyncio.create_task(_gone(receive), name="stream client gone"),
            ]
            try:
                await asyncio.wait(going, return_when=asyncio.FIRST_COMPLETED)
            finally:
                results = await tasks.end(*going)
            for result in results:
                if isinstance(result, Exception) and not isinstance(result, OSError):
                    raise result  # an OSError: the client is gone
            if listener.too_slow:
                # Without an end of the body: the server then closes the connection, and the
                # client knows that it missed something.
                log.info("a client of the stream was too slow and is dropped")
            elif listener.ended.is_set():
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _write(self, listener: Listener, send: Send) -> None:
        body = FIRST
        while True:
            try:
                async with asyncio.timeout(self._heartbeat):
                    await send({"type": "http.response.body", "body": body, "more_body": True})
            except TimeoutError:  # it does not read at all
                self._hub.drop(listener)
                return
            try:
                async with asyncio.timeout(self._heartbeat):
                    body = await listener.queue.get()
            except TimeoutError:
                body = HEARTBEAT


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
