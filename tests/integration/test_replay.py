"""``export`` and ``replay`` as a user types them, on a running writer and its store."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import nats
import pytest

from benchmarks.series import drive_years
from spindle import bus, timestamps
from spindle.settings import Settings, load
from tests.servers import ROOT, Server
from tests.services import ServiceProcess

DAY_NS = 86_400 * timestamps.NS


class World:
    """A writer on a server of its own; the commands beside it."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.database = folder, folder / "spindle.db"
        self.settings = {
            "nats_url": f"nats://127.0.0.1:{port}",
            "store_url": f"sqlite:///{self.database}",
        }
        self.writer = ServiceProcess("writer", folder, **self.settings)

    def run(self, module: str, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        given = {name.upper(): value for name, value in {**self.settings, **more}.items()}
        return subprocess.run(
            [sys.executable, "-m", module, *words],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **given},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    def unread(self, module: str) -> tuple[int, str]:
        """Exit code and complaint of a command whose output nobody reads, as after ``| head``."""
        read, write = os.pipe()
        os.close(read)
        given = {name.upper(): value for name, value in self.settings.items()}
        done = subprocess.run(
            [sys.executable, "-m", module],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **given},
            stdout=write,
            stderr=subprocess.PIPE,
            text=True,
            timeout=100,
            check=False,
        )
        os.close(write)
        return done.returncode, done.stderr

    def replay(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        return self.run("daemon.replay", *words, **more)

    def stored(self, table: str = "points") -> int:
        with sqlite3.connect(self.database) as db:
            return int(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])

    def wait_stored(self, count: int, table: str = "points") -> None:
        deadline = time.monotonic() + 60
        while self.stored(table) != count and time.monotonic() < deadline:
            time.sleep(0.1)
        assert self.stored(table) == count


@pytest.fixture
def world(nats_server: Server, tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, nats_server.port)
    world.writer.start()
    yield world
    world.writer.stop()


def write_series(path: Path, newest_ns: int, count: int = 100) -> None:
    times = (newest_ns - (count - 1 - n) * 60 * timestamps.NS for n in range(count))
    rows = (f"{timestamps.format_ns(each)},{n}.5" for n, each in enumerate(times))
    path.write_text("timestamp,value\n" + "\n".join(rows) + "\n")


def write_day(path: Path, drives: int) -> None:
    """As Backblaze publishes it; one in a thousand fails."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(drive_years.HEADER)
        for n in range(drives):
            raw = dict.fromkeys((1, 4, 7, 10, 12, 187, 192, 193, 197, 198, 199, 241, 242), 0)
            raw |= {9: 20_000 + n, 194: 30 + n % 10, 5: n % 3, 188: 4295032833}
            who = f"ZHZ{n:05d}X", "ST12000NM0008"
            rows.writerow(drive_years.cells_of("2024-03-31", *who, raw, failed=n % 1000 == 7))


def test_what_was_exported_is_replayed_elsewhere_and_again_changes_nothing(world: World) -> None:
    write_series(world.folder / "a.csv", time.time_ns())
    event = {
        "id": "e-1",
        "criticality": 9,
        "timestamp": timestamps.format_ns(time.time_ns() - timestamps.NS),
        "sourceDevice": "DiskUnit",
        "eventType": "DriveFailure",
        "eventMessage": "click",
        "deviceId": "d1",
    }
    (world.folder / "b.jsonl").write_text(json.dumps(event) + "\n")
    done = world.replay("a.csv", "b.jsonl", "device_id=d1", "metric_type=DiskTemp", "array_id=a1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("101 records published, from ")
    world.wait_stored(100)
    world.wait_stored(1, "events")

    done = world.run("reader.export", "device_id=d1", "-o", "out.jsonl")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert done.stderr == "100 readings and 1 events\n"
    lines = [json.loads(line) for line in (world.folder / "out.jsonl").read_text().splitlines()]
    assert len(lines) == 101
    assert lines[-1] == event
    assert [line["value"] for line in lines[:100]] == [n + 0.5 for n in range(100)]
    assert {line["arrayId"] for line in lines[:100]} == {"a1"}
    assert world.run("reader.export", "device_id=d2").stdout == ""
    assert world.unread("reader.export") == (1, "")
    elsewhere = world.folder / "elsewhere"  # whence run.sh was called, which works where .env is
    elsewhere.mkdir()
    done = world.run("reader.export", "-o", "it.jsonl", spindle_called_from=str(elsewhere))
    assert done.returncode == 0, done.stderr
    assert (elsewhere / "it.jsonl").stat().st_size

    done = world.replay("out.jsonl")  # the same content in other messages: the store has it
    assert done.returncode == 0, done.stderr
    done = world.replay("out.jsonl")
    assert "0 records published" in done.stdout
    assert "101 were there already" in done.stdout
    time.sleep(1)
    assert (world.stored(), world.stored("events")) == (100, 1)


def test_what_is_older_than_the_retention_is_said_and_moved_if_that_is_wanted(
    world: World,
) -> None:
    write_series(world.folder / "old.csv", time.time_ns() - 400 * DAY_NS)
    words = ("old.csv", "device_id=d1", "metric_type=DiskTemp")
    done = world.replay(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert "nothing was sent: it begins at " in done.stderr
    assert "the store keeps 168 h; --shift-to-now moves the whole past" in done.stderr
    assert "or set RETENTION_HOURS=9602" in done.stderr
    done = world.replay(*words, retention_hours="1")
    assert done.returncode == 2
    done = world.replay(*words, "--shift-to-now", retention_hours="1")
    assert "it begins at" in done.stderr
    assert "moved, for it lasts 99 min, and the store keeps 1 h; set RETENTION_HOURS" in done.stderr
    done = world.replay(*words, "--shift-to-now")
    assert done.returncode == 0, done.stderr
    world.wait_stored(100)
    with sqlite3.connect(world.database) as db:
        newest = int(db.execute("SELECT max(time_ns) FROM points").fetchone()[0])
    assert abs(time.time_ns() - newest) < 60 * timestamps.NS
    again = world.replay(*words, "--shift-to-now")
    assert "100 were there already" in again.stdout


def test_a_day_of_10_000_drives_is_stored_whole(world: World) -> None:
    write_day(world.folder / "2024-03-31.csv", 10_000)
    done = world.replay("2024-03-31.csv", "--shift-to-now")
    assert done.returncode == 0, done.stderr
    world.wait_stored(10, "events")  # those that failed
    world.wait_stored(140_000)
    asked = "SELECT value FROM device_metrics WHERE device_id = 'ST12000NM0008-ZHZ00005X'"
    with sqlite3.connect(world.database) as db:
        [(drives,)] = db.execute("SELECT count(DISTINCT device_id) FROM series").fetchall()
        [(timeouts,)] = db.execute(f"{asked} AND metric_type = 'CommandTimeouts'").fetchall()
        [(hours,)] = db.execute(f"{asked} AND metric_type = 'PowerOnHours'").fetchall()
    assert (drives, timeouts, hours) == (10_000, 1, 20_005)


async def test_facts_of_the_past_do_not_replace_newer_ones(
    world: World, nats_server: Server
) -> None:
    write_day(world.folder / "2024-03-31.csv", 2)
    client = await nats.connect(f"nats://127.0.0.1:{nats_server.port}")
    await bus.declare(client, load(Settings, **world.settings))
    subject = "events.facts.DiskUnit.ST12000NM0008-ZHZ00001X"
    newer = b'{"timestamp":"2026-01-01T00:00:00Z","sourceDevice":"DiskUnit","firmware":"SN05",'
    newer += b'"deviceId":"ST12000NM0008-ZHZ00001X"}'
    await client.jetstream().publish(subject, newer)
    done = await asyncio.to_thread(world.replay, "2024-03-31.csv", "--shift-to-now")
    assert done.returncode == 0, done.stderr
    bucket = await client.jetstream().key_value("devices")
    assert (await bucket.get("DiskUnit.ST12000NM0008-ZHZ00001X")).value == newer
    other = json.loads((await bucket.get("DiskUnit.ST12000NM0008-ZHZ00000X")).value or b"")
    assert other["timestamp"] == "2024-03-31T00:00:00Z"  # it was so then
    await client.close()


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "time,size\n1,2\n", "a.csv, line 1: the header is 'time,size', expected timest"),
        ("a.csv", "timestamp,value\n1700000000,x\n", "a.csv, line 2: given '1700000000,x', expec"),
        ("a.csv", "timestamp,value\n9e9,1\n", "a.csv, line 2: 2255-03-14T16:00:00Z lies in the f"),
        ("a.csv", "\udcff", "a.csv cannot be read: it is no text in UTF-8"),
        ("a.csv", "timestamp,value\n", "the files hold no readings and no events"),
        ("a.jsonl", '{"value": 1}\n', "a.jsonl, line 1: DeviceMetric: timestamp: missing"),
        ("a.jsonl", "\n{\n", "a.jsonl, line 2: given '{', expected one JSON object"),
        (
            "a.csv",
            "date,serial_number,model,capacity_bytes,failure\n2024-02-31,A,B,1,0\n",
            "a.csv, line 2: the date is '2024-02-31', expected one such as 2024-01-31",
        ),
    ],
)
def test_a_mistake_is_one_sentence_with_its_line_and_nothing_is_sent(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    (tmp_path / name).write_text(text, errors="surrogateescape")
    world = World(tmp_path, 1)  # nobody is there
    done = world.replay(name, "device_id=d", "metric_type=DiskTemp")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1
