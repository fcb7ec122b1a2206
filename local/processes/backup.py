"""Copy the SQLite store to a file while it is written to, and put such a copy back.

The online backup interface copies a consistent state page by page and starts again where a writer
came between (https://sqlite.org/backup.html); one step for all pages holds a read snapshot, which
in WAL mode hinders no writer. Every copy is checked before it counts.
"""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
import time
from pathlib import Path
from urllib.parse import urlsplit

from local import output
from spindle.errors import InvalidInput, SpindleError, StoreError, StoreUnavailable
from spindle.store.sqlite import file

_APPLICATION_TABLES = {"points", "series", "event_rows"}


def path_of_store(url: str) -> Path:
    """The store's file.

    :raises InvalidInput: the store is no SQLite file.
    """
    if urlsplit(url).scheme != "sqlite":
        raise InvalidInput(
            "backup and restore are for the SQLite store; InfluxDB has its own: "
            "`influxd backup` (1.x), `influx backup` (2.x)"
        )
    return file.path_of(url)


def backup(store: Path, target: Path) -> None:
    """Write a checked copy of the store to ``target``.

    :raises InvalidInput: the target exists already, or its folder does not.
    :raises StoreUnavailable: there is no store yet, or it could not be read.
    """
    if target.exists():
        raise InvalidInput(f"{target} exists; name a file that does not")
    if not target.parent.is_dir():
        raise InvalidInput(f"there is no folder {target.parent}")
    began = time.monotonic()
    half = target.with_name(target.name + ".part")
    half.unlink(missing_ok=True)
    try:
        _copy(store, half)
        points, events = _checked(half)
        half.rename(target)
    finally:
        half.unlink(missing_ok=True)
    size = target.stat().st_size / 2**20
    output.plain(
        f"{target}: {points} readings and {events} events, {size:.1f} MiB, checked, "
        f"in {time.monotonic() - began:.1f} s"
    )


def restore(source: Path, store: Path) -> None:
    """Put a copy in the store's place; what was there is kept beside it.

    :raises InvalidInput: the source is not a whole copy of a store.
    :raises InUse: the writer runs.
    """
    if not source.is_file():
        raise InvalidInput(f"there is no file {source}")
    store.parent.mkdir(parents=True, exist_ok=True)
    half = store.with_name(store.name + ".restoring")
    with contextlib.closing(file.lock(store)):
        half.unlink(missing_ok=True)
        try:
            _copy_of_a_copy(source, half)
            points, events = _checked(half)
            kept = _set_aside(store)
            half.rename(store)
        finally:
            half.unlink(missing_ok=True)
    output.plain(f"restored {points} readings and {events} events from {source}, checked")
    if kept:
        output.plain(f"what was there before is {kept}")


def _copy(source: Path, target: Path) -> None:
    """To a new file that only this user may read, as the store is."""
    target.touch(mode=0o600)
    try:
        with (
            contextlib.closing(file.open_for_reading(source, 10.0)) as from_,
            contextlib.closing(sqlite3.connect(target)) as to,
        ):
            from_.backup(to)
            to.execute("PRAGMA journal_mode = DELETE")  # one file, nothing beside it
    except sqlite3.DatabaseError as error:
        raise InvalidInput(f"{source} cannot be copied: {error}") from None


def _copy_of_a_copy(source: Path, target: Path) -> None:
    try:
        _copy(source, target)
    except StoreError as error:
        raise InvalidInput(f"{source} is not a backup of Spindle's: {error}") from None


def _checked(copy: Path) -> tuple[int, int]:
    """Readings and events of a copy that is whole.

    :raises SpindleError: it is not.
    """
    with contextlib.closing(sqlite3.connect(copy)) as database:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_schema")}
        if not tables >= _APPLICATION_TABLES:
            raise InvalidInput("that file is not a store of Spindle's")
        verdict = database.execute("PRAGMA integrity_check").fetchone()[0]
        if verdict != "ok":
            raise SpindleError(f"the copy is damaged: {verdict}")
        points = database.execute("SELECT count(*) FROM points").fetchone()[0]
        events = database.execute("SELECT count(*) FROM event_rows").fetchone()[0]
    return int(points), int(events)


def _set_aside(store: Path) -> Path | None:
    if not store.exists():
        return None
    # Take the log into the file, so that the one file is all there is.
    with contextlib.closing(sqlite3.connect(store)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.execute("PRAGMA journal_mode = DELETE")
    name = f"{store.name}.before-{time.strftime('%Y%m%d-%H%M%S')}"
    names = (name if n == 1 else f"{name}-{n}" for n in itertools.count(1))
    kept = next(path for path in map(store.with_name, names) if not path.exists())
    try:
        store.rename(kept)
    except OSError as error:
        raise StoreUnavailable(f"{store} cannot be set aside: {error.strerror}") from None
    return kept
