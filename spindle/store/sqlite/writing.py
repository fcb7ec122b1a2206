"""The writing half of the SQLite store: one connection, used by one thread."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import IO

from spindle import timestamps
from spindle.errors import StoreDenied, StoreUnavailable
from spindle.store.base import EventRow, Point, Points, Series, VisitRow, Written
from spindle.store.sqlite import file, schema
from spindle.store.sqlite.schema import expired, safe_cutoff

log = logging.getLogger("spindle.store")

_EXPIRED_AT_ONCE = 5_000  # rows a transaction of the retention deletes: milliseconds
_SERIES_AT_ONCE = 2_000  # series it looks at
_KNOWN_OBJECTS = 500_000  # Series objects remembered, in case a caller does not intern them


class Writing:
    """Owns the lock and the writing connection. Every method runs on the same thread.

    :param now_ns: the time that refusals go by; None from it: nothing is refused as too old.
    """

    def __init__(
        self, path: Path, busy_seconds: float, retention_ns: int, now_ns: Callable[[], int | None]
    ) -> None:
        self._path = path
        self._now_ns = now_ns
        self._retention_ns = retention_ns  # 0: for ever
        self._busy_seconds = busy_seconds
        self._lock: IO[str] | None = None  # held from the first use until close
        self._db: sqlite3.Connection | None = None
        self._mark: file.Mark | None = None  # the open file, as this connection left it
        self._beside = file.Beside(None, None)  # its log, likewise
        self._log_cut = False  # by another program: this connection must not be closed
        self._newest_ns: int | None = None  # of all that is stored
        self._by_object: dict[Series, int] = {}  # series id, found by identity
        self._by_key: dict[tuple[str, str, str, str], int] = {}  # the same, by tags

    def open(self) -> sqlite3.Connection:
        """The connection, once the file is known to be as this connection left it.

        :raises StoreUnavailable: it was removed, replaced or cut short; it is opened anew at the
            next try, once it is another file.
        :raises StoreDenied: another program damaged it.
        """
        if self._db is not None:
            self._check(self._db)
            return self._db
        if self._lock is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = file.lock(self._path)
        self._db = file.open_for_writing(self._path, self._busy_seconds)
        self._mark, self._beside = file.Mark.of(self._path), file.Beside.of(self._path)
        row = self._db.execute(schema.NEWEST).fetchone()
        self._newest_ns = row[0]
        return self._db

    def _check(self, db: sqlite3.Connection) -> None:
        now, before = file.Mark.of(self._path), self._mark
        if now is None or before is None or now.inode != before.inode:
            self._leave(db)
            raise StoreUnavailable(
                f"{self._path} was removed or replaced, with what it held; it is opened anew"
            )
        if now.size < before.size:
            raise file.truncated(self._path)  # closing would write the log into what is left
        self._check_log(db)
        if now == before:
            return
        file.check(self._path, self._busy_seconds)
        log.warning("%s was written to by another program", self._path)
        self._forget_series()
        self._mark = now

    def _leave(self, db: sqlite3.Connection) -> None:
        """Part from a file that was moved: it takes along what lies in its log. Left beside another
        file of the same name, the log would be thrown away, or taken for that file's.

        :raises StoreUnavailable: somebody reads it at the moment.
        """
        now, before = file.Beside.of(self._path), self._beside
        cut = now.log and before.log and now.log.size < before.log.size
        if not cut and not self._log_cut:  # what is left of one would damage the file
            with contextlib.suppress(sqlite3.Error):  # what cannot be saved is gone with the file
                if db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                    raise StoreUnavailable(f"{self._path}: the log is in use; trying again")
        self._forget_connection()
        before.remove(self._path)

    def _check_log(self, db: sqlite3.Connection) -> None:
        """What was committed is in the log until a checkpoint copies it into the file."""
        now, before = file.Beside.of(self._path), self._beside
        if self._log_cut:
            raise file.log_cut(self._path)
        if now.is_another(before):  # this connection still has the old one
            if db.execute("PRAGMA wal_checkpoint(FULL)").fetchone()[0]:
                raise StoreUnavailable(f"{self._path}: the log is in use; trying again")
            self._forget_connection()
            raise StoreUnavailable(
                f"the -wal or -shm of {self._path} was removed or replaced by another program; "
                "what they held is in the file, which is opened anew"
            )
        if now.log and before.log and now.log.size < before.log.size:
            try:  # another program's checkpoint cuts it too, and loses nothing
                file.check(self._path, self._busy_seconds)
            except (sqlite3.Error, StoreDenied):
                self._log_cut = True
                raise file.log_cut(self._path) from None
        self._beside = now

    def close(self) -> None:
        self._forget_connection()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _forget_connection(self) -> None:
        self._forget_series()
        if self._db is not None:
            db, self._db = self._db, None
            if self._log_cut:
                file.abandon(db)
                self._log_cut = False
            else:
                db.close()

    def _forget_series(self) -> None:
        self._by_object.clear()
        self._by_key.clear()

    @contextlib.contextmanager
    def _transaction(
        self, oldest_ns: int | None = None, newest_ns: int | None = None
    ) -> Iterator[sqlite3.Connection]:
        """The times are those of what is written in it."""
        db = self.open()
        if oldest_ns is not None and newest_ns is not None:
            self._refuse_expired(oldest_ns, newest_ns)
        try:
            db.execute("BEGIN IMMEDIATE")
            yield db
            db.execute("COMMIT")
            self._committed(db)
            if newest_ns is not None:
                self._newest_ns = max(self._newest_ns or 0, newest_ns)
        except BaseException:
            self._forget_series()  # ids given in this transaction are void
            try:
                if db.in_transaction:
                    db.execute("ROLLBACK")
            except sqlite3.Error:
                self._forget_connection()
            raise

    def _committed(self, db: sqlite3.Connection) -> None:
        """After the commit: check that the file is still the one that was written to."""
        now, before = file.Mark.of(self._path), self._mark
        if now is None or before is None or now.inode != before.inode or now.size < before.size:
            raise StoreUnavailable(f"{self._path} was removed, replaced or cut short meanwhile")
        beside, self._beside = self._beside, file.Beside.of(self._path)
        if self._beside.is_another(beside):
            self._beside = beside
            self._check_log(db)
        self._mark = now

    def _refuse_expired(self, oldest_ns: int, arriving_ns: int) -> None:
        """Refuse points older than the retention, rather than delete them a minute later."""
        newest_ns, now_ns = self._newest_ns, self._now_ns()
        if now_ns is None or not self._retention_ns:
            return
        if newest_ns is not None:
            newest_ns = max(newest_ns, min(arriving_ns, now_ns))
        cutoff = safe_cutoff(now_ns, newest_ns, self._retention_ns)
        if oldest_ns < cutoff:
            raise expired(oldest_ns, cutoff)

    def cutoff(self, now_ns: int) -> tuple[int, str]:
        """What is older is to be deleted; and why that is not all that the clock calls too old."""
        self.open()
        cutoff = safe_cutoff(now_ns, self._newest_ns, self._retention_ns)
        if cutoff == now_ns - self._retention_ns:
            return cutoff, ""
        newest_ns = cutoff + self._retention_ns
        return cutoff, (
            "expiry waits for newer readings: this machine's clock says "
            f"{timestamps.format_ns(now_ns)}, and the newest reading in {self._path} is of "
            f"{timestamps.format_ns(newest_ns)}"
        )

    def write_points(self, points: Sequence[Point]) -> Written:
        ids = self._by_object
        columns = Points.of(points)
        span = min(columns.times_ns), max(columns.times_ns)
        with self._transaction(*span) as db:
            try:
                numbers = list(map(ids.__getitem__, columns.series))
            except KeyError:
                for series in set(columns.series).difference(ids):
                    self._learn(db, series)
                numbers = list(map(ids.__getitem__, columns.series))
            # By series, so that each page of the tree is touched once: a fifth faster. The sort
            # is stable: of two readings of one instant the later stays the later.
            rows = sorted(
                zip(numbers, columns.times_ns, columns.values, strict=True), key=itemgetter(0)
            )
            new = insert_points(db, rows)
        if len(ids) > _KNOWN_OBJECTS:
            self._forget_series()
        return Written(new, *span)

    def _learn(self, db: sqlite3.Connection, series: Series) -> None:
        key = series.key
        number = self._by_key.get(key)
        if number is None:
            row = db.execute(schema.SERIES_ID, key).fetchone()
            number = int(row[0]) if row else int(db.execute(schema.ADD_SERIES, key).lastrowid or 0)
            self._by_key[key] = number
        self._by_object[series] = number

    def write_events(self, events: Sequence[EventRow]) -> Written:
        columns = attrgetter(*schema.EVENT_COLUMNS)
        rows = [columns(event) for event in events]
        times_ns = [event.time_ns for event in events]
        span = min(times_ns), max(times_ns)
        with self._transaction(*span) as db:
            new = db.executemany(schema.ADD_EVENT, rows).rowcount
        return Written(new, *span)

    def write_visits(self, rows: Sequence[VisitRow]) -> Written:
        columns = [
            (v.time_ns, v.visit_id, v.plate, v.lot, v.status, v.entry_ns, v.reason) for v in rows
        ]
        times_ns = [visit.time_ns for visit in rows]
        span = min(times_ns), max(times_ns)
        with self._transaction(*span) as db:
            new = db.executemany(schema.ADD_VISIT, columns).rowcount
        return Written(new, *span)

    def expire_points(self, cutoff_ns: int, after_id: int) -> tuple[int, int | None]:
        """Delete some readings older than the cutoff, of series after ``after_id``.

        :returns: rows deleted, and the id to go on after (None at the end).
        """
        deleted = 0
        with self._transaction() as db:
            numbers = db.execute(schema.NEXT_SERIES, (after_id, _SERIES_AT_ONCE)).fetchall()
            for (number,) in numbers:
                room = _EXPIRED_AT_ONCE - deleted
                given = {"id": number, "cutoff": cutoff_ns, "limit": room}
                beyond = db.execute(schema.NTH_OLD_POINT, given).fetchone()
                given["before"] = beyond[0] if beyond else cutoff_ns
                deleted += db.execute(schema.DELETE_POINTS, given).rowcount
                if beyond:
                    return deleted, number - 1  # there is more of this one
                if db.execute(schema.DELETE_EMPTY_SERIES, given).rowcount:
                    self._forget_series()
                if deleted >= _EXPIRED_AT_ONCE:
                    return deleted, number
        return deleted, numbers[-1][0] if len(numbers) == _SERIES_AT_ONCE else None

    def expire_events(self, cutoff_ns: int) -> tuple[int, bool]:
        """Delete some events older than the cutoff; how many, and whether there are more."""
        return self._expire(schema.NTH_OLD_EVENT, schema.DELETE_EVENTS, cutoff_ns)

    def expire_visits(self, cutoff_ns: int) -> tuple[int, bool]:
        """Delete some visits older than the cutoff; how many, and whether there are more."""
        return self._expire(schema.NTH_OLD_VISIT, schema.DELETE_VISITS, cutoff_ns)

    def _expire(self, nth_old: str, delete: str, cutoff_ns: int) -> tuple[int, bool]:
        with self._transaction() as db:
            given = {"cutoff": cutoff_ns, "limit": _EXPIRED_AT_ONCE}
            beyond = db.execute(nth_old, given).fetchone()
            given["before"] = beyond[0] if beyond else cutoff_ns
            return db.execute(delete, given).rowcount, beyond is not None


def insert_points(db: sqlite3.Connection, rows: Sequence[tuple[int, int, float]]) -> int:
    """Add rows of (series id, time, value), in order; how many were not there before.

    Thousands of rows in one statement: a quarter cheaper than ``executemany``, which moreover takes
    the interpreter's lock anew for each row, while this one leaves it to the decoding thread.
    """
    new, most = 0, schema.ROWS_AT_ONCE
    whole = len(rows) - len(rows) % most
    for low in range(0, whole, most):
        values = list(chain.from_iterable(rows[low : low + most]))
        added = db.execute(schema.ADD_POINTS, values).rowcount
        if added < most:
            db.execute(schema.REPLACE_POINTS, values)
        new += added
    if rest := rows[whole:]:
        added = db.executemany(schema.ADD_POINT, rest).rowcount
        if added < len(rest):
            db.executemany(schema.REPLACE_POINT, rest)
        new += added
    return new
