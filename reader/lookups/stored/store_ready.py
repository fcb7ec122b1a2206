"""Whether the store is there: waited for at the start, asked again now and then."""

from __future__ import annotations

import logging

from reader.settings import ReaderSettings
from spindle.errors import StoreError, StoreUnavailable
from spindle.service.pauses import Pauses
from spindle.service.run import Service
from spindle.store.base import Store

log = logging.getLogger("reader")

#: Soon enough for /healthz, and one small query in so long is nothing to a store.
CHECK_SECONDS = 5.0


class StoreReady:
    """Owns the health part ``store``."""

    def __init__(self, store: Store, service: Service[ReaderSettings]) -> None:
        self._store = store
        self._service = service
        self._waiting_for = "it has not answered yet"  # why it is not ready; empty once it was

    def require(self) -> None:
        """Raise unless the store has answered at least once.

        :raises StoreUnavailable: with why it has not been reached so far.
        """
        if self._waiting_for:
            raise StoreUnavailable(f"the store is not there yet: {self._waiting_for}")

    async def run(self) -> None:
        """Wait for the store, then check it every ``CHECK_SECONDS``, until the service stops."""
        pauses = Pauses(longest=CHECK_SECONDS)
        while True:
            pause = CHECK_SECONDS if await self._look() else pauses.next()
            if not await self._service.pause(pause):
                return

    async def _look(self) -> bool:
        try:
            if self._waiting_for:
                await self._store.prepare()
                self._waiting_for = ""
                log.info("reading from %s", self._store.name)
            else:
                await self._store.ping()
        except StoreError as error:
            if self._waiting_for:
                self._waiting_for = str(error)
            self._service.health.failing("store", str(error))
            return False
        self._service.health.ok("store")
        return True
