"""A writer whose machine's clock is wrong loses nothing, and says so with both times.

The clock is the system's own, moved under the process by libfaketime where that is installed (a
monotonic clock stays right, as on a real machine), else Python's.
"""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import nats
import orjson
import pytest
from nats.aio.client import Client

from spindle import bus, timestamps
from spindle.settings import Settings
from tests.servers import Server
from tests.services import ServiceProcess
from tests.waiting import until

HOUR_SECONDS = 3600
HOUR = HOUR_SECONDS * 10**9
MONTH_HOURS = 720
LIBFAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
_MOVED = """\
import pathlib, runpy, sys, time
from importlib import import_module
if not {real}:
    right, file = time.time_ns, pathlib.Path({file!r})
    time.time_ns = lambda: right() + int(float(file.read_text()) * 10**9)
for module, name, value in {constants!r}:
    setattr(import_module(module), name, value)
sys.argv = [{service!r}]
runpy.run_module({service!r}, run_name="__main__", alter_sys=True)
"""


class Moved(ServiceProcess):
    """A service whose wall clock can be moved while it runs; its monotonic clock is right."""

    def __init__(self, name: str, folder: Path, settings: Settings, **given: object) -> None:
        super().__init__(
            name, folder, nats_url=settings.nats_url, store_url=settings.store, **given
        )
        self.constants = {"spindle.bus.nats_time.EVERY_SECONDS": 0.3}
        self._shift = folder / f"shift of {name}"
        self.move(0)
        if LIBFAKETIME:
            self.settings |= {
                "LD_PRELOAD": str(LIBFAKETIME),
                "FAKETIME_TIMESTAMP_FILE": str(self._shift),
                "FAKETIME_NO_CACHE": "1",
                "DONT_FAKE_MONOTONIC": "1",
            }

    def move(self, hours: float) -> None:
        """Set its clock to so many hours after the right time."""
        beside = self._shift.with_suffix(".new")
        beside.write_text(f"{hours * HOUR_SECONDS:+.0f}")
        beside.replace(self._shift)

    def _command(self) -> list[str]:
        changes = [(*name.rsplit(".", 1), value) for name, value in self.constants.items()]
        moved = _MOVED.format(
            real=LIBFAKETIME is not None,
            file=str(self._shift),
            constants=changes,
            service=self.name,
        )
        return [sys.executable, "-c", moved]

    def part(self, name: str) -> str:
        parts = self.health().get("parts", {})
        assert isinstance(parts, dict)
        return str(parts.get(name, ""))

    async def until(self, holds: Callable[[], bool]) -> None:
        await until(
            lambda: asyncio.to_thread(holds), otherwise=lambda: f"{self.health()}\n{self.said()}"
        )

    async def until_in_doubt(self) -> str:
        await self.until(lambda: self.part("clock") not in {"", "ok"})
        return self.part("clock")


class Writer(Moved):
    """One that expires, and forgets passages, soon."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        rules: dict[str, object] = {"parking_reorder_seconds": 1, "parking_max_stay_hours": 24}
        super().__init__("writer", folder, settings, **rules)
        self.constants["writer.main.EXPIRE_EVERY_SECONDS"] = 0.3
        self.constants["writer.parking.matcher.REMEMBER_SECONDS"] = 3600
        self.store = Path(settings.store.removeprefix("sqlite:///"))

    def in_store(self) -> int:
        with sqlite3.connect(f"file:{self.store}?mode=ro", uri=True) as database:
            (count,) = database.execute("SELECT count(*) FROM device_metrics").fetchone()
        return int(count)

    async def until_stored(self, count: int) -> None:
        await self.until(lambda: self.total("writer_stored_points_total") == count)


class Publisher:
    """One reading of a device of its own each time."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._numbers = itertools.count()

    async def reading(self, time_ns: int, device: str = "") -> None:
        reading = {
            "timestamp": timestamps.format_ns(time_ns),
            "sourceDevice": "DiskUnit",
            "metricType": "Latency",
            "value": 1.0,
            "deviceId": device or f"d{next(self._numbers)}",
            "arrayId": "a1",
        }
        await self.client.publish("events.metrics", orjson.dumps(reading))

    async def parking(self, kind: str, plate: str, time_ns: int) -> None:
        """The same id for the same kind and plate."""
        passage = {"id": f"{kind}-{plate}", "vehicle_plate": plate}
        passage[f"{kind}_date_time"] = timestamps.format_ns(time_ns)
        await self.client.publish(f"parking.{kind}", orjson.dumps(passage))


@pytest.fixture
async def publish(nats_server: Server, settings: Settings) -> AsyncIterator[Publisher]:
    client = await nats.connect(f"nats://127.0.0.1:{nats_server.port}")
    await bus.declare(client, settings)
    yield Publisher(client)
    await client.close()


@pytest.fixture
def writer(tmp_path: Path, settings: Settings) -> Iterator[Writer]:
    writer = Writer(tmp_path, settings)
    yield writer
    writer.stop()


@pytest.mark.parametrize("hours", [-2, MONTH_HOURS], ids=["two hours behind", "30 days ahead"])
@pytest.mark.fault("h1")
async def test_nothing_is_refused_or_deleted_by_a_wrong_clock(
    hours: int, writer: Writer, publish: Publisher
) -> None:
    """Fault h1, and the same with a clock that is behind."""
    now_ns = time.time_ns()
    writer.start()
    for number in range(1_000):
        await publish.reading(now_ns - number * HOUR // 10, "d8")
    await writer.until_stored(1_000)
    writer.stop()
    writer.move(hours)
    writer.start(wait=False)
    for number in range(3):
        await publish.reading(now_ns - number * HOUR)
    said = await writer.until_in_doubt()
    assert timestamps.format_ns(now_ns)[:13] in said.partition("NATS's clock says")[2]
    assert "nothing is refused or deleted by time" in said
    await writer.until_stored(3)
    # One of now, which a store that believed the clock would let drive the others out.
    await publish.reading(now_ns + hours * HOUR)
    await writer.until_stored(4)
    await asyncio.sleep(2)  # some six times the pause between two expiries
    assert writer.total("writer_dead_lettered_points_total") == 0
    assert writer.in_store() == 1_004


@pytest.mark.parametrize("hours", [-2, MONTH_HOURS], ids=["two hours behind", "30 days ahead"])
async def test_an_empty_store_takes_what_is_good_under_a_wrong_clock(
    hours: int, writer: Writer, publish: Publisher
) -> None:
    now_ns = time.time_ns()
    writer.move(hours)
    writer.start(wait=False)
    for number in range(50):
        await publish.reading(now_ns - number * HOUR)
    await writer.until_in_doubt()
    await writer.until_stored(50)
    await asyncio.sleep(1)
    assert writer.total("writer_dead_lettered_points_total") == 0
    assert writer.in_store() == 50


async def test_a_vehicle_inside_stays_so_and_a_repeat_is_known_under_a_wrong_clock(
    writer: Writer, publish: Publisher
) -> None:
    now_ns = time.time_ns()
    writer.start()
    for plate in ("INSIDE", "GONE"):
        await publish.parking("entry", plate, now_ns)
    await publish.parking("exit", "GONE", now_ns + 10**9)
    await writer.until(lambda: writer.total("parking_vehicles_inside") == 1)
    await writer.until_stored(1)  # the visit
    writer.move(MONTH_HOURS)
    await writer.until_in_doubt()
    await publish.parking("entry", "INSIDE", now_ns)
    await publish.parking("exit", "OTHER", now_ns + 10**9)
    await publish.parking("exit", "GONE", now_ns + 10**9)
    await asyncio.sleep(2)
    assert writer.total("parking_vehicles_inside") == 1
    assert writer.total("writer_stored_points_total") == 1
    writer.move(0)
    await writer.until_stored(2)  # the exit without an entry, once it has waited in earnest
    await asyncio.sleep(1)
    assert writer.total("parking_vehicles_inside") == 1
    assert writer.total("writer_stored_points_total") == 2


async def test_a_clock_that_jumps_again_while_it_is_in_doubt_is_doubted_until_it_is_right(
    writer: Writer, publish: Publisher
) -> None:
    now_ns = time.time_ns()
    writer.start()
    for count, hours in enumerate((MONTH_HOURS, -MONTH_HOURS, 2, -2), start=1):
        writer.move(hours)
        await writer.until_in_doubt()
        await publish.reading(now_ns - count * HOUR)
        await writer.until_stored(count)
        await asyncio.sleep(0.7)  # two expiries
        assert writer.part("clock") != "ok"
    writer.move(0)
    await writer.until(lambda: writer.part("clock") == "ok")
    await publish.reading(now_ns - MONTH_HOURS * HOUR)  # too old in earnest
    await writer.until(lambda: writer.total("writer_dead_lettered_points_total") == 1)
    assert writer.in_store() == 4


@pytest.mark.parametrize("hours", [-2, MONTH_HOURS], ids=["two hours behind", "30 days ahead"])
async def test_reader_and_gateway_go_by_nats_time_under_a_wrong_clock_and_say_so(
    hours: int, writer: Writer, publish: Publisher, tmp_path: Path, settings: Settings
) -> None:
    """What is of now is neither old nor from the future, and a visit that ends now is taken."""
    writer.start()
    services = [Moved(name, tmp_path, settings) for name in ("reader", "gateway")]
    try:
        for service in services:
            service.move(hours)
            service.start(wait=False)
        for service in services:
            said = await service.until_in_doubt()
            now = timestamps.format_ns(time.time_ns())[:13]
            assert now in said.partition("NATS's clock says")[2]
        await publish.reading(time.time_ns(), "d8")
        await writer.until_stored(1)
        asked = orjson.dumps({"device_id": "d8"})
        answer = await publish.client.request("reader.device_health", asked, timeout=10)
        judged = orjson.loads(answer.data)["data"]
        assert (judged["health"], judged["reasons"]) == ("ok", [])
        assert await asyncio.to_thread(save_visit, services[1].port) == 202
        for service in services:
            service.move(0)
        for service in services:
            await service.until(lambda service=service: service.part("clock") == "ok")  # type: ignore[misc]
    finally:
        for service in services:
            service.stop()


def save_visit(port: int) -> int:
    """Write down by hand one that ends now; the status."""
    now_ns = time.time_ns()
    visit = {
        "vehicle_plate": "P-1",
        "entry_date_time": timestamps.format_ns(now_ns - HOUR),
        "exit_date_time": timestamps.format_ns(now_ns),
        "duration_seconds": 3600,
    }
    kind = {"Content-Type": "application/json"}
    url = f"http://127.0.0.1:{port}/save_summary"
    request = urllib.request.Request(url, orjson.dumps(visit), kind)
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        return int(error.code)
