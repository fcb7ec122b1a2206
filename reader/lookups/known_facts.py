"""What devices say they are, by the bucket ``devices``: whether they are simulated."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import Any, cast

import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.errors import NotFoundError

from reader.detection.findings import DeviceKey
from spindle import subjects
from spindle.bus.buckets import Bucket
from spindle.errors import InvalidInput
from spindle.models import DeviceFacts, parse
from spindle.service.run import Service
from spindle.store.base import Selection, Store

#: Facts are heard as they are published; what was missed while NATS was away is read so often.
READ_SECONDS = 60.0
FIRST_SECONDS = 3.0  # the first answers wait so long for what the bucket holds
_MOST = 100_000  # devices; later ones are as if they had no facts
_MOST_EVENTS = 10_000  # read where some of them are hidden


class KnownFacts:
    """The newest facts of each device. Mutable.

    :ivar of: by class and device.
    :ivar simulated: the devices that do not exist.
    :ivar hide_simulated: answers know nothing of those: see ``READER_SIMULATED``.
    """

    def __init__(self, *, hide_simulated: bool = False) -> None:
        self.of: dict[DeviceKey, DeviceFacts] = {}
        self.simulated: set[DeviceKey] = set()
        self.hide_simulated = hide_simulated
        self._read = asyncio.Event()

    def hides(self, source_device: str, device_id: str) -> bool:
        """Whether answers are to know nothing of this device."""
        return self.hide_simulated and (source_device, device_id) in self.simulated

    def take(self, payload: bytes) -> None:
        """One message of facts; one that cannot be read says nothing."""
        with contextlib.suppress(ValueError, InvalidInput):
            facts = parse(DeviceFacts, orjson.loads(payload), time.time_ns())
            key = facts.source_device, facts.device_id
            if key not in self.of and len(self.of) >= _MOST:
                return
            self.of[key] = facts
            (self.simulated.add if facts.simulated else self.simulated.discard)(key)

    async def follow(self, client: Client, service: Service[Any]) -> None:
        """Hear what is published and read what the bucket holds, until the service stops."""

        async def hear(message: Msg) -> None:
            self.take(message.data)

        subscription = await client.subscribe(f"{subjects.FACTS}.>", cb=hear)
        try:
            while True:
                bucket = Bucket(client.jetstream(), subjects.DEVICES_BUCKET)
                with contextlib.suppress(NotFoundError):  # nobody has declared it yet
                    async for _, entry in bucket.last_values():
                        if entry.live:
                            self.take(entry.value)
                self._read.set()
                if not await service.pause(READ_SECONDS):
                    return
        finally:
            await subscription.unsubscribe()

    async def first_read(self) -> None:
        """Wait until the bucket has been read once, but not for long."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._read.wait(), FIRST_SECONDS)

    def marked(self, data: Any) -> Any:
        """An answer in which each row about a simulated device says ``"simulated": true``."""
        if not self.simulated:
            return data
        if isinstance(data, Mapping):
            rows = {name: self.marked(value) for name, value in data.items()}
            return {**rows, "simulated": True} if self._is_simulated(data) else rows
        return [self.marked(each) for each in data] if isinstance(data, list) else data

    def _is_simulated(self, row: Mapping[str, Any]) -> bool:
        kind, device = row.get("source_device"), row.get("device_id") or row.get("device")
        if not isinstance(device, str) or {"message", "severity"} <= row.keys():
            return False  # a reason: the row that it stands in says it
        return (kind, device) in self.simulated


class _Known:
    """A store without what ``KnownFacts`` hides. All else is the store's own."""

    def __init__(self, store: Store, facts: KnownFacts) -> None:
        self._store, self._facts = store, facts

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def _shown(self, rows: Sequence[Any]) -> list[Any]:
        return [row for row in rows if not self._facts.hides(row.source_device, row.device_id)]

    async def latest(self, *args: Any) -> list[Any]:
        return self._shown(await self._store.latest(*args))

    async def series(self, *args: Any, **more: Any) -> list[Any]:
        return self._shown(await self._store.series(*args, **more))

    async def samples(self, *args: Any, **more: Any) -> list[Any]:
        return self._shown(await self._store.samples(*args, **more))

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
    """The store, as answers are to see it."""
    return cast("Store", _Known(store, facts)) if facts.hide_simulated else store
