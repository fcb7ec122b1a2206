"""uvicorn inside a service: its socket bound first, its signals left to the service."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator
from typing import ClassVar

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from gateway.failures import Failed
from gateway.settings import GatewaySettings
from spindle.service.run import PortTaken

log = logging.getLogger("gateway")

#: As many are accepted in one go, before any of them is counted.
BACKLOG = 128
MOST_CONNECTIONS = 500  # of 1,024 file descriptors, the usual limit of a process
HEAD_SECONDS = 10.0  # that a request line and its headers may take
GRACE_SECONDS = 5  # that requests may still take when the gateway stops


def bind(host: str, port: int) -> socket.socket:
    """A listening socket.

    :raises PortTaken: with the setting that moves it.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, socket.SOCK_STREAM)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
            bound.listen(BACKLOG)
            bound.setblocking(False)
        except OSError:
            bound.close()
            raise
    except OSError as error:
        raise PortTaken(
            f"port {port} on {host} cannot be used ({error.strerror}); "
            "set GATEWAY_HTTP_PORT or GATEWAY_HOST"
        ) from None
    return bound


class Server(uvicorn.Server):
    """Stops when it is told to, not by signals of its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The service has the signals."""
        yield


class BoundedProtocol(H11Protocol):
    """HTTP whose requests' heads come in time, on a bounded number of connections.

    uvicorn waits for the end of a head without end. Where all connections are taken, the one that
    has waited longest for a head gives its place to the new one.

    :cvar waiting: connections on which no request is being answered, the longest first.
    """

    waiting: ClassVar[dict[BoundedProtocol, asyncio.TimerHandle]]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()
        if len(self.connections) > MOST_CONNECTIONS:
            next(iter(self.waiting))._drop()

    def connection_lost(self, exc: Exception | None) -> None:
        self._waited()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        super().handle_events()
        if self.cycle is not None and not self.cycle.response_complete:
            self._waited()

    def on_response_complete(self) -> None:
        self._wait()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP is told so as every other failure is; uvicorn would in plain text."""
        answer = Failed(400, f"this is no HTTP that can be read: {msg}").response()
        head = [*answer.raw_headers, (b"connection", b"close")]
        for event in (
            h11.Response(status_code=400, headers=head, reason=b"Bad Request"),
            h11.Data(data=bytes(answer.body)),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _wait(self) -> None:
        self._waited()
        self.waiting[self] = self.loop.call_later(HEAD_SECONDS, self._drop)

    def _waited(self) -> None:
        if timer := self.waiting.pop(self, None):
            timer.cancel()

    def _drop(self) -> None:
        self._waited()
        self.connections.discard(self)
        self.transport.abort()


def server(app: ASGIApp, settings: GatewaySettings) -> Server:
    """uvicorn as the gateway wants it; ``serve(sockets=[...])`` runs it."""
    quiet = logging.getLogger("uvicorn.error")
    quiet.setLevel(logging.WARNING)  # its starts and stops are the service's to tell
    quiet.addFilter(_not_a_dropped_stream)
    return Server(
        uvicorn.Config(
            app,
            http=type("Http", (BoundedProtocol,), {"waiting": {}}),  # counted for each server
            ssl_certfile=settings.gateway_tls_cert or None,
            ssl_keyfile=settings.gateway_tls_key or None,
            backlog=BACKLOG,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            proxy_headers=False,  # GATEWAY_TRUSTED_PROXIES says whose are believed
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )


def _not_a_dropped_stream(record: logging.LogRecord) -> bool:
    """A stream without an end is how a client that was too slow is dropped (``sse``)."""
    return "without completing response" not in record.getMessage()
