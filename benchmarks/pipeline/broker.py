"""What ``sync_interval: always`` costs: single messages and envelopes, each acknowledged."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import nats
import orjson
from nats.aio.client import Client
from rich.progress import Progress
from rich.table import Table

from benchmarks.pipeline.points import ENVELOPE, envelopes, ticks
from spindle import bus, subjects
from spindle.settings import Settings, load
from spindle.timestamps import NS
from tests import servers

SINGLES, POINTS, REPEATS = 4_000, 200_000, 3
OUTSTANDING = 500  # publishes that wait for their acknowledgement


@dataclass(frozen=True)
class Sync:
    """Medians, in points per second, each acknowledged."""

    sync: str
    single_points_per_s: float
    envelope_points_per_s: float

    def line(self) -> str:
        """One JSON line."""
        return orjson.dumps(
            {
                "sync": self.sync,
                "single_points_per_s": round(self.single_points_per_s),
                "envelope_points_per_s": round(self.envelope_points_per_s),
            }
        ).decode()


async def run(progress: Progress) -> list[Sync]:
    """Both policies, on fresh servers."""
    points = [p for tick in ticks(POINTS, time.time_ns() - 3600 * NS, NS) for p in tick]
    enveloped = envelopes(points, ENVELOPE)
    task = progress.add_task("NATS", total=2 * REPEATS)
    results = []
    for sync in ("always", "interval"):
        singles, whole = [], []
        for number in range(REPEATS):
            progress.update(task, description=f"NATS, sync {sync}")
            with tempfile.TemporaryDirectory(prefix="spindle-bench-") as folder:
                rates = await _measure(Path(folder) / str(number), sync, points, enveloped)
            singles.append(rates[0])
            whole.append(rates[1])
            progress.advance(task)
        results.append(Sync(sync, statistics.median(singles), statistics.median(whole)))
    return results


async def _measure(
    folder: Path, sync: str, points: list[bytes], enveloped: list[bytes]
) -> tuple[float, float]:
    server = servers.nats_server(folder, sync_always=sync == "always")
    with servers.running(server):
        url = f"nats://127.0.0.1:{server.port}"
        client = await nats.connect(url)
        await bus.declare(client, load(Settings, nats_url=url))
        single = SINGLES / await _acknowledged(client, points[:SINGLES])
        whole = POINTS / await _acknowledged(client, enveloped)
        await client.close()
    return single, whole


async def _acknowledged(client: Client, messages: list[bytes]) -> float:
    """Seconds until the stream has acknowledged every message."""
    js = client.jetstream(timeout=30)
    room = asyncio.Semaphore(OUTSTANDING)

    async def one(message: bytes) -> None:
        async with room:
            await js.publish(subjects.METRICS, message)

    start = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for message in messages:
            tasks.create_task(one(message))
    return time.perf_counter() - start


def table(results: list[Sync]) -> Table:
    """For people."""
    view = Table(title="Points per second that NATS acknowledges")
    for column in ("sync_interval", "single messages", f"envelopes of {ENVELOPE}"):
        view.add_column(column, justify="left" if column == "sync_interval" else "right")
    for one in results:
        view.add_row(
            one.sync, f"{one.single_points_per_s:,.0f}", f"{one.envelope_points_per_s:,.0f}"
        )
    always, interval = results
    view.add_row(
        "always / interval",
        f"{always.single_points_per_s / interval.single_points_per_s:.2f}",
        f"{always.envelope_points_per_s / interval.envelope_points_per_s:.2f}",
    )
    return view
