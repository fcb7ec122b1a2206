"""How much SMART counters have grown: read from the store, a bounded number of series at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from reader.health import smart_evidence as smart
from reader.health.hosts import is_own
from reader.health.smart import Growth
from reader.lookups.single_flight import SingleFlight
from spindle.store.base import Bucket, DeviceKey, Latest, Selection, SeriesKey, Store
from spindle.timestamps import NS

MOST = 64  #: series of one question whose history is read; those read lately are known
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
        chosen = known + new[:MOST]
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
