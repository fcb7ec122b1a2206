"""One query for all who ask the same in the same moment.

``async-lru`` was tried: it counts the time that an answer is good from its end, so that an answer
which took long shows older data, it has no bound in bytes, and it takes no clock for tests.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from spindle.errors import StoreUnavailable

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class SingleFlight(Generic[K, V]):
    """Answers by question.

    Who asks what somebody else is just asking waits for that answer; who asks a little later gets
    the same one. A failure is told to all who wait, and not kept.

    :param seconds: how long an answer is good, from when it was asked for; 0 shares nothing.
    :param most: answers kept; then the oldest go.
    :param max_bytes: of answers kept, which are bytes then; one larger than a quarter of it is not.
    """

    def __init__(
        self,
        seconds: float,
        most: int = 1,
        max_bytes: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds, self._most, self._max_bytes = seconds, most, max_bytes
        self._clock = clock
        self._kept: dict[K, tuple[float, V]] = {}  # good until; the oldest first
        self._bytes = 0  # of those kept
        self._on_their_way: dict[K, asyncio.Future[V]] = {}

    def has(self, question: K) -> bool:
        """Whether ``get`` would give an answer that somebody else has asked for."""
        return question in self._on_their_way or self._good(question) is not None

    async def get(self, question: K, find: Callable[[], Awaitable[V]]) -> V:
        """The answer, from ``find`` where there is none that is good.

        :raises StoreUnavailable: it was awaited, and who had asked for it gave up.
        """
        if not self._seconds:
            return await find()
        if (kept := self._good(question)) is not None:
            return kept[1]
        shared = self._on_their_way.get(question)
        if shared is not None:
            return await asyncio.shield(shared)
        return await self._find(question, find)

    def clear(self) -> None:
        """Keep no answer, also of those on their way."""
        self._kept.clear()
        self._bytes = 0
        self._on_their_way = {}

    async def _find(self, question: K, find: Callable[[], Awaitable[V]]) -> V:
        shared: asyncio.Future[V] = asyncio.get_running_loop().create_future()
        self._on_their_way[question] = shared
        good_until = self._clock() + self._seconds
        try:
            answer = await find()
        except BaseException as error:
            given_up = StoreUnavailable("the answer did not come in time; ask again")
            shared.set_exception(error if isinstance(error, Exception) else given_up)
            shared.exception()  # so that asyncio does not complain where nobody else waited
            raise
        else:
            shared.set_result(answer)
            if self._on_their_way.get(question) is shared:  # not cleared meanwhile
                self._keep(question, good_until, answer)
            return answer
        finally:
            if self._on_their_way.get(question) is shared:
                del self._on_their_way[question]

    def _good(self, question: K) -> tuple[float, V] | None:
        self._drop_old()
        kept = self._kept.get(question)
        return kept if kept is not None and kept[0] > self._clock() else None

    def _keep(self, question: K, good_until: float, answer: V) -> None:
        if self._max_bytes is not None and self._size(answer) > self._max_bytes // 4:
            return
        if question in self._kept:
            self._drop(question)
        self._kept[question] = good_until, answer
        self._bytes += self._size(answer)
        self._drop_old()

    def _drop_old(self) -> None:
        now = self._clock()
        while self._kept:
            oldest = next(iter(self._kept))
            too_many = len(self._kept) > self._most or self._bytes > (self._max_bytes or 0)
            if self._kept[oldest][0] > now and not too_many:
                return
            self._drop(oldest)

    def _drop(self, question: K) -> None:
        _, answer = self._kept.pop(question)
        self._bytes -= self._size(answer)

    def _size(self, answer: V) -> int:
        return len(answer) if self._max_bytes is not None and isinstance(answer, bytes) else 0
