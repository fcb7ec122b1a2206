"""The newest readings of single devices, asked for together.

Many questions about one device each, in the same moment, cost one query of the store instead of
one each: a question that comes while a query is on its way waits for it, and goes with all that
wait by then. One alone is asked for at once; a slow query holds up none for long.

``aiodataloader`` was tried: it begins a query at every turn of the event loop, also while another
is on its way, so that questions which come one after the other share none.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator

from spindle.store.base import Latest, Selection, Store

PATIENCE_SECONDS = 0.05  #: that a query may hold up the next one
AT_ONCE = 8  #: queries on their way, however slow
MOST = 64  #: devices of one query


Asker = asyncio.Future[list[Latest]]


class BatchedLatest:
    """Who waits for which device, and the queries on their way. Mutable."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[Asker]] = {}  # by device, the longest waiting first
        self._since_ns = 0  # the earliest that one of them asks for
        self._on_their_way: set[asyncio.Task[None]] = set()
        self._asked = 0.0  # when the last of them began
        self._again: asyncio.TimerHandle | None = None  # looks whether it takes too long

    async def readings(self, store: Store, device_id: str, since_ns: int) -> list[Latest]:
        """The newest reading of every series of a device.

        :param since_ns: nearly the same in every question; the earliest of a batch counts.
        :raises StoreError: the store could not be asked.
        """
        self._since_ns = min(since_ns, self._since_ns) if self._waiting else since_ns
        loop = asyncio.get_running_loop()
        asker: Asker = loop.create_future()
        askers = self._waiting.get(device_id)
        if askers is None:
            if not self._waiting:  # once all who come in this turn of the loop are there
                loop.call_soon(self._ask, store)
            self._waiting[device_id] = [asker]
        else:
            askers.append(asker)
        return await asker

    def _ask(self, store: Store) -> None:
        while self._waiting and self._may_ask():
            devices = list(self._waiting)[:MOST]
            asked = {device: self._waiting.pop(device) for device in devices}
            task = asyncio.create_task(_find(store, asked, self._since_ns), name="newest readings")
            self._asked = time.monotonic()
            self._on_their_way.add(task)
            task.add_done_callback(lambda done: self._done(done, store))
        if self._waiting and self._again is None:
            loop = asyncio.get_running_loop()
            self._again = loop.call_later(PATIENCE_SECONDS, self._lose_patience, store)

    def _may_ask(self) -> bool:
        under_way = len(self._on_their_way)
        late = time.monotonic() - self._asked >= PATIENCE_SECONDS
        return not under_way or (late and under_way < AT_ONCE)

    def _done(self, task: asyncio.Task[None], store: Store) -> None:
        self._on_their_way.discard(task)
        self._ask(store)

    def _lose_patience(self, store: Store) -> None:
        self._again = None
        self._ask(store)


async def _find(store: Store, asked: dict[str, list[Asker]], since_ns: int) -> None:
    """Ask the store once, and hand the readings, or the failure, to all who wait for them."""
    try:
        readings = _by_device(await store.latest(Selection(device_ids=tuple(asked)), since_ns))
    except Exception as error:  # noqa: BLE001 - it is raised where they wait
        for asker in _who_still_wait(asked.values()):
            asker.set_exception(error)
        return
    for device, askers in asked.items():
        for asker in _who_still_wait([askers]):
            asker.set_result(readings.get(device, []))


def _who_still_wait(askers: Iterable[list[Asker]]) -> Iterator[Asker]:
    return (asker for some in askers for asker in some if not asker.done())


def _by_device(readings: Iterable[Latest]) -> dict[str, list[Latest]]:
    by_device: dict[str, list[Latest]] = {}
    for reading in readings:
        by_device.setdefault(reading.device_id, []).append(reading)
    return by_device
