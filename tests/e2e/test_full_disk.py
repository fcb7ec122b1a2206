"""NATS and the store on a disk that is full: ``repair`` and ``restart`` lead out of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import nats
import orjson
import pytest

from spindle import timestamps
from tests.e2e.test_run_local import Checkout, _checkout

POINTS = 500  # of an envelope
pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 96 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("a small file system can be mounted by root on Linux alone: run it as root")
    if not mounted(folder, "size=96m"):
        pytest.skip("mounting a tmpfs is not permitted here: run it as root, in no container")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def mounted(folder: Path, options: str) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", options, "spindle-test", str(folder)]
    return subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0


@pytest.fixture
def checkout(tmp_path: Path, disk: Path) -> Iterator[Checkout]:
    made = _checkout(tmp_path / "checkout")
    made.environment |= {"SPINDLE_HOME": str(disk / "home"), "DAEMON_SOURCES": "parking"}
    yield made
    made.run("stop")


async def publish_until_full(checkout: Checkout) -> int:
    """Envelopes that NATS acknowledged."""
    client = await nats.connect(f"nats://127.0.0.1:{checkout.environment['NATS_PORT']}")
    js, now_ns, taken, failed = client.jetstream(timeout=3), time.time_ns(), 0, 0
    while failed < 3:
        envelope = [
            {
                "timestamp": timestamps.format_ns(now_ns - taken * 10**6),
                "sourceDevice": "DiskUnit",
                "metricType": "Latency",
                "value": 1.5,
                "deviceId": f"f{number}",
            }
            for number in range(POINTS)
        ]
        try:
            await js.publish("events.metrics", orjson.dumps(envelope))
            taken, failed = taken + 1, 0
        except nats.errors.Error:
            failed += 1
            await asyncio.sleep(0.2)
    await client.close()
    return taken


def until_healthy(checkout: Checkout) -> None:
    deadline = time.monotonic() + 60
    while ill := {n: r["health"] for n, r in checkout.status().items() if r["health"] != "ok"}:
        assert time.monotonic() < deadline, ill
        time.sleep(1)


def fill(file: Path) -> None:
    """Until the disk has no room for another byte."""
    with file.open("ab", buffering=0) as ballast, pytest.raises(OSError, match="No space"):
        while True:
            ballast.write(bytes(2**12))


def stored(disk: Path) -> int:
    """Readings of one device: as many as envelopes."""
    file = f"file:{disk}/home/spindle.db?mode=ro"
    with contextlib.closing(sqlite3.connect(file, uri=True)) as database:
        of = "device_id = 'f7' AND metric_type = 'Latency'"
        query = f"SELECT count(*) FROM device_metrics WHERE {of}"
        return int(database.execute(query).fetchone()[0])


@pytest.mark.parametrize("way_out", ["repair", "enlarged and restart"])
@pytest.mark.fault("h9")
def test_a_full_disk_of_nats_is_led_out_of_and_nothing_acknowledged_is_lost(
    checkout: Checkout, disk: Path, way_out: str
) -> None:
    """Fault h9."""
    started = checkout.run("start")
    assert started.returncode == 0, started.stderr
    config = (disk / "home" / "run" / "nats-server.conf").read_text()
    queues = int((disk / "home" / "run" / "nats-room").read_text())
    assert queues < 48 * 2**20, config
    taken = asyncio.run(publish_until_full(checkout))
    assert taken > 100
    ballast = disk / "ballast"
    fill(ballast)
    asyncio.run(publish_until_full(checkout))
    rows = checkout.status()
    assert re.search("no space|disk is full", str({n: r["health"] for n, r in rows.items()}))
    if way_out.startswith("enlarged"):
        (disk / "home" / "kept-aside").unlink()  # a disk so full that it was given up before
        fill(ballast)
        refused = checkout.run("repair")
        assert refused.returncode == 1
        assert re.search(r"disk of .* is full .*make room, or enlarge it, then", refused.stderr)
        assert mounted(disk, "remount,size=300m")
    led = checkout.run(way_out.rsplit(maxsplit=1)[-1])
    assert led.returncode == 0, led.stderr + led.stdout
    until_healthy(checkout)
    deadline = time.monotonic() + 60
    while stored(disk) < taken:
        assert time.monotonic() < deadline, f"{stored(disk)} of {taken}"
        time.sleep(1)
    assert stored(disk) <= taken + 1  # the one whose acknowledgement did not come
    assert checkout.query("ledger")["adds_up"]
