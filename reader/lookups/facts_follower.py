"""Facts of devices, followed by way of the bucket ``devices``; the store without what they hide."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from typing import Any, cast

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.errors import NotFoundError

from reader.lookups.known_facts import KnownFacts
from reader.settings import ReaderSettings
from spindle import subjects
from spindle.bus.buckets import Bucket
from spindle.service.run import Service
from spindle.store.base import Selection, Store

#: Facts are heard as they are published; what was missed while NATS was away is read so often.
READ_SECONDS = 60.0
FIRST_SECONDS = 3.0  # the first answers wait so long for what the bucket holds
_MOST_EVENTS = 10_000  # read where some of them are hidden


class FactsFollower:
    """Keeps ``KnownFacts`` up to date from NATS."""

    def __init__(self, facts: KnownFacts, client: Client, service: Service[ReaderSettings]) -> None:
        self._facts, self._client, self._service = facts, client, service
        self._read = asyncio.Event()

    async def run(self) -> None:
        """Read the bucket ``devices`` and follow its changes, until the service stops."""
        subscription = await self._client.subscribe(f"{subjects.FACTS}.>", cb=self._hear)
        try:
            while True:
                bucket = Bucket(self._client.jetstream(), subjects.DEVICES_BUCKET)
                with contextlib.suppress(NotFoundError):  # nobody has declared it yet
                    async for _, entry in bucket.last_values():
                        if entry.live:
                            self._take(entry.value)
                self._read.set()
                if not await self._service.pause(READ_SECONDS):
                    return
        finally:
            with contextlib.suppress(Exception):  # NATS may be away
                await subscription.unsubscribe()

    async def first_read(self) -> None:
        """Wait until the bucket has been read once, but not for long."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._read.wait(), FIRST_SECONDS)

    async def _hear(self, message: Msg) -> None:
        self._take(message.data)

    def _take(self, payload: bytes) -> None:
        self._facts.take(payload, self._service.settings.latest_ns(time.time_ns()))


class _Known:
    """A store without the devices that ``KnownFacts`` hides; all else is the store's own."""

    def __init__(self, store: Store, facts: KnownFacts) -> None:
        self._store, self._facts = store, facts

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def _shown(self, rows: Sequence[Any]) -> list[Any]:
        return [row for row in rows if not self._facts.hides(row.device)]

    async def latest(self, *args: Any, **more: Any) -> list[Any]:
        return self._shown(await self._store.latest(*args, **more))

    async def series(self, *args: Any, **more: Any) -> list[Any]:
        return self._shown(await self._store.series(*args, **more))

    async def events(
        self,
        which: Selection,
        since_ns: int,
        min_criticality: int = 1,
        limit: int = _MOST_EVENTS,
        end_ns: int | None = None,
    ) -> list[Any]:
        most = max(limit, _MOST_EVENTS)
        found = await self._store.events(which, since_ns, min_criticality, most, end_ns)
        return self._shown(found)[:limit]


def without_hidden(store: Store, facts: KnownFacts) -> Store:
    """The store without the devices that answers leave out."""
    return cast("Store", _Known(store, facts)) if facts.hide_simulated else store
