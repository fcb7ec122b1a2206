"""What is particular to the SQLite store: its one writer, its file, its retention."""

# ruff: noqa: ASYNC220, ASYNC240 - small files and one process, in tests
from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from spindle import timestamps
from spindle.errors import BatchRefused, InUse, StoreDenied, StoreUnavailable
from spindle.settings import Settings, load
from spindle.store.base import EventRow, Point, Selection, Series, VisitRow
from spindle.store.sqlite.file import Mark
from spindle.store.sqlite.schema import VERSION
from spindle.store.sqlite.store import SqliteStore
from tests.servers import ROOT
from tests.stored import counts

HOUR = 3600 * 10**9
NOW = time.time_ns()
TEMP = Series("DiskUnit", "DiskTemp", "disk-1", "array-1")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "spindle.db"


def store(file: Path, *, writing: bool = True, **given: object) -> SqliteStore:
    settings = load(Settings, store_url=f"sqlite:///{file}", **given)
    return SqliteStore(settings, writing=writing)


def clocked(file: Path, now_ns: Callable[[], int | None]) -> SqliteStore:
    """A writing store that goes by this time."""
    return SqliteStore(load(Settings, store_url=f"sqlite:///{file}"), writing=True, now_ns=now_ns)


def event(n: int, time_ns: int = NOW) -> EventRow:
    return EventRow(time_ns, f"e{n}", "DiskUnit", "DriveFailure", "disk-1", "", 5, "")


@contextlib.contextmanager
def shell(file: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as db:
        yield db


def test_a_url_names_a_relative_or_an_absolute_file(tmp_path: Path) -> None:
    for url, path in (
        ("sqlite:///a/b.db", Path("a/b.db")),
        (f"sqlite:///{tmp_path}/c.db", tmp_path / "c.db"),
    ):
        assert SqliteStore(load(Settings, store_url=url)).path == path


async def test_a_second_writer_of_the_same_file_is_told_who_has_it(file: Path) -> None:
    first, second = store(file), store(file)
    await first.prepare()
    with pytest.raises(InUse, match=f"pid {os.getpid()}"):
        await second.prepare()
    await first.write_points([(TEMP, NOW, 1.0)])
    await first.close()
    await second.prepare()  # the lock went with the first
    assert (await counts(second))["device_metrics"] == 1
    await second.close()


async def test_a_writer_that_was_killed_leaves_no_lock_behind(file: Path) -> None:
    program = (
        "import sys, time; from spindle.store.sqlite.file import lock; from pathlib import Path\n"
        "held = lock(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", program, str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as holder:
        assert holder.stdout is not None
        await asyncio.to_thread(holder.stdout.readline)
        one = store(file)
        with pytest.raises(InUse, match=f"pid {holder.pid}"):
            await one.prepare()
        holder.kill()
        holder.wait()
        await one.prepare()
        await one.close()


async def test_a_reader_that_comes_before_the_writer_waits_and_makes_no_file(file: Path) -> None:
    reader = store(file, writing=False)
    for ask in (reader.prepare, reader.ping, partial(counts, reader)):
        with pytest.raises(StoreUnavailable, match="does not exist yet"):
            await ask()
    assert list(file.parent.iterdir()) == []
    file.touch()
    with pytest.raises(StoreUnavailable, match="has no tables yet"):
        await reader.prepare()
    writer = store(file)
    await writer.prepare()
    await reader.prepare()
    assert (await counts(reader))["events"] == 0
    await writer.close()
    assert (await counts(reader))["events"] == 0  # and goes on after it
    await reader.close()


async def test_a_reader_cannot_write(file: Path) -> None:
    writer, reader = store(file), store(file, writing=False)
    await writer.prepare()
    with pytest.raises(StoreDenied):
        await reader.write_points([(TEMP, NOW, 1.0)])
    with pytest.raises(StoreDenied, match="readonly"):
        await reader._read(lambda db: db.execute("DELETE FROM points"))  # the connection refuses
    await writer.close()
    await reader.close()


async def test_a_commit_is_on_the_disk_before_a_write_returns(file: Path) -> None:
    writer = store(file)
    await writer.prepare()

    def pragmas() -> list[object]:
        assert writer._writing is not None
        db = writer._writing.open()
        return [
            db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")
        ]

    assert await writer._write(pragmas) == ["wal", 2]  # 2 is FULL
    await writer.close()


async def test_people_see_the_promised_names_and_times(file: Path) -> None:
    writer = store(file, retention_hours=0)
    await writer.prepare()
    at = 1_769_860_800_000_000_042
    await writer.write_points([(TEMP, at, 41.5)])
    await writer.write_events([event(1, at)])
    with shell(file) as db:
        metrics = "time, source_device, metric_type, device_id, array_id, value"
        assert db.execute(f"SELECT {metrics} FROM device_metrics").fetchall() == [
            ("2026-01-31T12:00:00.000000042Z", "DiskUnit", "DiskTemp", "disk-1", "array-1", 41.5)
        ]
        events = "time, source_device, event_type, device_id, event_id, criticality, event_message"
        assert db.execute(f"SELECT {events} FROM events").fetchall() == [
            ("2026-01-31T12:00:00.000000042Z", "DiskUnit", "DriveFailure", "disk-1", "e1", 5, "")
        ]
    await writer.close()


async def filled(file: Path, points: list[Point], events: list[EventRow]) -> None:
    """A file that was written by a store without a retention."""
    writer = store(file, retention_hours=0)
    await writer.prepare()
    await writer.write_points(points)
    await writer.write_events(events)
    await writer.close()


async def test_retention_deletes_what_is_older_and_nothing_else(file: Path) -> None:
    gone = Series("DiskUnit", "DiskTemp", "gone", "")
    old = [(s, NOW - HOUR - n, 1.0) for s in (TEMP, gone) for n in range(1, 6_000)]
    kept = [(TEMP, NOW - HOUR + n, 2.0) for n in range(100)]
    events = [event(n, NOW - HOUR - 1 - n) for n in range(6_000)] + [event(-1)]
    await filled(file, old + kept, events)
    writer = store(file, retention_hours=1)
    deleted = await writer.expire(NOW)
    assert deleted == len(old) + 6_000
    assert await counts(writer) == {"device_metrics": 100, "events": 1}
    assert [item.device_id for item in await writer.latest(Selection(), 0)] == ["disk-1"]
    assert await writer.expire(NOW) == 0
    await writer.write_points([(gone, NOW, 3.0), (TEMP, NOW, 3.0)])  # as a new series
    latest = {item.device_id: item.value for item in await writer.latest(Selection(), 0)}
    assert latest == {"disk-1": 3.0, "gone": 3.0}
    await writer.close()


async def test_retention_takes_turns_with_writes(file: Path) -> None:
    await filled(file, [(TEMP, NOW - 2 * HOUR - n, 1.0) for n in range(60_000)], [event(1)])
    writer = store(file, retention_hours=1)
    expiring = asyncio.create_task(writer.expire(NOW), name="expire")
    await asyncio.sleep(0)
    await writer.write_points([(TEMP, NOW, 1.0)])
    assert not expiring.done()  # the write did not wait for the end of it
    assert await expiring == 60_000
    assert (await counts(writer))["device_metrics"] == 1
    await writer.close()


@pytest.mark.fault("10")
async def test_what_is_older_than_the_retention_is_refused_at_once(file: Path) -> None:
    writer = store(file)
    week, row = 168 * HOUR, ("DiskUnit", "DriveFailure", "d", "", 5, "")
    for old in (1, NOW - week - 60 * 10**9):
        for write in (
            writer.write_points([(TEMP, NOW, 1.0), (TEMP, old, 1.0)]),
            writer.write_events([EventRow(old, "id", *row)]),
            writer.write_visits([VisitRow(old, "id", "AB 1", "lot", "matched", None)]),
        ):
            with pytest.raises(BatchRefused, match=r"^expired: .* is older than the retention"):
                await write
    await writer.write_points([(TEMP, NOW, 1.0), (TEMP, NOW - week + 3600 * 10**9, 1.0)])
    assert await writer.expire(NOW) == 0
    assert await counts(writer) == {"device_metrics": 2, "events": 0}
    await writer.close()


async def test_a_wild_clock_deletes_and_refuses_nothing(file: Path) -> None:
    await filled(file, [(TEMP, NOW - n * HOUR, 1.0) for n in range(150)], [event(1)])
    month = NOW + 30 * 24 * HOUR
    writer = clocked(file, lambda: month)
    both = f"{timestamps.format_ns(month)}.*{timestamps.format_ns(NOW)}"
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match=f"^expiry waits for newer readings: .*{both}"):
            await writer.expire(month)
    await writer.write_points([(TEMP, NOW + 1, 1.0)])
    assert await writer.expire(NOW + 1) == 0
    assert (await counts(writer))["device_metrics"] == 151
    await writer.close()


async def test_an_empty_store_whose_clock_is_in_doubt_refuses_nothing_as_too_old(
    file: Path,
) -> None:
    believed: list[int | None] = [None]
    writer = clocked(file, lambda: believed[0])
    await writer.write_points([(TEMP, NOW - 720 * HOUR, 1.0)])
    assert (await counts(writer))["device_metrics"] == 1
    believed[0] = NOW
    with pytest.raises(BatchRefused, match=r"^expired"):
        await writer.write_points([(TEMP, NOW - 720 * HOUR, 1.0), (TEMP, NOW, 1.0)])
    await writer.close()


@pytest.mark.fault("h2")
async def test_a_file_cut_short_under_the_writer_is_noticed_before_anything_more_is_stored(
    file: Path,
) -> None:
    writer, reader = store(file), store(file, writing=False)
    await writer.prepare()
    batch = [(TEMP, NOW + n, 1.0) for n in range(20_000)]
    await writer.write_points(batch)
    assert (await counts(reader))["device_metrics"] == 20_000
    await asyncio.to_thread(checkpoint, file)
    await writer.write_points(batch)
    os.truncate(file, 0)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match=r"was cut short by another program.*remove it"):
            await writer.write_points(batch)
    with pytest.raises(StoreUnavailable, match="was cut short"):
        await counts(reader)
    for suffix in ("", "-wal", "-shm"):
        Path(f"{file}{suffix}").unlink(missing_ok=True)
    with pytest.raises(StoreUnavailable, match="was removed or replaced"):
        await writer.write_points(batch)
    await writer.write_points(batch)
    assert (await counts(reader))["device_metrics"] == 20_000
    await writer.close()
    await reader.close()


@pytest.mark.parametrize("ends", [("-wal",), ("-shm",), ("-wal", "-shm")])
async def test_a_log_removed_under_the_writer_loses_nothing_and_is_said(
    file: Path, ends: tuple[str, ...]
) -> None:
    writer, reader = store(file), store(file, writing=False)
    await writer.prepare()
    await writer.write_points([(TEMP, NOW + n, 1.0) for n in range(20_000)])
    assert (await counts(reader))["device_metrics"] == 20_000
    for end in ends:
        Path(f"{file}{end}").unlink()
    later = [(TEMP, NOW - n, 1.0) for n in range(1, 11)]
    with pytest.raises(StoreUnavailable, match=r"-wal or -shm .* was removed or replaced"):
        await writer.write_points(later)
    assert copied(file) == 20_000
    await writer.write_points(later)
    assert (await counts(reader))["device_metrics"] == 20_010
    await writer.close()
    await reader.close()


async def test_a_file_moved_under_the_writer_takes_along_what_is_in_its_log(file: Path) -> None:
    writer, reader = store(file), store(file, writing=False)
    await writer.prepare()
    await writer.write_points([(TEMP, NOW + n, 1.0) for n in range(20_000)])
    assert (await counts(reader))["device_metrics"] == 20_000
    aside = file.rename(file.with_name("aside.db"))
    with pytest.raises(StoreUnavailable, match="was removed or replaced"):
        await writer.write_points([(TEMP, NOW - 1, 1.0)])
    await writer.write_points([(TEMP, NOW - 1, 1.0)])
    assert (await counts(writer))["device_metrics"] == 1
    await writer.close()
    await reader.close()
    assert copied(aside) == 20_000


async def test_a_file_put_over_that_of_the_writer_is_not_mixed_with_its_log(file: Path) -> None:
    other = store(file.with_name("other.db"))
    await other.prepare()
    await other.write_points([(TEMP, NOW - n, 2.0) for n in range(1, 4)])
    await other.close()
    writer, reader = store(file), store(file, writing=False)
    await writer.prepare()
    await writer.write_points([(TEMP, NOW + n, 1.0) for n in range(20_000)])
    assert (await counts(reader))["device_metrics"] == 20_000
    file.with_name("other.db").replace(file)
    with pytest.raises(StoreUnavailable, match="the log of the file before lies beside it"):
        await counts(reader)
    with pytest.raises(StoreUnavailable, match="was removed or replaced"):
        await writer.write_points([(TEMP, NOW - 4, 1.0)])
    await writer.write_points([(TEMP, NOW - 4, 1.0)])
    assert (await counts(writer))["device_metrics"] == 4
    assert (await counts(reader))["device_metrics"] == 4
    await writer.close()
    await reader.close()


@pytest.mark.parametrize("left", [0.0, 0.5])
async def test_a_log_cut_short_under_the_writer_is_noticed_and_damages_nothing(
    file: Path, left: float
) -> None:
    writer = store(file)
    await writer.prepare()
    await writer.write_points([(TEMP, NOW, 1.0)])
    await asyncio.to_thread(checkpoint, file)
    batch = [(TEMP, NOW + n, 1.0) for n in range(1, 20_000)]
    await writer.write_points(batch)
    log = Path(f"{file}-wal")
    os.truncate(log, int(log.stat().st_size * left))
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match=r"-wal was cut short .*remove"):
            await writer.write_points(batch)
    for end in ("", "-wal", "-shm"):
        Path(f"{file}{end}").rename(f"{file.with_name('aside.db')}{end}")
    with pytest.raises(StoreUnavailable, match="was removed or replaced"):
        await writer.write_points(batch)
    await writer.write_points(batch)
    assert (await counts(writer))["device_metrics"] == len(batch)
    await writer.close()
    for end in ("", "-wal"):  # what another process finds there: to this one it is still open
        shutil.copy(f"{file.with_name('aside.db')}{end}", f"{file.with_name('found.db')}{end}")
    again = store(file.with_name("found.db"))
    await again.prepare()
    assert (await counts(again))["device_metrics"] >= 1
    await again.write_points(batch)
    assert (await counts(again))["device_metrics"] == 20_000
    await again.close()


async def test_another_programs_checkpoint_cuts_the_log_and_is_no_harm(file: Path) -> None:
    writer = store(file)
    await writer.prepare()
    await writer.write_points([(TEMP, NOW + n, 1.0) for n in range(20_000)])
    await asyncio.to_thread(checkpoint, file, "TRUNCATE")
    await writer.write_points([(TEMP, NOW - 1, 1.0)])
    assert (await counts(writer))["device_metrics"] == 20_001
    await writer.close()


async def test_a_file_removed_the_moment_it_was_opened_is_opened_anew(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = store(file)
    real = Mark.of
    monkeypatch.setattr(Mark, "of", lambda path: path.unlink(missing_ok=True))
    await writer.prepare()
    monkeypatch.setattr(Mark, "of", real)
    with pytest.raises(StoreUnavailable, match="was removed or replaced"):
        await writer.write_points([(TEMP, NOW, 1.0)])
    await writer.write_points([(TEMP, NOW, 1.0)])
    assert (await counts(writer))["device_metrics"] == 1
    await writer.close()


def copied(path: Path) -> int:
    """How many readings are in the file itself, without what its log holds."""
    alone = path.with_name("alone.db")
    shutil.copy(path, alone)
    with contextlib.closing(sqlite3.connect(alone)) as db:
        return int(db.execute("SELECT count(*) FROM points").fetchone()[0])


async def test_a_file_damaged_under_the_writer_is_named_and_one_merely_touched_is_used(
    file: Path,
) -> None:
    writer = store(file)
    await writer.prepare()
    batch = [(TEMP, NOW + n, 1.0) for n in range(20_000)]
    await writer.write_points(batch)
    await asyncio.to_thread(checkpoint, file)
    await writer.write_points(batch[:1])
    os.utime(file)
    await writer.write_points(batch[:1])
    with file.open("r+b") as handle:
        handle.seek(4096 * 4)
        handle.write(b"\xff" * 4096 * 20)
    with pytest.raises(StoreDenied, match="damaged"):
        await writer.write_points(batch)
    await writer.close()


def checkpoint(path: Path, how: str = "FULL") -> None:
    """Copy the log into the file, as the writer does after some thousand pages."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA wal_checkpoint({how})")


async def test_retention_of_nought_hours_keeps_everything(file: Path) -> None:
    writer = store(file, retention_hours=0)
    await writer.prepare()
    await writer.write_points([(TEMP, 1, 1.0)])
    assert await writer.expire(NOW) == 0
    assert (await counts(writer))["device_metrics"] == 1
    await writer.close()


async def test_a_full_disk_keeps_the_batch_for_another_try(file: Path) -> None:
    writer = store(file)
    await writer.prepare()

    def limit(pages: int) -> None:
        assert writer._writing is not None
        writer._writing.open().execute(f"PRAGMA max_page_count = {pages}")

    await writer._write(limit, 20)
    batch = [(TEMP, NOW + n, 1.0) for n in range(20_000)]
    with pytest.raises(StoreUnavailable, match="disk is full"):
        await writer.write_points(batch)
    assert (await counts(writer))["device_metrics"] == 0
    await writer._write(limit, 1_000_000)
    await writer.write_points(batch)
    assert (await counts(writer))["device_metrics"] == 20_000
    await writer.close()


async def test_another_programs_lock_is_waited_for_and_then_named(file: Path) -> None:
    writer = store(file, store_timeout_seconds=1)
    await writer.prepare()
    with shell(file) as db:
        db.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked by another program"):
            await writer.write_points([(TEMP, NOW, 1.0)])
        db.execute("ROLLBACK")
    await writer.write_points([(TEMP, NOW, 1.0)])
    await writer.close()


async def test_a_slow_question_holds_up_neither_a_write_nor_another_question(file: Path) -> None:
    writer, reader = store(file), store(file, writing=False)
    await writer.prepare()
    released = threading.Event()

    def slow(db: sqlite3.Connection) -> object:
        db.create_function("wait", 0, released.wait)
        return db.execute("SELECT wait()").fetchone()

    waiting = asyncio.create_task(reader._read(slow), name="slow")
    await asyncio.sleep(0)
    await writer.write_points([(TEMP, NOW, 1.0)])
    assert len(await reader.latest(Selection(), 0)) == 1
    assert not waiting.done()
    released.set()
    await waiting
    await writer.close()
    await reader.close()


async def test_a_question_ends_at_the_time_limit_and_the_next_is_answered(file: Path) -> None:
    writer, reader = store(file), store(file, writing=False, store_timeout_seconds=2)
    await writer.prepare()
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    with pytest.raises(StoreUnavailable, match="STORE_TIMEOUT_SECONDS"):
        await reader._read(lambda db: db.execute(endless).fetchone())
    assert await reader.latest(Selection(), 0) == []
    await writer.close()
    await reader.close()


async def test_a_file_that_is_replaced_under_writer_and_reader_is_opened_anew(file: Path) -> None:
    writer, reader = store(file), store(file, writing=False)
    await writer.prepare()
    await writer.write_points([(TEMP, NOW, 1.0)])
    assert (await counts(reader))["device_metrics"] == 1
    for suffix in ("", "-wal", "-shm"):
        Path(f"{file}{suffix}").unlink(missing_ok=True)
    with pytest.raises(StoreUnavailable):
        await counts(reader)
    later = [(TEMP, NOW + 1, 1.0), (TEMP, NOW + 2, 1.0)]
    with pytest.raises(StoreUnavailable, match="was removed or replaced"):
        await writer.write_points(later)  # said once, and the batch is kept
    await writer.write_points(later)
    assert (await counts(reader))["device_metrics"] == 2
    await writer.close()
    await reader.close()


async def test_a_file_that_is_no_database_is_left_alone_and_named(file: Path) -> None:
    file.write_bytes(b"precious notes, not a database" * 100)
    for one in (store(file), store(file, writing=False)):
        with pytest.raises(StoreDenied, match="no SQLite file"):
            await one.prepare()
        await one.close()
    assert file.read_bytes().startswith(b"precious notes")


async def test_a_file_of_a_later_version_is_refused(file: Path) -> None:
    with shell(file) as db:
        db.execute(f"PRAGMA user_version = {VERSION + 1}")
    for one in (store(file), store(file, writing=False)):
        with pytest.raises(StoreDenied, match="later Spindle"):
            await one.prepare()
        await one.close()


async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("a file, not a folder")
    one = store(tmp_path / "notes" / "spindle.db")
    with pytest.raises(StoreDenied, match="cannot be used"):
        await one.prepare()
    await one.close()


async def test_a_time_that_does_not_fit_is_refused_whole(file: Path) -> None:
    from spindle.errors import BatchRefused

    writer = store(file)
    await writer.prepare()
    with pytest.raises(BatchRefused):
        await writer.write_points([(TEMP, NOW, 1.0), (TEMP, 2**63, 1.0)])
    assert (await counts(writer))["device_metrics"] == 0
    assert await writer.latest(Selection(), 0) == []
    await writer.write_points([(TEMP, NOW, 1.0)])  # the series id of the refused batch is void
    assert len(await writer.latest(Selection(), 0)) == 1
    await writer.close()


@pytest.mark.parametrize(("made", "becomes"), [(0o644, 0o600), (0o666, 0o600), (0o640, 0o640)])
async def test_a_file_that_everybody_may_read_becomes_its_users_alone(
    file: Path, made: int, becomes: int
) -> None:
    """An older Spindle made it so; who shares it with a group did that on purpose."""
    file.touch()
    file.chmod(made)
    opened = store(file)
    await opened.prepare()
    beside = list(file.parent.glob("spindle.db-*"))
    assert {each.stat().st_mode & 0o777 for each in (file, *beside)} == {becomes}
    await opened.close()
