"""The reading half of the SQLite store: a connection per thread, and a time limit per query."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from spindle.errors import StoreUnavailable
from spindle.store.sqlite import file

_STEPS_BETWEEN_CHECKS = 20_000  # of SQLite's machine, between two looks at the clock

T = TypeVar("T")


class Reading:
    """Used from several threads; each has a connection of its own, opened at its first query."""

    def __init__(self, path: Path, timeout_seconds: float) -> None:
        self._path = path
        self._timeout = timeout_seconds
        self._mine = threading.local()  # .db, .inode, .beside, .deadline of this thread
        self._all: list[sqlite3.Connection] = []  # to close at the end
        self._lock = threading.Lock()
        self._mark: file.Mark | None = None  # the file, as any thread last saw it
        self._opened = 0, file.Beside(None, None)  # inode of the file last opened, and its log
        self._stopping = False

    def run(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Run on this thread's connection, in one transaction: one view of the data."""
        db = self._connection()
        self._mine.deadline = time.monotonic() + self._timeout
        db.execute("BEGIN")
        try:
            return job(db)
        finally:
            if db.in_transaction:
                db.execute("ROLLBACK")

    def _connection(self) -> sqlite3.Connection:
        db: sqlite3.Connection | None = getattr(self._mine, "db", None)
        inode, beside = self._inode(), file.Beside.of(self._path)
        same = db is not None and inode == self._mine.inode
        if db is not None and same and not beside.is_another(self._mine.beside):
            self._mine.beside = beside
            return db
        if db is not None:  # the file, or its log, was removed or replaced
            self._mine.db = None
            with self._lock:
                self._all.remove(db)
            db.close()
        self._refuse_strange_log(inode, beside)
        db = file.open_for_reading(self._path, self._timeout)
        self._opened = inode, beside
        db.set_progress_handler(self._overdue, _STEPS_BETWEEN_CHECKS)
        self._mine.db, self._mine.inode, self._mine.beside = db, inode, beside
        with self._lock:
            self._all.append(db)
        return db

    def _refuse_strange_log(self, inode: int, beside: file.Beside) -> None:
        """What was put in the file's place is not read together with the log of the file before.

        :raises StoreUnavailable: that log still lies there; the writer takes it away.
        """
        opened, log = self._opened
        if opened and inode and inode != opened and log.is_there(beside):
            raise StoreUnavailable(
                f"{self._path} was replaced, and the log of the file before lies beside it: the "
                "writer takes it away; where none runs, remove its -wal and its -shm"
            )

    def _inode(self) -> int:
        """The inode of the file as it is now; 0 where there is no file.

        :raises StoreUnavailable: it is shorter than it was.
        """
        with self._lock:
            now, before = file.Mark.of(self._path), self._mark
            if now and before and now.inode == before.inode and now.size < before.size:
                raise file.truncated(self._path)
            self._mark = now
            return now.inode if now else 0

    def _overdue(self) -> bool:
        return self._stopping or time.monotonic() > self._mine.deadline

    def interrupt(self) -> None:
        """End the queries that run now."""
        self._stopping = True

    def close(self) -> None:
        """Close every thread's connection; no query runs any more."""
        with self._lock:
            for db in self._all:
                db.close()
            self._all.clear()
