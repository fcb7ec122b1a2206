"""The watch's bucket at NATS: who follows what, what was found, and the state of every series."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterable
from typing import Any

import orjson
from nats.aio.client import Client
from nats.js import JetStreamContext

from reader.settings import ReaderSettings
from reader.watching.ownership import Table
from spindle import subjects
from spindle.bus.buckets import Bucket, declare_bucket

TABLE, HEALTH, FORECASTS = "shares", "health", "forecasts"
_TIMEOUT_SECONDS = 3.0


class WatchBucket:
    """Values are compressed JSON; states of series are ``FollowedSeries.to_bytes``."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    @classmethod
    async def open(cls, client: Client, settings: ReaderSettings) -> WatchBucket:
        """The bucket, created where it is missing; many readers may do so at once.

        :raises BusUnavailable: NATS has no room for it, or the writer has not declared it.
        """
        js: JetStreamContext = client.jetstream(timeout=_TIMEOUT_SECONDS)
        await declare_bucket(js, subjects.WATCH_BUCKET, settings, "READER_WATCH_SERIES")
        return cls(Bucket(js, subjects.WATCH_BUCKET))

    async def get(self, key: str) -> tuple[Any, int]:
        """A value and its revision; None and 0 where there is none, or none that can be read."""
        entry = await self._bucket.get(key)
        if not entry.live:  # a deleted key has a revision too
            return None, entry.revision
        try:
            return orjson.loads(zlib.decompress(entry.value)), entry.revision
        except (zlib.error, ValueError):
            return None, entry.revision

    async def write(self, key: str, value: object, revision: int) -> int:
        """Write on top of a revision (0: there is none); the new revision.

        :raises Overtaken: there is another revision.
        """
        return await self._bucket.replace(key, zlib.compress(orjson.dumps(value), 1), revision)

    async def table(self) -> tuple[Table, int]:
        """The table of which reader follows which share, and its revision."""
        data, revision = await self.get(TABLE)
        return Table.from_json(data), revision

    async def states(self, share: int) -> AsyncIterator[tuple[str, bytes]]:
        """The saved parts of a share, by name."""
        prefix = _state(share, "")
        async for key, entry in self._bucket.last_values(prefix):
            if entry.value:  # a purged one has none
                yield key.removeprefix(prefix), entry.value

    async def save(self, share: int, parts: Iterable[tuple[str, bytes]]) -> None:
        """Save parts of a share's state, by name."""
        await asyncio.gather(*(self._bucket.put(_state(share, name), data) for name, data in parts))

    async def forget(self, share: int, names: Iterable[str]) -> None:
        """Delete parts of a share's state."""
        for name in names:
            await self._bucket.purge(_state(share, name))


def record_key(share: int) -> str:
    """The key of a share's record."""
    return f"record.{share}"


def _state(share: int, name: str) -> str:
    return f"state.{share}.{name}"
