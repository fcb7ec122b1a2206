"""Queries of the store that all who ask in the same moment share.

Critical events are few, and every question about health needs them; single devices are asked about
together; how much SMART counters have grown is read for a bounded number of series at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from reader.health import smart_evidence as smart
from reader.health.hosts import is_own
from reader.health.reasons import CRITICAL_EVENT
from reader.health.smart_rules import Growth
from reader.lookups.single_flight import SingleFlight
from spindle.store.base import Bucket, DeviceKey, EventRow, Latest, Selection, SeriesKey, Store
from spindle.timestamps import NS

PATIENCE_SECONDS = 0.05  #: that a query may hold up the next one
AT_ONCE = 8  #: queries on their way, however slow
MOST_DEVICES = 64  #: devices of one query


Asker = asyncio.Future[list[Latest]]


class BatchedLatest:
    """The newest readings of single devices, asked for together. Mutable.

    Many questions about one device each, in the same moment, cost one query of the store instead of
    one each: a question that comes while a query is on its way waits for it, and goes with all that
    wait by then. One alone is asked for at once; a slow query holds up none for long.

    ``aiodataloader`` was tried: it begins a query at every turn of the event loop, also while
    another is on its way, so that questions which come one after the other share none.
    """

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
            devices = list(self._waiting)[:MOST_DEVICES]
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


EVENT_SECONDS = 0.5  #: an answer is good for so long
MOST_EVENTS = 2_000  #: where there are more, each question asks for its own


class CriticalEvents:
    """The fleet's critical events: the last answer of the store, or the one on its way."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._shared = SingleFlight[None, list[EventRow]](EVENT_SECONDS, clock=clock)

    async def select(self, store: Store, which: Selection, since_ns: int) -> list[EventRow]:
        """Selected events whose criticality is ``CRITICAL_EVENT`` or more, newest first.

        :param since_ns: nearly the same in every question.
        :raises StoreError: the store could not be asked.
        """
        rows = await self._shared.get(
            None, lambda: store.events(Selection(), since_ns, CRITICAL_EVENT, MOST_EVENTS)
        )
        if len(rows) == MOST_EVENTS:
            return await store.events(which, since_ns, CRITICAL_EVENT)
        return [row for row in rows if which.includes(row)]


MOST_HISTORIES = 64  #: series of one question whose history is read; those read lately are known
_STEP_NS = 6 * 3600 * NS
_GOOD_SECONDS = 600.0  # drives are asked every quarter of an hour
_ROWS = 1_000


class SmartHistory:
    """Growth of SMART counters, with the histories that were read lately. Mutable."""

    def __init__(self) -> None:
        self._known: SingleFlight[SeriesKey, list[Bucket]] = SingleFlight(_GOOD_SECONDS, 20_000)

    async def growths(
        self, store: Store, readings: Sequence[Latest]
    ) -> dict[DeviceKey, dict[str, Growth]]:
        """Growth by device and metric type, of the counters that are above zero.

        :raises StoreError: the store could not be asked.
        """
        wanted = smart.to_look_up(readings)
        known = [each for each in wanted if self._known.has(each.key)]
        new = [each for each in wanted if not self._known.has(each.key)]
        chosen = known + new[:MOST_HISTORIES]
        histories = await asyncio.gather(*(self._history(store, each) for each in chosen))
        found: dict[DeviceKey, dict[str, Growth]] = {}
        for newest, history in zip(chosen, histories, strict=True):
            grown = smart.growth(newest, history)
            if grown is not None:
                found.setdefault(newest.device, {})[newest.metric_type] = grown
        return found

    async def _history(self, store: Store, newest: Latest) -> list[Bucket]:
        array = None if is_own(newest.device_id) else newest.array_id  # it may have moved
        which = Selection(newest.source_device, newest.device_id, array, newest.metric_type)
        start = newest.time_ns - smart.HISTORY_NS

        async def ask() -> list[Bucket]:
            found = await store.series(which, start, newest.time_ns, _STEP_NS, _ROWS)
            return sorted(found, key=lambda bucket: bucket.time_ns)

        return await self._known.get(newest.key, ask)
