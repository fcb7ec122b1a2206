"""A store that keeps its rows in lists, for tests of what stands on a store."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

from spindle.errors import StoreError
from spindle.store.base import (
    Bucket,
    EventRow,
    Latest,
    Point,
    Selection,
    VisitRow,
    VisitSelection,
    WriteProfile,
    Written,
)
from spindle.subjects import DEVICE_METRICS, EVENTS_MEASUREMENT, PARKING_VISITS


class MemoryStore:
    """See ``Store``.

    :ivar failing: raised by every method while it is set.
    :ivar slow: while it is set, queries wait until it is.
    """

    name = "memory"
    write_profile = WriteProfile(batch_points=20_000, writes=2)

    def __init__(self) -> None:
        self.points: dict[tuple[tuple[str, str, str, str], int], float] = {}
        self.rows: list[EventRow] = []
        self.visit_rows: dict[tuple[int, str, str, str], VisitRow] = {}
        self.failing: Exception | None = None
        self.slow: asyncio.Event | None = None
        self.asked = 0

    async def prepare(self) -> None:
        self._works()

    async def ping(self) -> None:
        self._works()

    async def write_points(self, points: Sequence[Point]) -> Written:
        before = len(self.points)
        for series, time_ns, value in points:
            self.points[series.key, time_ns] = value
        times = [time_ns for _, time_ns, _ in points] or [0]
        return Written(len(self.points) - before, min(times), max(times))

    async def write_events(self, events: Sequence[EventRow]) -> Written:
        new = [event for event in events if event not in self.rows]
        self.rows += new
        times = [event.time_ns for event in events] or [0]
        return Written(len(new), min(times), max(times))

    async def latest(
        self, which: Selection, since_ns: int, until_ns: int | None = None
    ) -> list[Latest]:
        await self._query()
        newest: dict[tuple[str, str, str, str], tuple[int, float]] = {}
        for (key, time_ns), value in self.points.items():
            late = until_ns is not None and time_ns > until_ns
            if time_ns >= since_ns and not late and _selected(which, key):
                newest[key] = max(newest.get(key, (0, 0.0)), (time_ns, value))
        return [Latest(*key, *found) for key, found in newest.items()]

    async def series(
        self,
        which: Selection,
        start_ns: int,
        end_ns: int,
        every_ns: int | None = None,
        limit: int = 100_000,
        *,
        sampled: bool = False,
    ) -> list[Bucket]:
        await self._query()
        steps: dict[tuple[tuple[str, str, str, str], int], list[float]] = {}
        for (key, time_ns), value in sorted(self.points.items()):
            if start_ns <= time_ns < end_ns and _selected(which, key):
                step = time_ns - time_ns % every_ns if every_ns else time_ns
                seen = steps.setdefault((key, step), [])
                if not (sampled and seen):
                    seen.append(value)
        return [
            Bucket(*key, step, sum(v) / len(v), min(v), max(v), len(v))
            for (key, step), v in steps.items()
        ][:limit]

    async def events(
        self,
        which: Selection,
        since_ns: int,
        min_criticality: int = 1,
        limit: int = 10_000,
        end_ns: int | None = None,
    ) -> list[EventRow]:
        await self._query()
        found = [
            row
            for row in self.rows
            if row.time_ns >= since_ns
            and (end_ns is None or row.time_ns < end_ns)
            and row.criticality >= min_criticality
            and _selected(which, (row.source_device, "", row.device_id, row.array_id))
        ]
        return sorted(found, key=lambda row: -row.time_ns)[:limit]

    async def held(
        self, measurement: str, start_ns: int, end_ns: int, every_ns: int
    ) -> dict[int, int]:
        await self._query()
        times = {
            DEVICE_METRICS: [ns for _, ns in self.points],
            EVENTS_MEASUREMENT: [row.time_ns for row in self.rows],
            PARKING_VISITS: [visit.time_ns for visit in self.visit_rows.values()],
        }[measurement]
        return Counter(ns - ns % every_ns for ns in times if start_ns <= ns < end_ns)

    async def write_visits(self, visits: Sequence[VisitRow]) -> Written:
        self._works()
        before = len(self.visit_rows)
        self.visit_rows.update({(v.time_ns, v.visit_id, v.lot, v.status): v for v in visits})
        times = [visit.time_ns for visit in visits] or [0]
        return Written(len(self.visit_rows) - before, min(times), max(times))

    async def visits(
        self, which: VisitSelection, since_ns: int, limit: int = 10_000
    ) -> list[VisitRow]:
        await self._query()
        found = [
            visit
            for visit in self.visit_rows.values()
            if visit.time_ns >= since_ns
            and all(getattr(visit, name) == wanted for name, wanted in which.given.items())
        ]
        return sorted(found, key=lambda visit: -visit.time_ns)[:limit]

    async def expire(self, now_ns: int) -> int:
        return 0

    async def close(self) -> None:
        """There is nothing to let go of."""

    async def _query(self) -> None:
        self.asked += 1
        self._works()
        if self.slow is not None:
            await self.slow.wait()

    def _works(self) -> None:
        if self.failing is not None:
            raise self.failing


def away(reason: str = "the database is away") -> StoreError:
    """What a store raises while it is not there."""
    from spindle.errors import StoreUnavailable

    return StoreUnavailable(reason)


def _selected(which: Selection, key: tuple[str, str, str, str]) -> bool:
    source_device, metric_type, device_id, array_id = key
    return metric_type not in which.without and all(
        wanted is None or wanted == given
        for wanted, given in (
            (which.source_device, source_device),
            (which.device_id, device_id),
            (which.array_id, array_id),
            (which.metric_type, metric_type),
        )
    )
