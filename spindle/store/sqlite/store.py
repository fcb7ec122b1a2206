"""The embedded store: one SQLite file (WAL), written by one process, read by any number.

Writes take turns on one thread with the one writing connection; queries run on threads of their
own with connections that cannot write, so that a slow query holds up neither a write nor another.
"""

from __future__ import annotations

import asyncio
import logging
import math
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import orjson

from spindle.errors import SpindleError, StoreDenied, StoreUnavailable
from spindle.store.base import (
    NOTHING_WRITTEN,
    Bucket,
    EventRow,
    Latest,
    Point,
    Selection,
    VisitRow,
    VisitSelection,
    WriteProfile,
    Written,
    clamped,
)
from spindle.store.registry import StoreSettings
from spindle.store.sqlite import file, schema
from spindle.store.sqlite.reading import Reading
from spindle.store.sqlite.writing import Writing
from spindle.subjects import EVENTS_MEASUREMENT, PARKING_VISITS

log = logging.getLogger("spindle.store")

_READERS = 8  # queries at once; further ones wait their turn
_NS_PER_HOUR = 3600 * 10**9
_TABLES = {EVENTS_MEASUREMENT: "event_rows", PARKING_VISITS: "visit_rows"}
_WAL_RESET_MENDED = (3, 51, 3)

T = TypeVar("T")
_Tags = tuple[str, str, str, str]  # source_device, metric_type, device_id, array_id


class SqliteStore:
    """See ``Store``.

    :param writing: True for the one process that writes to the file.
    :param now_ns: see ``open_store``.
    """

    #: Large batches mean few commits; one is written while the next waits at its door.
    write_profile = WriteProfile(batch_points=50_000, writes=2)

    def __init__(
        self,
        settings: StoreSettings,
        *,
        writing: bool = False,
        now_ns: Callable[[], int | None] = time.time_ns,
    ) -> None:
        self._path = file.path_of(settings.store)
        self._timeout = settings.store_timeout_seconds
        self._retention_ns = int(settings.retention_hours * _NS_PER_HOUR)
        self._writing: Writing | None = None
        if writing:
            self._writing = Writing(self._path, self._timeout, self._retention_ns, now_ns)
        self._writer = ThreadPoolExecutor(1, "sqlite-writer")
        self._readers = ThreadPoolExecutor(_READERS, "sqlite-reader")
        self._reading = Reading(self._path, self._timeout)
        self._closed = False

    @property
    def name(self) -> str:
        return f"SQLite {sqlite3.sqlite_version}"

    @property
    def path(self) -> Path:
        """The SQLite file."""
        return self._path

    async def prepare(self) -> None:
        if self._writing is None:
            await self.ping()
            return
        await self._write(self._writing.open)
        if sqlite3.sqlite_version_info < _WAL_RESET_MENDED:
            log.info(
                "SQLite %s has the WAL-reset fault that 3.51.3 mends; it takes two writing "
                "connections to one file, and this store has one",
                sqlite3.sqlite_version,
            )

    async def ping(self) -> None:
        await self._read(lambda db: db.execute("SELECT 1 FROM series LIMIT 1").fetchone())

    async def write_points(self, points: Sequence[Point]) -> Written:
        if not points:
            return NOTHING_WRITTEN
        return await self._write(self._the_writing().write_points, points)

    async def write_events(self, events: Sequence[EventRow]) -> Written:
        if not events:
            return NOTHING_WRITTEN
        return await self._write(self._the_writing().write_events, events)

    async def latest(
        self, which: Selection, since_ns: int, until_ns: int | None = None
    ) -> list[Latest]:
        def read(db: sqlite3.Connection) -> list[Latest]:
            found = []
            for number, tags in _selected(db, which):
                row = db.execute(
                    schema.LATEST, {"id": number, "since": since, "until": until}
                ).fetchone()
                if row:
                    found.append(Latest(*tags, *row))
            return found

        since, until = clamped(since_ns), clamped(2**63 - 1 if until_ns is None else until_ns)
        return await self._read(read)

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
        steps = schema.SAMPLES if sampled else schema.STEPS
        sql = schema.RAW if every_ns is None else steps
        times = (start_ns, end_ns, every_ns or 1)

        def read(db: sqlite3.Connection) -> list[Bucket]:
            found: list[Bucket] = []
            for number, tags in _selected(db, which):
                given["id"], given["limit"] = number, max(0, limit) - len(found)
                rows = db.execute(sql, given).fetchall()
                if sql == schema.STEPS and any(
                    mean is None or not math.isfinite(mean) for _, mean, *_ in rows
                ):
                    rows = db.execute(schema.SCALED_STEPS, given).fetchall()
                found += [Bucket(*tags, *row) for row in rows]
                if len(found) >= limit:
                    break
            return found

        given = dict(zip(("start", "end", "every"), map(clamped, times), strict=True))
        return await self._read(read)

    async def events(
        self,
        which: Selection,
        since_ns: int,
        min_criticality: int = 1,
        limit: int = 10_000,
        end_ns: int | None = None,
    ) -> list[EventRow]:
        which = which.of_events()
        if not which.possible:
            return []
        conditions, given = _conditions(which, ("source_device", "device_id", "array_id"))
        sql = schema.EVENTS.format(
            where=schema.where(
                "time_ns >= :since", "time_ns < :end", "criticality >= :criticality", *conditions
            )
        )
        given |= {"since": clamped(since_ns), "criticality": clamped(min_criticality)}
        given["end"] = clamped(2**63 if end_ns is None else end_ns)
        given["limit"] = max(0, limit)
        return await self._read(lambda db: [EventRow(*row) for row in db.execute(sql, given)])

    async def held(
        self, measurement: str, start_ns: int, end_ns: int, every_ns: int
    ) -> dict[int, int]:
        def read(db: sqlite3.Connection) -> dict[int, int]:
            if table := _TABLES.get(measurement):
                return dict(db.execute(schema.held(table), given).fetchall())
            found: Counter[int] = Counter()
            for number, _ in _selected(db, Selection()):
                found.update(dict(db.execute(schema.HELD_POINTS, given | {"id": number})))
            return found

        given = {"start": clamped(start_ns), "end": clamped(end_ns), "every": every_ns}
        return await self._read(read)

    async def write_visits(self, visits: Sequence[VisitRow]) -> Written:
        if not visits:
            return NOTHING_WRITTEN
        return await self._write(self._the_writing().write_visits, visits)

    async def visits(
        self, which: VisitSelection, since_ns: int, limit: int = 10_000
    ) -> list[VisitRow]:
        if not which.possible:
            return []
        given = {**which.given, "since": clamped(since_ns), "limit": max(0, limit)}
        conditions = ["time_ns >= :since", *(f"{name} = :{name}" for name in which.given)]
        sql = schema.VISITS.format(where=schema.where(*conditions))
        return await self._read(lambda db: [VisitRow(*row) for row in db.execute(sql, given)])

    async def expire(self, now_ns: int) -> int:
        if not self._retention_ns:
            return 0
        writing = self._the_writing()
        cutoff, waits = await self._write(writing.cutoff, now_ns)
        total = 0
        after: int | None = 0
        while after is not None:  # each round is one short turn on the writer's thread
            deleted, after = await self._write(writing.expire_points, cutoff, after)
            total += deleted
        for expire in (writing.expire_events, writing.expire_visits):
            more = True
            while more:
                deleted, more = await self._write(expire, cutoff)
                total += deleted
        if waits:
            raise StoreUnavailable(waits)
        return total

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._reading.interrupt()
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._readers.shutdown()
        self._reading.close()
        if self._writing is not None:
            self._writer.submit(self._writing.close).result()
        self._writer.shutdown()

    def _the_writing(self) -> Writing:
        if self._writing is None:
            raise StoreDenied(f"{self._path} was opened for reading, not for writing")
        return self._writing

    async def _write(self, job: Callable[..., T], *arguments: Any) -> T:
        return await self._run(self._writer, job, *arguments)

    async def _read(self, job: Callable[[sqlite3.Connection], T]) -> T:
        return await self._run(self._readers, self._reading.run, job)

    async def _run(self, pool: ThreadPoolExecutor, job: Callable[..., T], *arguments: Any) -> T:
        if self._closed:
            raise StoreUnavailable(f"{self._path} was closed")
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, job, *arguments)
        except SpindleError:
            raise
        except (sqlite3.Error, OSError, OverflowError, UnicodeError) as error:
            raise file.translated(error, self._path) from error


def _selected(db: sqlite3.Connection, which: Selection) -> list[tuple[int, _Tags]]:
    if not which.possible:
        return []
    conditions, given = _conditions(
        which, ("source_device", "device_id", "array_id", "metric_type")
    )
    sql = schema.SELECTED_SERIES.format(where=schema.where(*conditions))
    return [(number, tuple(tags)) for number, *tags in db.execute(sql, given)]


def _conditions(which: Selection, names: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """``column = :column`` for what is selected, and the values to bind: no text is pasted."""
    given = {name: value for name in names if (value := getattr(which, name)) is not None}
    conditions = [f"{name} = :{name}" for name in given]
    if which.device_ids is not None:
        conditions.append("device_id IN (SELECT value FROM json_each(:device_ids))")
        given["device_ids"] = orjson.dumps(which.device_ids).decode()
    if which.without:
        conditions.append("metric_type NOT IN (SELECT value FROM json_each(:without))")
        given["without"] = orjson.dumps(which.without).decode()
    return conditions, given
