"""The reader's questions over HTTP: what can be asked, as the reader tells itself; and asking.

What there is comes over NATS (``$SRV.INFO.reader``); an answer is passed on as it is.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.responses import Response

from gateway.failures import JSON, Failed
from gateway.nats_link import Link
from spindle import subjects
from spindle.service.health import Health
from spindle.text import shown

log = logging.getLogger("gateway")

INFO_SUBJECT = f"$SRV.INFO.{subjects.READER}"
INFO_SECONDS = 2.0
PART = "reader"
CODE_HEADER = "Nats-Service-Error-Code"
QUERY_TYPE = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)

#: What the reader answers -> what HTTP says; a fault of the reader is not one of the gateway.
_STATUS = {"400": 400, "429": 429, "500": 502, "503": 503, "504": 504}


@dataclass(frozen=True, slots=True)
class Question:
    """One query type.

    :ivar parameters: ``[{name, description, allowed, default, schema}]``.
    :ivar reply: what ``data`` is, in words.
    :ivar example: parameters of a typical question.
    :ivar example_reply: an answer to it, as it is sent; None where the reader tells none.
    :ivar changes: it changes something, and takes a POST.
    """

    name: str
    description: str = ""
    parameters: list[dict[str, Any]] = field(default_factory=list)
    reply: str = ""
    example: Mapping[str, Any] = field(default_factory=dict)
    example_reply: Any = None
    changes: bool = False


def read(info: bytes) -> dict[str, Question]:
    """The questions in a reply to ``$SRV.INFO``; what is not understood is left out."""
    try:
        endpoints = orjson.loads(info).get("endpoints") or []
    except (orjson.JSONDecodeError, AttributeError):
        return {}
    questions = {}
    for endpoint in endpoints:
        name, metadata = str(endpoint.get("name", "")), endpoint.get("metadata") or {}
        if endpoint.get("subject") == f"{subjects.READER}.{name}" and "params" in metadata:
            questions[name] = _question(name, metadata)
    return questions


def _question(name: str, metadata: Mapping[str, str]) -> Question:
    try:
        parameters, example = (orjson.loads(metadata.get(key, "")) for key in ("params", "example"))
        example_reply = orjson.loads(metadata.get("example_reply", "null"))
    except orjson.JSONDecodeError:
        log.debug("the reader's description of %s is not understood", name)
        return Question(name)
    return Question(
        name,
        metadata.get("description", ""),
        parameters,
        metadata.get("reply", ""),
        example,
        example_reply,
        "changes" in metadata,
    )


class Catalogue:
    """The questions as last told; owns the health part ``reader``."""

    def __init__(self, link: Link, health: Health) -> None:
        self._link = link
        self._health = health
        self.questions: dict[str, Question] = {}  # empty: no reader has told them yet

    async def refresh(self) -> bool:
        """Ask the reader what it can be asked; what it told before stays when it is away.

        :returns: whether a reader answered.
        """
        try:
            info, _ = await self._link.request(INFO_SUBJECT, b"", INFO_SECONDS, "reader")
        except Failed as failed:
            self._health.failing(PART, failed.message)
            return False
        self._health.ok(PART)
        self.questions = read(info) or self.questions
        return True


def from_query_string(query_type: str, pairs: Iterable[tuple[str, str]]) -> bytes:
    """``?key=value`` as a question, which changes nothing; the reader knows what is a number.

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
        return orjson.dumps({"query_type": query_type, "params": params, "read_only": True})
    except orjson.JSONEncodeError:  # half of a surrogate pair
        raise Failed(400, "the parameters are not valid UTF-8") from None


def from_body(query_type: str, body: bytes) -> bytes:
    """A body of params as a question.

    :raises Failed: 404 no such query type, 400 the body is no JSON object.
    """
    if QUERY_TYPE.fullmatch(query_type) is None:
        raise Failed(404, f"there is no query type {shown(query_type)}")
    try:
        params = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError as error:
        raise Failed(400, f"the body is not JSON: {error.msg}") from None
    return orjson.dumps({"query_type": query_type, "params": params})


class Questions:
    """Passes questions on."""

    def __init__(self, link: Link, catalogue: Catalogue, timeout_seconds: float) -> None:
        self._link = link
        self._catalogue = catalogue
        self._timeout = timeout_seconds

    async def ask(
        self, question: bytes, query_type: str | None = None, *, read_only: bool = False
    ) -> Response:
        """The reader's reply with the status that fits it.

        :param read_only: the question may change nothing, and says so.
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
        if status == 400 and read_only and query_type in known and known[query_type].changes:
            status, extra = 405, {"Allow": "POST"}
        return Response(reply, status, extra, JSON)
