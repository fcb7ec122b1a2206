"""The fleet's critical events, read from the store once for all who ask in the same moment.

They are few, and every question about health needs them: so a question costs one store query, not
two.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from reader.health.reasons import CRITICAL_EVENT
from reader.lookups.single_flight import SingleFlight
from spindle.store.base import EventRow, Selection, Store

SECONDS = 0.5  #: an answer is good for so long
MOST = 2_000  #: where there are more, each question asks for its own


class CriticalEvents:
    """Holds the last answer of the store, or waits for the one on its way."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._shared = SingleFlight[None, list[EventRow]](SECONDS, clock=clock)

    async def select(self, store: Store, which: Selection, since_ns: int) -> list[EventRow]:
        """Selected events whose criticality is ``CRITICAL_EVENT`` or more, newest first.

        :param since_ns: nearly the same in every question.
        :raises StoreError: the store could not be asked.
        """
        rows = await self._shared.get(
            None, lambda: store.events(Selection(), since_ns, CRITICAL_EVENT, MOST)
        )
        if len(rows) == MOST:
            return await store.events(which, since_ns, CRITICAL_EVENT)
        return [row for row in rows if which.includes(row)]
