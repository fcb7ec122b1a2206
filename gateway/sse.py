"""Server-sent events: frames, and the response that carries them.

Source: WHATWG HTML, section 9.2. A comment keeps proxies from closing a quiet stream.
"""

from __future__ import annotations

import asyncio
import logging

from starlette.types import Receive, Scope, Send

from gateway.hub import Hub, Listener
from spindle.service import tasks

log = logging.getLogger("gateway")

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
