"""A question over HTTP, passed on to the reader; its answer comes back as it is."""

from __future__ import annotations

import re
from collections.abc import Iterable

import orjson
from starlette.responses import Response

from gateway.catalogue import Catalogue
from gateway.link import Link
from gateway.replies import JSON, Failed
from spindle import subjects
from spindle.models import shown

CODE_HEADER = "Nats-Service-Error-Code"
QUERY_TYPE = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)

#: What the reader answers -> what HTTP says; a fault of the reader is not one of the gateway.
_STATUS = {"400": 400, "429": 429, "500": 502, "503": 503, "504": 504}


def from_query_string(query_type: str, pairs: Iterable[tuple[str, str]]) -> bytes:
    """``?key=value`` as a question; the reader knows what is a number.

    :raises Failed: 404 no such query type, 400 a parameter comes twice.
    """
    if QUERY_TYPE.fullmatch(query_type) is None:
        raise Failed(404, f"there is no query type {shown(query_type)}")
    params: dict[str, str] = {}
    for key, value in pairs:
        if key in params:
            raise Failed(400, f"{shown(key)} is given twice")
        params[key] = value
    try:
        return orjson.dumps({"query_type": query_type, "params": params})
    except orjson.JSONEncodeError:  # half of a surrogate pair
        raise Failed(400, "the parameters are not valid UTF-8") from None


class Questions:
    """Passes questions on."""

    def __init__(self, link: Link, catalogue: Catalogue, timeout_seconds: float) -> None:
        self._link = link
        self._catalogue = catalogue
        self._timeout = timeout_seconds

    async def ask(self, question: bytes, query_type: str | None = None) -> Response:
        """The reader's reply with the status that fits it.

        :param query_type: where the path names it: one that does not exist is then 404.
        :raises Failed: there is no reply.
        """
        reply, headers = await self._link.request(
            subjects.READER_QUERY, question, self._timeout, "reader"
        )
        code = headers.get(CODE_HEADER)
        if code is None:
            return Response(reply, media_type=JSON)
        status = _STATUS.get(code, 502)
        known = self._catalogue.questions
        if status == 400 and query_type is not None and known and query_type not in known:
            status = 404
        extra = {"Retry-After": "1"} if status in (429, 503) else None
        return Response(reply, status, extra, JSON)
