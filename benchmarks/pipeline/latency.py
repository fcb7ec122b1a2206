"""From publishing a point until a query finds it, at a steady rate; and what idling costs."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import nats
import orjson
import psutil
from nats.aio.client import Client
from rich.progress import Progress
from rich.table import Table

from benchmarks.pipeline.points import ENVELOPE, envelopes, ticks
from spindle import bus, subjects
from spindle.settings import Settings, load
from spindle.store.base import Selection, Store
from spindle.store.registry import open_store
from spindle.timestamps import NS, format_ns
from tests import servers
from tests.services import ServiceProcess

RATE = 20_000  # points per second
PROBE_SECONDS = 0.1
LOOK_SECONDS = 0.01
IDLE_SECONDS = 20.0


@dataclass(frozen=True)
class Latency:
    """Seconds; ``idle_core`` is the share of one core that an idle writer uses."""

    store: str
    rate_points_per_s: float
    p50_s: float
    p99_s: float
    worst_s: float
    idle_core: float

    def line(self) -> str:
        """One JSON line."""
        return orjson.dumps(
            {
                "store": self.store,
                "rate_points_per_s": round(self.rate_points_per_s),
                "p50_s": round(self.p50_s, 4),
                "p99_s": round(self.p99_s, 4),
                "worst_s": round(self.worst_s, 4),
                "idle_core": round(self.idle_core, 5),
            }
        ).decode()


async def run(stores: list[str], seconds: float, progress: Progress) -> list[Latency]:
    """Measure the named stores with the writer's default settings."""
    results = []
    with tempfile.TemporaryDirectory(prefix="spindle-bench-") as scratch:
        folder = Path(scratch)
        for store in stores:
            if store == "sqlite":
                results.append(
                    await _one(store, f"sqlite:///{folder}/l.db", folder, seconds, progress)
                )
                continue
            with servers.running(servers.influxd(folder / "influxd")) as server:
                url = f"influxdb://127.0.0.1:{server.port}/latency"
                results.append(await _one(store, url, folder, seconds, progress))
    return results


async def _one(
    name: str, store_url: str, folder: Path, seconds: float, progress: Progress
) -> Latency:
    with servers.running(servers.nats_server(folder / f"nats-{name}")) as server:
        settings = load(Settings, nats_url=f"nats://127.0.0.1:{server.port}", store_url=store_url)
        writer = ServiceProcess("writer", folder, nats_url=settings.nats_url, store_url=store_url)
        writer.start()
        client = await nats.connect(settings.nats_url)
        await bus.declare(client, settings)
        store = open_store(settings)
        try:
            idle = await _idle(writer, progress, name)
            rate, waits = await _steady(client, store, seconds, progress, name)
        finally:
            await store.close()
            await client.close()
            writer.stop()
    waits.sort()
    p99 = waits[min(len(waits) - 1, int(len(waits) * 0.99))]
    return Latency(name, rate, statistics.median(waits), p99, waits[-1], idle)


async def _idle(writer: ServiceProcess, progress: Progress, name: str) -> float:
    task = progress.add_task(f"{name}: idle", total=1)
    process = psutil.Process(writer.process.pid if writer.process else 0)
    before = sum(process.cpu_times()[:2])
    await asyncio.sleep(IDLE_SECONDS)
    progress.update(task, completed=1)
    return float(sum(process.cpu_times()[:2]) - before) / IDLE_SECONDS


async def _steady(
    client: Client, store: Store, seconds: float, progress: Progress, name: str
) -> tuple[float, list[float]]:
    sent: dict[int, float] = {}  # probe -> when it was published
    waits: list[float] = []
    task = progress.add_task(f"{name}: {RATE:,} points/s", total=round(seconds))
    async with asyncio.TaskGroup() as tasks:
        load_task = tasks.create_task(_load(client, seconds), name="load")
        tasks.create_task(_probe(client, sent, seconds), name="probes")
        tasks.create_task(_look(store, sent, waits, seconds), name="queries")
        for _ in range(round(seconds)):
            await asyncio.sleep(1)
            progress.advance(task)
    return load_task.result(), waits


async def _load(client: Client, seconds: float) -> float:
    """Envelopes at the steady rate; the rate that was reached."""
    start_ns = time.time_ns() - 3600 * NS
    tick = next(iter(ticks(RATE, start_ns, NS)))
    begin, count = time.perf_counter(), 0
    while (now := time.perf_counter() - begin) < seconds:
        due = int(now * RATE)
        while count < due:
            stamped = [_stamp(point) for point in tick[:ENVELOPE]]
            await client.publish(subjects.METRICS, envelopes(stamped, ENVELOPE)[0])
            count += len(stamped)
        await asyncio.sleep(0.01)
    return count / seconds


def _stamp(point: bytes) -> bytes:
    return point[:14] + format_ns(time.time_ns()).ljust(30, "Z")[:30].encode() + point[44:]


async def _probe(client: Client, sent: dict[int, float], seconds: float) -> None:
    for number in range(int(seconds / PROBE_SECONDS)):
        metric = {
            "timestamp": format_ns(time.time_ns()),
            "sourceDevice": "Probe",
            "metricType": "Latency",
            "value": number,
        }
        sent[number] = time.perf_counter()
        await client.publish(subjects.METRICS, orjson.dumps(metric))
        await asyncio.sleep(PROBE_SECONDS)


async def _look(store: Store, sent: dict[int, float], waits: list[float], seconds: float) -> None:
    """Ask for the newest probe again and again; every probe up to it has become queryable."""
    seen, deadline = -1, time.perf_counter() + seconds + 5
    while time.perf_counter() < deadline and seen < int(seconds / PROBE_SECONDS) - 1:
        found = await store.latest(Selection("Probe"), time.time_ns() - 60 * NS)
        now = time.perf_counter()
        newest = int(found[0].value) if found else -1
        waits += [now - sent[number] for number in range(seen + 1, newest + 1)]
        seen = max(seen, newest)
        await asyncio.sleep(LOOK_SECONDS)


def table(results: list[Latency]) -> Table:
    """For people."""
    view = Table(title=f"Publish to queryable at {RATE:,} points/s, default settings")
    for column in ("store", "points/s", "p50", "p99", "worst", "idle writer, of a core"):
        view.add_column(column, justify="left" if column == "store" else "right")
    for one in results:
        view.add_row(
            one.store,
            f"{one.rate_points_per_s:,.0f}",
            f"{one.p50_s * 1000:.0f} ms",
            f"{one.p99_s * 1000:.0f} ms",
            f"{one.worst_s * 1000:.0f} ms",
            f"{one.idle_core:.2%}",
        )
    view.add_row("goal", "", "300 ms", "1000 ms", "", "< 1 %")
    return view
