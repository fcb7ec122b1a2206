"""One HTTP request as a script would make it, whatever the status."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Reply:
    """What came back; header names in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        """The sentence of a failure."""
        return str(self.json["message"])


def call(url: str, body: bytes | object = None, method: str | None = None, **headers: str) -> Reply:
    """GET, or POST where there is a body; an object goes as JSON.

    :param headers: ``idempotency_key="x"`` is sent as ``Idempotency-Key: x``.
    """
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, data, named, method=method)
    try:
        with _DIRECT.open(request, timeout=20) as reply:
            status, found, content = reply.status, reply.headers, reply.read()
    except urllib.error.HTTPError as error:
        status, found, content = error.code, error.headers, error.read()
    return Reply(status, {k.lower(): v for k, v in found.items()}, content)
