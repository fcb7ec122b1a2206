"""What the reader can be asked, as it tells itself over NATS (``$SRV.INFO.reader``)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from gateway.link import Link
from gateway.replies import Failed
from spindle import subjects
from spindle.service.health import Health

log = logging.getLogger("gateway")

INFO_SUBJECT = f"$SRV.INFO.{subjects.READER}"
TIMEOUT_SECONDS = 2.0
PART = "reader"


@dataclass(frozen=True, slots=True)
class Question:
    """One query type.

    :ivar parameters: ``[{name, description, allowed, default, schema}]``.
    :ivar reply: what ``data`` is, in words.
    :ivar example: parameters of a typical question.
    :ivar example_reply: an answer to it, as it is sent; None where the reader tells none.
    """

    name: str
    description: str = ""
    parameters: list[dict[str, Any]] = field(default_factory=list)
    reply: str = ""
    example: Mapping[str, Any] = field(default_factory=dict)
    example_reply: Any = None


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
            info, _ = await self._link.request(INFO_SUBJECT, b"", TIMEOUT_SECONDS, "reader")
        except Failed as failed:
            self._health.failing(PART, failed.message)
            return False
        self._health.ok(PART)
        self.questions = read(info) or self.questions
        return True
