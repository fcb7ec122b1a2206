"""A writer whose machine's clock is wrong loses nothing, and says so with both times."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path

import nats
import orjson
import pytest

from spindle import bus, timestamps
from spindle.settings import Settings
from tests.servers import Server
from tests.services import ServiceProcess

HOUR = 3600 * 10**9
_SHIFTED = """\
import runpy, sys, time
right = time.time_ns
time.time_ns = lambda: right() + ({shift})
import writer.main
writer.main.EXPIRE_EVERY_SECONDS = 0.3
sys.argv = ["writer"]
runpy.run_module("writer", run_name="__main__", alter_sys=True)
"""


class Shifted(ServiceProcess):
    """A writer whose wall clock is wrong; its monotonic clock is right."""

    shift_ns = 0

    def _command(self) -> list[str]:
        return [sys.executable, "-c", _SHIFTED.format(shift=self.shift_ns)]

    def part(self, name: str) -> str:
        parts = self.health().get("parts", {})
        assert isinstance(parts, dict)
        return str(parts.get(name, ""))


def reading(device: str, time_ns: int) -> bytes:
    return orjson.dumps(
        {
            "timestamp": timestamps.format_ns(time_ns),
            "sourceDevice": "DiskUnit",
            "metricType": "Latency",
            "value": 1.0,
            "deviceId": device,
            "arrayId": "a1",
        }
    )


def stored(settings: Settings) -> int:
    path = settings.store.removeprefix("sqlite:///")
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        (count,) = database.execute("SELECT count(*) FROM device_metrics").fetchone()
    return int(count)


async def until(holds: Callable[[], bool], writer: ServiceProcess) -> None:
    deadline = time.monotonic() + 30
    while not await asyncio.to_thread(holds):
        assert time.monotonic() < deadline, f"{writer.health()}\n{writer.tail()}"
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("hours", [-2, 720], ids=["two hours behind", "30 days ahead"])
async def test_nothing_is_refused_or_deleted_by_a_wrong_clock(
    hours: int, nats_server: Server, settings: Settings, tmp_path: Path
) -> None:
    client = await nats.connect(f"nats://127.0.0.1:{nats_server.port}")
    await bus.declare(client, settings)
    writer = Shifted("writer", tmp_path, nats_url=settings.nats_url, store_url=settings.store)
    now_ns = time.time_ns()
    writer.start()
    try:
        await client.publish("events.metrics", reading("d8", now_ns))
        await until(lambda: writer.total("writer_stored_points_total") == 1, writer)
    finally:
        writer.stop()
    writer.shift_ns = hours * HOUR
    writer.start(wait=False)
    try:
        for number in range(3):
            await client.publish("events.metrics", reading(f"d{number}", now_ns - number * HOUR))
        await until(lambda: writer.part("clock") not in {"", "ok"}, writer)
        said = writer.part("clock")
        assert timestamps.format_ns(now_ns)[:13] in said.partition("NATS's clock says")[2]
        assert "nothing is refused or deleted by time" in said
        await until(lambda: writer.total("writer_stored_points_total") == 3, writer)
        # One of now, which a store that believed the clock would let drive the others out.
        await client.publish("events.metrics", reading("d9", now_ns + writer.shift_ns))
        await until(lambda: writer.total("writer_stored_points_total") == 4, writer)
        await asyncio.sleep(2)  # some six times the pause between two expiries
        assert writer.total("writer_dead_lettered_points_total") == 0
        assert stored(settings) == 5
    finally:
        writer.stop()
        await client.close()
