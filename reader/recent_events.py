"""The fleet's critical events, read from the store once for all who ask in the same moment.

They are few, and every question about health needs them: so a question costs one store query, not
two.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from reader.health_reasons import CRITICAL_EVENT
from spindle.errors import StoreUnavailable
from spindle.store.base import EventRow, Selection, Store

SECONDS = 0.5  #: an answer is good for so long
MOST = 2_000  #: where there are more, each question asks for its own


class RecentEvents:
    """Mutable: the last answer, or the one on its way."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._asked = 0.0
        self._rows: asyncio.Future[list[EventRow]] | None = None

    async def of(self, store: Store, which: Selection, since_ns: int) -> list[EventRow]:
        """Selected events of ``CRITICAL_EVENT`` or more, newest first.

        :param since_ns: nearly the same in every question.
        :raises StoreError: the store could not be asked.
        """
        rows = await self._all(store, since_ns)
        if len(rows) == MOST:
            return await store.events(which, since_ns, CRITICAL_EVENT)
        return [row for row in rows if _selected(which, row)]

    async def _all(self, store: Store, since_ns: int) -> list[EventRow]:
        now = self._clock()
        if self._rows is not None and now - self._asked < SECONDS:
            return await asyncio.shield(self._rows)
        rows = self._rows = asyncio.get_running_loop().create_future()
        self._asked = now
        try:
            found = await store.events(Selection(), since_ns, CRITICAL_EVENT, MOST)
        except BaseException as error:
            given_up = StoreUnavailable("the store did not answer in time; ask again")
            rows.set_exception(error if isinstance(error, Exception) else given_up)
            rows.exception()  # where nobody else waited, nobody misses it
            if self._rows is rows:
                self._rows = None
            raise
        rows.set_result(found)
        return found


def _selected(which: Selection, row: EventRow) -> bool:
    return (
        which.source_device in (None, row.source_device)
        and which.device_id in (None, row.device_id)
        and which.array_id in (None, row.array_id)
    )
