"""Questions about health: how long they take, of how many devices, for how many clients."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import nats
import orjson
from nats.aio.client import Client
from rich.progress import Progress
from rich.table import Table

from benchmarks.reader.fleet import MINUTE, WEEK_SECONDS, device_id, fill
from spindle.settings import Settings, load
from spindle.store.base import Selection
from spindle.store.registry import open_store
from spindle.timestamps import NS
from tests import servers
from tests.services import ServiceProcess

DAY_NS = 86_400 * NS
FLEET_QUESTIONS = 5


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    :ivar every: seconds between two readings of a series but in the last hour, when it is a minute.
    :ivar fleet: devices of the second measurement.
    :ivar seconds: how long clients ask.
    """

    devices: int
    every: int
    fleet: int
    clients: int
    seconds: float


@dataclass(frozen=True)
class Result:
    """Milliseconds, but for counts and rates.

    :ivar paced: each client asks once a second; ``busy``: each asks again at once.
    :ivar fleet_median: with the watch on, as it is by default; ``fleet_store``: without it.
    :ivar bare: one store query for the same device's readings, from as many clients at once.
    """

    store: str
    points: int
    paced_p50: float
    paced_p99: float
    busy_p50: float
    busy_p99: float
    busy_per_second: float
    bare_p50: float
    bare_p99: float
    asked: int
    answered: int
    fleet_devices: int
    fleet_store_median: float
    fleet_store_worst: float
    fleet_median: float
    fleet_worst: float

    def line(self) -> str:
        """One JSON line."""
        return orjson.dumps(
            {k: round(v, 2) if isinstance(v, float) else v for k, v in asdict(self).items()}
        ).decode()


async def run(stores: list[str], sizes: Sizes, progress: Progress) -> list[Result]:
    """Measure the named stores with the reader's default settings, but for its cache."""
    results = []
    with tempfile.TemporaryDirectory(prefix="spindle-bench-") as scratch:
        folder = Path(scratch)
        for store in stores:
            if store == "sqlite":
                urls = [f"sqlite:///{folder}/{name}.db" for name in ("week", "fleet")]
                results.append(await _one(store, urls, folder, sizes, progress))
                continue
            with servers.running(servers.influxd(folder / "influxd")) as server:
                urls = [f"influxdb://127.0.0.1:{server.port}/{name}" for name in ("week", "fleet")]
                results.append(await _one(store, urls, folder, sizes, progress))
    return results


async def _one(
    name: str, urls: list[str], folder: Path, sizes: Sizes, progress: Progress
) -> Result:
    week, fleet = urls
    points = await fill(week, sizes.devices, WEEK_SECONDS, sizes.every, progress)
    await fill(fleet, sizes.fleet, 10 * MINUTE, MINUTE, progress)
    with servers.running(servers.nats_server(folder / f"nats-{name}")) as server:
        bare = await _bare(week, sizes)
        async with _Asking(server, week, folder / f"{name}-week") as asking:
            paced = await asking.devices(sizes, pause=1.0)
            busy = await asking.devices(sizes, pause=0.0)
        async with _Asking(server, fleet, folder / f"{name}-fleet") as asking:
            cold = await asking.fleet(sizes.fleet)
        async with _Asking(server, fleet, folder / f"{name}-watch", watch=True) as asking:
            looks = await asking.fleet(sizes.fleet, wait=10.0)
    return Result(
        name,
        points,
        paced.at(0.5),
        paced.at(0.99),
        busy.at(0.5),
        busy.at(0.99),
        busy.answered / sizes.seconds,
        bare.at(0.5),
        bare.at(0.99),
        paced.asked + busy.asked,
        paced.answered + busy.answered,
        sizes.fleet,
        cold.at(0.5),
        cold.at(1.0),
        looks.at(0.5),
        looks.at(1.0),
    )


class Times:
    """How long each question took, in seconds."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.asked = 0

    @property
    def answered(self) -> int:
        return len(self.seconds)

    def at(self, share: float) -> float:
        """Milliseconds within which this share of the questions was answered."""
        ordered = sorted(self.seconds) or [float("nan")]
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


async def _clients(sizes: Sizes, pause: float, ask: Callable[[str], Awaitable[None]]) -> Times:
    """So many clients ask about random devices for so long."""
    times, end = Times(), time.monotonic() + sizes.seconds
    rng = random.Random(1)

    async def client() -> None:
        await asyncio.sleep(rng.random() * pause)
        while (started := time.monotonic()) < end:
            times.asked += 1
            await ask(device_id(rng.randrange(sizes.devices)))
            took = time.monotonic() - started
            times.seconds.append(took)
            if pause:
                await asyncio.sleep(max(0.0, pause - took))

    async with asyncio.TaskGroup() as tasks:
        for number in range(sizes.clients):
            tasks.create_task(client(), name=f"client {number}")
    return times


async def _bare(url: str, sizes: Sizes) -> Times:
    store = open_store(load(Settings, store_url=url))

    async def ask(device: str) -> None:
        await store.latest(Selection(device_id=device), time.time_ns() - DAY_NS)

    await store.prepare()
    times = await _clients(sizes, 0.0, ask)
    await store.close()
    return times


class _Asking:
    """A reader process on a store, and a connection to ask it."""

    def __init__(
        self, server: servers.Server, store_url: str, folder: Path, *, watch: bool = False
    ) -> None:
        self._nats = f"nats://127.0.0.1:{server.port}"
        self._reader = ServiceProcess(
            "reader",
            folder,
            nats_url=self._nats,
            store_url=store_url,
            reader_watch=watch,
            reader_query_timeout_seconds=60,
        )
        self._reader.module = "benchmarks.reader.uncached"
        self._client: Client

    async def __aenter__(self) -> _Asking:
        self._reader.start()
        self._client = await nats.connect(self._nats)
        while True:
            try:
                await self._ask("devices", {"limit": 1})
            except (nats.errors.Error, AssertionError):
                await asyncio.sleep(0.1)
            else:
                return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()
        self._reader.stop()

    async def _ask(self, name: str, params: dict[str, Any]) -> dict[str, Any]:
        message = await self._client.request(f"reader.{name}", orjson.dumps(params), timeout=60)
        reply: dict[str, Any] = orjson.loads(message.data)
        assert reply["status"] == "success", reply
        return reply

    async def devices(self, sizes: Sizes, pause: float) -> Times:
        async def ask(device: str) -> None:
            reply = await self._ask("device_health", {"device_id": device})
            assert reply["data"]["health"] != "unknown", reply

        return await _clients(sizes, pause, ask)

    async def fleet(self, devices: int, wait: float = 0.0) -> Times:
        await asyncio.sleep(wait)  # until the watch has its picture of the fleet
        times = Times()
        for _ in range(FLEET_QUESTIONS):
            times.asked += 1
            started = time.monotonic()
            reply = await self._ask("fleet_health", {})
            times.seconds.append(time.monotonic() - started)
            assert reply["data"]["devices_known"] == devices
        return times


def table(results: list[Result]) -> Table:
    """For people: a column per store."""
    view = Table(title="reader: milliseconds within which 50 % and 99 % are answered")
    view.add_column("")
    for result in results:
        view.add_column(result.store, justify="right")
    for name, shown in _ROWS.items():
        view.add_row(name, *(shown(result) for result in results))
    return view


_ROWS: dict[str, Callable[[Result], str]] = {
    "points of a week": lambda r: f"{r.points:,}",
    "device_health, once a second": lambda r: f"{r.paced_p50:.1f}  {r.paced_p99:.1f}",
    "device_health, at once again": lambda r: f"{r.busy_p50:.1f}  {r.busy_p99:.1f}",
    "  answers a second": lambda r: f"{r.busy_per_second:,.0f}",
    "bare store query, at once again": lambda r: f"{r.bare_p50:.1f}  {r.bare_p99:.1f}",
    "asked / answered": lambda r: f"{r.asked:,} / {r.answered:,}",
    "devices of fleet_health": lambda r: f"{r.fleet_devices:,}",
    "fleet_health (median, worst)": lambda r: f"{r.fleet_median:.0f}  {r.fleet_worst:.0f}",
    "  without the watch": lambda r: f"{r.fleet_store_median:.0f}  {r.fleet_store_worst:.0f}",
}
