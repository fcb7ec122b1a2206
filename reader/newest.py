"""The newest readings of single devices, asked for together.

Many questions about one device each, in the same moment, cost one query of the store instead of
one each: a question that comes while enough queries are on their way waits for its turn, and goes
with all that wait by then. One alone is asked for at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator

from spindle.store.base import Latest, Selection, Store

AT_ONCE = 2  #: queries on their way
MOST = 64  #: devices of one query


Asker = asyncio.Future[list[Latest]]


class Newest:
    """Mutable: who waits, and what is on its way."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[Asker]] = {}  # by device, the longest waiting first
        self._since_ns = 0  # the earliest that one of them asks for
        self._on_their_way: set[asyncio.Task[None]] = set()

    async def of(self, store: Store, device_id: str, since_ns: int) -> list[Latest]:
        """The newest reading of every series of a device.

        :param since_ns: nearly the same in every question.
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
        while self._waiting and len(self._on_their_way) < AT_ONCE:
            devices = list(self._waiting)[:MOST]
            asked = {device: self._waiting.pop(device) for device in devices}
            task = asyncio.create_task(_find(store, asked, self._since_ns), name="newest readings")
            self._on_their_way.add(task)
            task.add_done_callback(lambda done: self._done(done, store))

    def _done(self, task: asyncio.Task[None], store: Store) -> None:
        self._on_their_way.discard(task)
        self._ask(store)


async def _find(store: Store, asked: dict[str, list[Asker]], since_ns: int) -> None:
    """One query; what it found, or its failure, is told to all who wait for it."""
    try:
        found = _by_device(await store.latest(Selection(device_ids=tuple(asked)), since_ns))
    except Exception as error:  # noqa: BLE001 - it is theirs
        for asker in _who_still_wait(asked.values()):
            asker.set_exception(error)
        return
    for device, askers in asked.items():
        for asker in _who_still_wait([askers]):
            asker.set_result(found.get(device, []))


def _who_still_wait(askers: Iterable[list[Asker]]) -> Iterator[Asker]:
    return (asker for some in askers for asker in some if not asker.done())


def _by_device(readings: Iterable[Latest]) -> dict[str, list[Latest]]:
    found: dict[str, list[Latest]] = {}
    for reading in readings:
        found.setdefault(reading.device_id, []).append(reading)
    return found
