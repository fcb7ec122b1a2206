"""An HTTP server that answers as told and remembers what it was asked."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came; ``headers`` have lower-case names."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Reply:
    """``body`` may be anything that JSON holds, or bytes as they are; None cuts the connection."""

    status: int = 204
    body: object = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False


@dataclass
class FakeServer:
    """:ivar answer: what to reply to a request.
    :ivar requests: all that came, oldest first.
    """

    answer: Callable[[Request], Reply]
    requests: list[Request] = field(default_factory=list)
    port: int = 0

    def asked(self, method: str, path: str) -> list[Request]:
        """The requests of that kind."""
        return [r for r in self.requests if (r.method, r.path) == (method, path)]


@contextlib.contextmanager
def serving(answer: Callable[[Request], Reply]) -> Iterator[FakeServer]:
    """A running server on a free port of 127.0.0.1."""
    fake = FakeServer(answer)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(fake))
    fake.port = int(server.server_address[1])
    thread = threading.Thread(
        target=server.serve_forever, args=(0.01,), name="fake-http", daemon=True
    )
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(fake: FakeServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            url = urlsplit(self.path)
            request = Request(
                self.command,
                url.path,
                dict(parse_qsl(url.query, keep_blank_values=True)),
                {name.lower(): value for name, value in self.headers.items()},
                self.rfile.read(int(self.headers.get("Content-Length") or 0)),
            )
            fake.requests.append(request)
            reply = fake.answer(request)
            if reply.cut:
                self.close_connection = True
                return
            body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if reply.status != 204:
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if reply.status != 204:
                self.wfile.write(body)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _any

        def log_message(self, *_: Any) -> None:
            """Not a line for each request."""

    return Handler
