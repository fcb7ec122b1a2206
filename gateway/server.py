"""uvicorn inside a service: its socket bound first, its signals left to the service."""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from spindle.service.run import PortTaken

log = logging.getLogger("gateway")

BACKLOG = 512
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


def server(app: ASGIApp) -> Server:
    """uvicorn as the gateway wants it; ``serve(sockets=[...])`` runs it."""
    quiet = logging.getLogger("uvicorn.error")
    quiet.setLevel(logging.WARNING)  # its starts and stops are the service's to tell
    quiet.addFilter(_not_a_dropped_stream)
    return Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            proxy_headers=False,  # whoever connects is the client: the rate limit counts by it
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )


def _not_a_dropped_stream(record: logging.LogRecord) -> bool:
    """A stream without an end is how a client that was too slow is dropped (``sse``)."""
    return "without completing response" not in record.getMessage()
