"""Backups are whole even under load; a restore keeps what was there."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from pathlib import Path

import pytest

from local.processes import backup
from spindle.errors import InUse, InvalidInput
from spindle.store.sqlite import file, schema


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "spindle.db"
    database = file.open_for_writing(path, 5.0)
    database.execute(schema.ADD_SERIES, ("DiskUnit", "Latency", "d1", ""))
    add(database, range(100))
    database.close()
    return path


def add(database: sqlite3.Connection, times: range) -> None:
    database.execute("BEGIN IMMEDIATE")
    database.executemany(schema.ADD_POINT, [(1, time_ns, 1.0) for time_ns in times])
    database.execute("COMMIT")


def count(path: Path) -> int:
    with sqlite3.connect(path) as database:
        return int(database.execute("SELECT count(*) FROM points").fetchone()[0])


def test_a_backup_made_under_load_is_whole(store: Path, tmp_path: Path) -> None:
    stop = threading.Event()

    def write() -> None:
        database = file.open_for_writing(store, 5.0)
        start = 1000
        while not stop.is_set():
            add(database, range(start, start + 500))
            start += 500
        database.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            backup.backup(store, tmp_path / f"copy-{number}.db")
    finally:
        stop.set()
        writer.join()
    copies = [count(tmp_path / f"copy-{number}.db") for number in range(5)]
    assert copies == sorted(copies)
    assert all((copy - 100) % 500 == 0 for copy in copies), "whole transactions only"


def test_a_restore_brings_the_copy_back_and_keeps_what_was_there(
    store: Path, tmp_path: Path
) -> None:
    backup.backup(store, tmp_path / "copy.db")
    database = file.open_for_writing(store, 5.0)
    add(database, range(1000, 1007))
    database.close()
    backup.restore(tmp_path / "copy.db", store)
    assert count(store) == 100
    (kept,) = tmp_path.glob("spindle.db.before-*")
    assert count(kept) == 107


@pytest.mark.parametrize("step", [0, 1, 2])
def test_a_restore_that_was_killed_can_be_run_again_and_loses_nothing(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Before the store is set aside, before the copy takes its place, and after it."""
    copy, steps, rename = tmp_path / "copy.db", iter(range(3)), Path.rename
    backup.backup(store, copy)
    database = file.open_for_writing(store, 5.0)
    add(database, range(1000, 1007))
    database.close()

    def killed(self: Path, target: Path) -> Path:
        if next(steps) == step:
            raise KeyboardInterrupt
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        with contextlib.suppress(KeyboardInterrupt):
            backup.restore(copy, store)
    backup.restore(copy, store)
    assert count(store) == 100
    assert 107 in map(count, tmp_path.glob("spindle.db.before-*"))


def test_a_restore_is_refused_while_a_writer_runs(store: Path, tmp_path: Path) -> None:
    backup.backup(store, tmp_path / "copy.db")
    with file.lock(store), pytest.raises(InUse):
        backup.restore(tmp_path / "copy.db", store)


@pytest.mark.parametrize("content", [b"", b"not a database at all" * 100])
def test_what_is_no_copy_of_a_store_is_refused_and_nothing_changes(
    store: Path, tmp_path: Path, content: bytes
) -> None:
    wrong = tmp_path / "wrong.db"
    wrong.write_bytes(content)
    with pytest.raises(InvalidInput):
        backup.restore(wrong, store)
    assert count(store) == 100


def test_a_backup_overwrites_nothing(store: Path, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("mine")
    with pytest.raises(InvalidInput, match="exists"):
        backup.backup(store, taken)
    assert taken.read_text() == "mine"


def test_another_store_than_sqlite_has_its_own_backup() -> None:
    with pytest.raises(InvalidInput, match="influx backup"):
        backup.path_of_store("influxdb://127.0.0.1:8086/spindle")


def test_store_copy_and_what_is_put_back_are_for_one_user_only(store: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    backup.backup(store, copy)
    backup.restore(copy, store)
    kept = next(tmp_path.glob("spindle.db.before-*"))
    assert {path.stat().st_mode & 0o777 for path in (store, copy, kept)} == {0o600}
