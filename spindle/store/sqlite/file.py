"""Open an SQLite file for writing (one process at a time) or for reading, and name its errors."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import sqlite3
from pathlib import Path
from typing import IO, NamedTuple

from spindle import locks
from spindle.errors import BatchRefused, StoreDenied, StoreError, StoreUnavailable
from spindle.store.sqlite import schema

# Pages of the log before it is copied into the file: fewer, larger copies; a commit that copies
# was seen to take 0.13 s. The log file is cut back to the limit afterwards.
CHECKPOINT_PAGES = 8_000
LOG_LIMIT_BYTES = 64 * 2**20
WRITER_CACHE_KIB = 64 * 1024  # the newest page of each of thousands of series stays in memory
READER_CACHE_KIB = 8 * 1024


def path_of(url: str) -> Path:
    """``sqlite:///FILE`` (relative) or ``sqlite:////FILE`` (absolute) as a path."""
    return Path(url.removeprefix("sqlite:///"))


class Mark(NamedTuple):
    """The file as it was last seen; what is written goes to the log beside it until a checkpoint.

    :ivar inode: another one means that the file was replaced.
    :ivar size: bytes; it never shrinks by itself.
    :ivar changed_ns: when it was last written.
    """

    inode: int
    size: int
    changed_ns: int

    @classmethod
    def of(cls, path: Path) -> Mark | None:
        """The mark of the file as it is now; None where there is no file."""
        try:
            seen = path.stat()
        except FileNotFoundError:
            return None
        return cls(seen.st_ino, seen.st_size, seen.st_mtime_ns)


class Beside(NamedTuple):
    """The log and its shared index, which lie beside the file; None where they do not."""

    log: Mark | None
    shared: Mark | None

    @classmethod
    def of(cls, path: Path) -> Beside:
        """As they are now."""
        return cls(*map(Mark.of, cls._paths(path)))

    @staticmethod
    def _paths(path: Path) -> tuple[Path, Path]:
        return path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")

    def is_there(self, now: Beside) -> bool:
        """Whether one of these two is there still."""
        pairs = zip(self, now, strict=True)
        return any(was and found and was.inode == found.inode for was, found in pairs)

    def remove(self, path: Path) -> None:
        """Remove these two, and none that somebody has put in their place."""
        for mark, found in zip(self, self._paths(path), strict=True):
            now = Mark.of(found)
            if mark and now and mark.inode == now.inode:
                found.unlink(missing_ok=True)

    def is_another(self, before: Beside) -> bool:
        """Whether one of them was removed or replaced: a connection goes on with the one it has."""
        pairs = zip(self, before, strict=True)
        return any(was and (now is None or now.inode != was.inode) for now, was in pairs)


def log_cut(path: Path) -> StoreUnavailable:
    """The error for a log that another program cut short."""
    return StoreUnavailable(
        f"{path}-wal was cut short by another program, and with it the newest of what was stored, "
        f"so nothing more is stored: remove {path}, its -wal and its -shm (or put a backup in its "
        "place); then a new one is made"
    )


def abandon(db: sqlite3.Connection) -> None:
    """Never close a connection: closing would copy what is left of a log that was cut short into
    the file, and damage it."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(db))


def truncated(path: Path) -> StoreUnavailable:
    """The error for a file that another program cut short."""
    return StoreUnavailable(
        f"{path} was cut short by another program, so nothing more is stored in it: remove it, "
        "its -wal and its -shm (or put a backup in its place); then a new one is made"
    )


def check(path: Path, busy_seconds: float) -> None:
    """Check every page of the file, after another program wrote to it.

    :raises StoreDenied: it is damaged.
    """
    with contextlib.closing(sqlite3.connect(path, timeout=busy_seconds)) as db:
        found = str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
    if found != "ok":
        raise StoreDenied(f"{path} was damaged by another program: {' '.join(found.split())[:200]}")


def lock(path: Path) -> IO[str]:
    """Become the file's one writing process until the returned file is closed.

    :raises InUse: another process writes to it.
    """
    return locks.hold(
        path.with_name(path.name + ".writer-lock"),
        f"{path} is being written by another process",
        "an SQLite store has one writer: stop that one, or give this one another STORE_URL",
    )


def open_for_writing(path: Path, busy_seconds: float) -> sqlite3.Connection:
    """The one writing connection, with tables in place; the caller holds the lock.

    A new file, and with it those that SQLite puts beside it, are for this user only; so becomes one
    that everybody may read, as an older Spindle made it. One shared with a group stays so.
    """
    with contextlib.suppress(OSError):  # it is there already, or connecting says why not
        os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))
    with contextlib.suppress(OSError):  # somebody else's, who sees to it
        if path.stat().st_mode & 0o007:
            path.chmod(0o600)
    db = sqlite3.connect(path, timeout=busy_seconds, isolation_level=None, check_same_thread=False)
    try:
        _refuse_newer(db, path)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        db.execute(f"PRAGMA journal_size_limit = {LOG_LIMIT_BYTES}")
        db.execute(f"PRAGMA cache_size = -{WRITER_CACHE_KIB}")
        version = schema.VERSION
        db.executescript(f"BEGIN IMMEDIATE; {schema.SCHEMA} PRAGMA user_version={version}; COMMIT;")
    except BaseException:
        db.close()
        raise
    return db


def open_for_reading(path: Path, busy_seconds: float) -> sqlite3.Connection:
    """A connection that cannot write, nor make the file.

    :raises StoreUnavailable: the writer has not made the file, or its tables, yet.
    """
    if not path.exists():
        raise StoreUnavailable(f"{path} does not exist yet: the writer makes it when it starts")
    uri = f"{path.absolute().as_uri()}?mode=ro"
    db = sqlite3.connect(
        uri, uri=True, timeout=busy_seconds, isolation_level=None, check_same_thread=False
    )
    try:
        version = _refuse_newer(db, path)
        db.execute(f"PRAGMA cache_size = -{READER_CACHE_KIB}")
    except BaseException:
        db.close()
        raise
    if version < schema.VERSION:
        db.close()
        raise StoreUnavailable(f"{path} has no tables yet: the writer makes them")
    return db


def _refuse_newer(db: sqlite3.Connection, path: Path) -> int:
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if version > schema.VERSION:
        raise StoreDenied(
            f"{path} was made by a later Spindle (layout {version}, "
            f"this one knows {schema.VERSION}): use that one"
        )
    return version


def translated(error: Exception, path: Path) -> StoreError:
    """What a failure means: one sentence, and the decision that its class carries."""
    if isinstance(error, OSError):
        text = error.strerror or type(error).__name__
        sentence = f"{path} cannot be used: {text}"
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            return StoreUnavailable(sentence)
        return StoreDenied(sentence)
    if isinstance(error, (OverflowError, UnicodeError)):
        return BatchRefused(f"a value does not fit the store: {error}")
    name = str(getattr(error, "sqlite_errorname", ""))
    for prefixes, kind, sentence in _MEANINGS:
        if name.startswith(prefixes):
            return kind(f"{path}: {sentence} ({error})")
    if isinstance(error, (sqlite3.ProgrammingError, sqlite3.InterfaceError)):
        return BatchRefused(f"a value does not fit the store: {error}")
    return StoreUnavailable(f"{path}: {error}")


_MEANINGS: tuple[tuple[tuple[str, ...], type[StoreError], str], ...] = (
    (("SQLITE_FULL",), StoreUnavailable, "the disk is full; free some space"),
    (("SQLITE_BUSY", "SQLITE_LOCKED"), StoreUnavailable, "locked by another program"),
    (("SQLITE_INTERRUPT",), StoreUnavailable, "took longer than STORE_TIMEOUT_SECONDS"),
    (("SQLITE_IOERR",), StoreUnavailable, "the disk does not read or write"),
    (("SQLITE_CANTOPEN",), StoreUnavailable, "cannot be opened"),
    (("SQLITE_READONLY", "SQLITE_PERM"), StoreDenied, "may not be written"),
    (("SQLITE_NOTADB", "SQLITE_CORRUPT"), StoreDenied, "is damaged or no SQLite file"),
    (
        ("SQLITE_CONSTRAINT", "SQLITE_MISMATCH", "SQLITE_TOOBIG", "SQLITE_RANGE"),
        BatchRefused,
        "a value does not fit the store",
    ),
)
