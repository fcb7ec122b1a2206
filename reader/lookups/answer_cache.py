"""The answer to a question also answers identical ones, for a moment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable

from spindle.errors import Busy

MOST_BYTES = 32 * 2**20  #: of answers kept; an answer larger than a quarter of it is not kept


class AnswerCache:
    """Payloads by question.

    Who asks what somebody else is just asking waits for that answer instead of asking the store
    again; a failure is told to all of them, and not kept.

    :param seconds: how long an answer is good; 0 for never, and nobody waits for another.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._kept: dict[Hashable, tuple[float, bytes]] = {}  # good until; the oldest first
        self._bytes = 0
        self._asked: dict[Hashable, asyncio.Future[bytes]] = {}  # answers on their way

    def known(self, question: Hashable) -> bytes | None:
        """An answer that is still good."""
        self._expire()
        until, payload = self._kept.get(question, (0.0, b""))
        return payload if until > self._clock() else None

    def on_its_way(self, question: Hashable) -> asyncio.Future[bytes] | None:
        """The answer that somebody is waiting for already."""
        return self._asked.get(question)

    async def answer(self, question: Hashable, find: Callable[[], Awaitable[bytes]]) -> bytes:
        """Find the answer, for this one and for all who come while it is sought."""
        if not self._seconds:
            return await find()
        shared = self._asked[question] = asyncio.get_running_loop().create_future()
        began = self._clock()
        try:
            payload = await find()
        except BaseException as error:
            given_up = Busy("busy: the reader is stopping; ask again")
            shared.set_exception(error if isinstance(error, Exception) else given_up)
            shared.exception()  # where nobody waited, nobody misses it
            raise
        else:
            shared.set_result(payload)
            self._keep(question, payload, began)
            return payload
        finally:
            del self._asked[question]

    def _keep(self, question: Hashable, payload: bytes, began: float) -> None:
        """As good as its data is: from when it was asked for."""
        if len(payload) > MOST_BYTES // 4:
            return
        _, before = self._kept.pop(question, (0.0, b""))
        self._bytes -= len(before)
        self._kept[question] = began + self._seconds, payload
        self._bytes += len(payload)
        self._expire()

    def _expire(self) -> None:
        now = self._clock()
        while self._kept:
            question = next(iter(self._kept))
            until, payload = self._kept[question]
            if until > now and self._bytes <= MOST_BYTES:
                return
            del self._kept[question]
            self._bytes -= len(payload)
