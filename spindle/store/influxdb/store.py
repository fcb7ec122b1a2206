"""The InfluxDB store, for 1.x, 2.x and 3.x; which one answers is learnt from ``/ping``.

Requests run on threads of this store's own: some for writing, some for reading, so that a slow
query holds up neither a write nor another query.
"""

from __future__ import annotations

import asyncio
import logging
import math
import re
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from spindle import timestamps
from spindle.errors import StoreDenied, StoreUnavailable
from spindle.store.base import (
    NEVER_NS,
    NOTHING_WRITTEN,
    OVERFLOW_SCALE,
    Bucket,
    EventRow,
    Latest,
    Point,
    Points,
    Selection,
    VisitRow,
    VisitSelection,
    WriteProfile,
    Written,
)
from spindle.store.influxdb import event_times, influxql, lines, rows, visits
from spindle.store.influxdb.answers import Expired, NotJson, NotThere
from spindle.store.influxdb.first_writes import FirstWrites
from spindle.store.influxdb.http import Address, Answer, Http, checked
from spindle.store.influxdb.versions.server import Retention, Server
from spindle.store.influxdb.versions.v1 import V1
from spindle.store.influxdb.versions.v2 import V2
from spindle.store.influxdb.versions.v3 import V3
from spindle.store.registry import StoreSettings
from spindle.timestamps import NS

log = logging.getLogger("spindle.store")

_WRITERS, _READERS = 4, 8  # requests of each kind at once
_OF_MAJOR: dict[int, type[Server]] = {0: V1, 1: V1, 2: V2}
_VERSION = re.compile(r"v?(\d+)\.\d+")

#: Machines that keep their clocks differ by less.
_CLOCKS_APART_SECONDS = 300.0

T = TypeVar("T")


class InfluxStore:
    """See ``Store``."""

    #: Bodies of about two megabytes. One profile for all versions: what 2.x's makers advise, 5,000
    #: lines, costs the engine that it shares with 1.x a quarter more (docs/benchmarks.md).
    write_profile = WriteProfile(batch_points=20_000, writes=2)

    def __init__(
        self,
        settings: StoreSettings,
        *,
        writing: bool = False,  # noqa: ARG002 - anybody may write
        now_ns: Callable[[], int | None] = time.time_ns,
    ) -> None:
        self._now_ns = now_ns
        self._address = Address.of(settings)
        # Whole hours, at least one: the shortest that InfluxDB takes.
        hours = math.ceil(settings.retention_hours)
        self._retention = Retention(hours, settings.retention_is_set)
        self._http = Http(
            self._address.base, settings.store_timeout_seconds, settings.influxdb_tls_ca
        )
        self._writers = ThreadPoolExecutor(_WRITERS, "influxdb-writer")
        self._readers = ThreadPoolExecutor(_READERS, "influxdb-reader")
        self._server: Server | None = (
            None  # known once /ping has answered and the database is there
        )
        self._version = ""
        self._preparing = threading.Lock()
        self._first_writes = FirstWrites()
        self._placing = threading.Lock()  # looking for places and writing to them is one step
        self._closed = False

    @property
    def name(self) -> str:
        return f"InfluxDB {self._version}".rstrip()

    async def prepare(self) -> None:
        await self._run(self._writers, self._prepare, self._server)

    async def ping(self) -> None:
        await self._run(self._readers, self._ping)

    async def write_points(self, points: Sequence[Point]) -> Written:
        if not points:
            return NOTHING_WRITTEN
        columns = Points.of(points)
        new = _certainly_new(columns)  # here, in the order in which they are written
        times_ns = set(columns.times_ns)  # of one tick most share theirs
        await self._run(
            self._writers,
            self._with_database,
            lambda server: self._write_points(server, columns, times_ns),
        )
        return Written(new, min(times_ns), max(times_ns), asked=False)

    async def write_events(self, events: Sequence[EventRow]) -> Written:
        if not events:
            return NOTHING_WRITTEN
        return await self._run(
            self._writers,
            self._with_database,
            lambda server: self._write_events(server, events),
        )

    async def latest(
        self, which: Selection, since_ns: int, until_ns: int | None = None
    ) -> list[Latest]:
        if not which.possible:
            return []
        answer = await self._query(influxql.latest(which, since_ns, until_ns))
        return sorted(map(rows.latest, answer), key=rows.series_key)

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
        if limit < 1 or not which.possible:
            return []
        if every_ns is not None and not sampled:
            found = await self._steps(which, start_ns, end_ns, every_ns, limit)
        elif every_ns is not None:
            answer = await self._query(influxql.samples(which, start_ns, end_ns, every_ns, limit))
            found = [rows.raw_step(row) for row in answer]
        else:
            answer = await self._query(influxql.raw(which, start_ns, end_ns, limit))
            found = [rows.raw_step(row) for row in answer]
        return sorted(found, key=rows.series_key)[:limit]

    async def _steps(
        self, which: Selection, start_ns: int, end_ns: int, every_ns: int, limit: int
    ) -> list[Bucket]:
        wanted = (which, start_ns, end_ns, every_ns, limit)
        try:
            return [rows.step(row) for row in await self._query(influxql.steps(*wanted))]
        except NotJson:  # two readings of 9e307 in one bucket, of any one of the series
            answer = await self._query(influxql.scaled_steps(*wanted))
            return [rows.step(row, OVERFLOW_SCALE) for row in answer]

    async def events(
        self,
        which: Selection,
        since_ns: int,
        min_criticality: int = 1,
        limit: int = 10_000,
        end_ns: int | None = None,
    ) -> list[EventRow]:
        which = which.of_events()
        if limit < 1 or not which.possible:
            return []
        answer = await self._query(influxql.events(which, since_ns, min_criticality, limit, end_ns))
        cut = len(answer) == limit
        if end_ns is not None:  # each is stored a little after its time: these may truly be before
            first_ns, last_ns = max(since_ns, end_ns), end_ns + event_times.LONGEST_SHIFT_NS
            answer += await self._query(
                influxql.events(which, first_ns, min_criticality, end_ns=last_ns)
            )
        if cut:
            # For the same reason just before these may be truly later ones.
            oldest_ns = min(row["time"] for row in answer)
            first_ns = max(since_ns, oldest_ns - event_times.LONGEST_SHIFT_NS)
            answer += await self._query(
                influxql.events(which, first_ns, min_criticality, end_ns=oldest_ns + 1)
            )
        # One may truly be older than asked for; at ``oldest_ns`` one may come twice.
        found = {
            event
            for row in answer
            if since_ns <= (event := rows.event(row)).time_ns
            and (end_ns is None or event.time_ns < end_ns)
        }
        found = rows.without_copied(found)
        newest_first = sorted(found, key=lambda one: (one.time_ns, one.event_id), reverse=True)
        if cut and 0 < len(found) < limit:  # what was copied left room
            left, before_ns = limit - len(found), newest_first[-1].time_ns
            newest_first += await self.events(which, since_ns, min_criticality, left, before_ns)
        return newest_first[:limit]

    async def old_events(self, start_ns: int, limit: int) -> list[EventRow]:
        """Events in the form of an older platform, from ``start_ns`` on, oldest first."""
        return [rows.event(row) for row in await self._query(influxql.old_events(start_ns, limit))]

    async def old_event_count(self) -> int:
        """How many of them there are."""
        answer = await self._query(influxql.old_event_count())
        counts = (row.items() for row in answer)
        return max((n for row in counts for name, n in row if name != "time" and n), default=0)

    async def held(
        self, measurement: str, start_ns: int, end_ns: int, every_ns: int
    ) -> dict[int, int]:
        answer = await self._query(influxql.held(measurement, start_ns, end_ns, every_ns))
        return {row["time"]: int(row["held"]) for row in answer if row["held"]}

    async def write_visits(self, visits: Sequence[VisitRow]) -> Written:
        if not visits:
            return NOTHING_WRITTEN
        return await self._run(
            self._writers, self._with_database, lambda server: self._write_visits(server, visits)
        )

    async def visits(
        self, which: VisitSelection, since_ns: int, limit: int = 10_000
    ) -> list[VisitRow]:
        if limit < 1 or not which.possible:
            return []
        answer = await self._query(visits.select(which, since_ns, limit))
        if len(answer) == limit:  # as with events
            oldest_ns = min(row["time"] for row in answer)
            first_ns = max(since_ns, oldest_ns - event_times.LONGEST_SHIFT_NS)
            answer += await self._query(visits.select(which, first_ns, end_ns=oldest_ns + 1))
        found = {visit for row in answer if (visit := visits.of_row(row)).time_ns >= since_ns}
        latest_first = sorted(found, key=lambda one: (one.time_ns, one.visit_id), reverse=True)
        return latest_first[:limit]

    async def expire(self, now_ns: int) -> int:  # noqa: ARG002 - the protocol's
        """Nothing to do: InfluxDB drops what is older than its retention itself."""
        return 0

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._writers.shutdown()
        self._readers.shutdown()
        self._http.close()

    async def _query(self, statement: str) -> list[rows.Row]:
        return (await self._queries(statement))[0]

    async def _queries(self, *statements: str) -> list[list[rows.Row]]:
        return await self._run(
            self._readers, self._with_database, lambda server: server.query(*statements)
        )

    async def _run(self, pool: ThreadPoolExecutor, job: Callable[..., T], *arguments: Any) -> T:
        if self._closed:
            raise StoreUnavailable("the store was closed")
        return await asyncio.get_running_loop().run_in_executor(pool, job, *arguments)

    def _with_database(self, job: Callable[[Server], T]) -> T:
        """Run the job; where the database is missing, create it and run the job once more."""
        server = self._server or self._prepare(None)
        try:
            return job(server)
        except NotThere:
            return job(self._prepare(server))

    def _prepare(self, stale: Server | None) -> Server:
        """Learn the version and make the database, unless another thread just did."""
        with self._preparing:
            if self._server is not None and self._server is not stale:
                return self._server
            version = self._ping()
            server = self._server_of(version)(self._http, self._address)
            server.prepare(self._retention)
            self._server = server
            return server

    def _server_of(self, version: str) -> type[Server]:
        match = _VERSION.match(version)
        if match:
            return _OF_MAJOR.get(int(match[1]), V3)
        # Built from source it calls itself "unknown" or "dev". Only 2.x has this path.
        return V2 if self._http.request("GET", "/api/v2/setup").status == 200 else V1

    def _ping(self) -> str:
        address = self._address
        headers = address.bearer("Bearer") or address.basic()
        answer = checked(self._http.request("GET", "/ping", headers=headers))
        self._version = version_of(answer)
        return self._version

    def _write(self, server: Server, body: bytes) -> None:
        """Write lines; a refusal for their age counts only where the clocks agree.

        :raises StoreUnavailable: InfluxDB calls a point too old, and its clock is not believed.
        """
        try:
            server.write(body)
        except Expired as error:
            now_ns, theirs = self._now_ns(), error.clock
            if now_ns is None:
                raise StoreUnavailable(f"{error}; it waits until the clocks agree") from None
            ahead = theirs.timestamp() - now_ns / 1e9 if theirs else 0.0
            if theirs and abs(ahead) > _CLOCKS_APART_SECONDS:
                raise StoreUnavailable(
                    f"InfluxDB's clock says {timestamps.format_ns(int(theirs.timestamp()) * NS)}, "
                    f"and this machine's {timestamps.format_ns(now_ns)}: until they agree nothing "
                    f"is a dead letter for its age ({error})"
                ) from None
            raise

    def _write_points(self, server: Server, points: Points, times_ns: set[int]) -> None:
        body = lines.points_body(points)
        with self._first_writes.passing(times_ns):
            self._write(server, body)

    def _write_events(self, server: Server, events: Sequence[EventRow]) -> Written:
        with self._placing:
            statements = [influxql.events_between(*r) for r in event_times.ranges(events)]
            places = event_times.Places()
            for answer in server.query(*statements):
                for row in answer:
                    places.add(
                        rows.event_tags(row),
                        row["event_id"],
                        row["time"],
                        rows.shift(row),
                    )
            before = len(places.known)
            times = places.place(events)
            body = map(lines.event_line, events, times)
            with self._first_writes.passing(times):
                self._write(server, "\n".join(body).encode())
        return Written(len(places.known) - before, min(times), max(times))

    def _write_visits(self, server: Server, rows: Sequence[VisitRow]) -> Written:
        with self._placing:
            stored = server.query(*visits.stored_between(rows))
            with self._first_writes.passing(row.time_ns for row in rows):
                self._write(server, visits.lines(rows, stored).encode())
        known = {row["id"] for found in stored for row in found}
        times = [row.time_ns for row in rows]
        new = {row.visit_id for row in rows} - known
        return Written(len(new), min(times), max(times))


def _certainly_new(points: Points) -> int:
    """Points later than every one of their series that was written before.

    InfluxDB does not tell what a write replaced. The first one of a series may be a repeat.
    """
    late = 0
    for series, time_ns in zip(points.series, points.times_ns, strict=True):
        if time_ns > series.newest_ns:
            series.newest_ns = time_ns
        else:
            late += 1
            if series.newest_ns == NEVER_NS:
                series.newest_ns = time_ns
    return len(points) - late


def version_of(answer: Answer) -> str:
    """The version, such as ``1.8.10``, in an answer to ``/ping``.

    :raises StoreDenied: what answered is no InfluxDB.
    """
    version = answer.headers.get("X-Influxdb-Version")
    if not version and answer.body:  # 3.x says it in the body too
        said = answer.json()
        version = str(said.get("version", "")) if isinstance(said, dict) else ""
    if not version:
        raise StoreDenied("what answers there is no InfluxDB: is STORE_URL right?")
    return version.removeprefix("v")
