"""Requests that a source answers: on its subjects, as JSON.

The answer is ``{"status": "success", "data": ...}`` or ``{"status": "error", "message": ...}``.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import orjson
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from daemon.registry import SOURCES
from daemon.source import Source
from spindle.errors import InvalidInput

Answer = Callable[[Msg], Awaitable[None]]


def answers(chosen: Iterable[Source]) -> dict[str, Answer]:
    """The handler of each subject; that of a source which is not chosen says so."""
    by_name = {source.name: source for source in chosen}
    return {
        subject: _answer(name, by_name.get(name))
        for name, kind in SOURCES.items()
        for subject in kind.answers
    }


def _answer(name: str, source: Source | None) -> Answer:
    async def answer(request: Msg) -> None:
        # In a thread: a reading of a large fleet may hold what this needs.
        reply = await asyncio.to_thread(reply_to, name, source, request.data, time.time_ns())
        if request.reply:
            with contextlib.suppress(NatsError):  # whoever asked asks again
                await request.respond(orjson.dumps(reply))

    return answer


def reply_to(name: str, source: Source | None, payload: bytes, now_ns: int) -> dict[str, Any]:
    """The answer of the source called ``name``; None where it is not among the chosen."""
    if source is None:
        return _error(f"nothing is done here: {name} is not among DAEMON_SOURCES")
    try:
        return {"status": "success", "data": source.answer(payload, now_ns)}
    except InvalidInput as error:
        return _error(str(error))


def _error(message: str) -> dict[str, Any]:
    return {"status": "error", "message": message}
