"""The outermost layer: makes requests that mean the same look the same."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Entrance:
    """HEAD asks as GET does; a slash at the end and a proxy's path prefix change nothing.

    A slash is not answered with a redirect: behind a proxy that speaks TLS it led to http://.

    :param root_path: prefix under which a proxy shows the gateway, such as ``/spindle``; empty for
        none. Paths are taken with it and without it, whichever the proxy sends.
    """

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self._app = app
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path = self._path(scope["path"])
        inner = {**scope, "path": path, "raw_path": path.encode(), "root_path": ""}
        if scope["method"] == "HEAD":
            inner["method"] = "GET"
            send = _Head(send)
        await self._app(inner, receive, send)

    def _path(self, path: str) -> str:
        if self._root_path and f"{path}/".startswith(f"{self._root_path}/"):
            path = path[len(self._root_path) :]
        return path.rstrip("/") or "/"


class _Head:
    """Sends the head of an answer, and tells an answer without end that its client has gone."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._ended = False

    async def __call__(self, message: Message) -> None:
        if self._ended:
            raise OSError("a HEAD request takes no body")  # as for a client that has gone
        if message["type"] == "http.response.body":
            self._ended = True
            message = {**message, "body": b"", "more_body": False}
        await self._send(message)
