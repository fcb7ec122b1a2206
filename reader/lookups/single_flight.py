"""What the store said a moment ago, shared by all who ask the same in that moment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from spindle.errors import StoreUnavailable

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class _Asked(Generic[V]):
    at: float
    found: asyncio.Future[V]


class Recent(Generic[K, V]):
    """Answers by question, the one on its way among them. A failure is told to all, not kept.

    :param seconds: how long an answer is good.
    :param most: answers kept.
    """

    def __init__(
        self, seconds: float, most: int = 1, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds, self._most, self._clock = seconds, most, clock
        self._asked: dict[K, _Asked[V]] = {}  # the oldest first

    async def of(self, question: K, ask: Callable[[], Awaitable[V]]) -> V:
        """The answer, by ``ask`` where none is good.

        :raises StoreError: the store could not be asked.
        """
        now = self._clock()
        asked = self._asked.get(question)
        if asked is not None and now - asked.at < self._seconds:
            return await asyncio.shield(asked.found)
        future: asyncio.Future[V] = asyncio.get_running_loop().create_future()
        mine = _Asked(now, future)
        self._keep(question, mine)
        try:
            found = await ask()
        except BaseException as error:
            given_up = StoreUnavailable("the store did not answer in time; ask again")
            mine.found.set_exception(error if isinstance(error, Exception) else given_up)
            mine.found.exception()  # where nobody else waited, nobody misses it
            if self._asked.get(question) is mine:
                del self._asked[question]
            raise
        mine.found.set_result(found)
        return found

    def _keep(self, question: K, asked: _Asked[V]) -> None:
        self._asked.pop(question, None)
        self._asked[question] = asked
        while len(self._asked) > self._most:
            del self._asked[next(iter(self._asked))]
