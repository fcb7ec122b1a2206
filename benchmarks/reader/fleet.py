"""A fleet with a week of readings, for questions to be asked about."""

from __future__ import annotations

import random
import time

from rich.progress import Progress

from spindle.settings import Settings, load
from spindle.store.base import Point, Series, Store
from spindle.store.registry import open_store
from spindle.timestamps import NS

METRICS = {"DiskTemp": 35.0, "IOPs": 500.0, "Latency": 2.0, "CapacityUsed": 50.0}
DISKS_PER_ARRAY = 12
WEEK_SECONDS, HOUR_SECONDS, MINUTE = 7 * 86_400, 3600, 60
BATCH = 20_000


def device_id(number: int) -> str:
    return f"array{number // DISKS_PER_ARRAY}-disk{number % DISKS_PER_ARRAY}"


async def fill(url: str, devices: int, span: int, every: int, progress: Progress) -> int:
    """Readings up to now; one device in a hundred is too hot."""
    store = open_store(load(Settings, store_url=url, retention_hours=0), writing=True)
    await store.prepare()
    now = time.time_ns() + 120 * NS  # fresh to the end of the measurement
    times = [now - n * MINUTE * NS for n in range(min(span, HOUR_SECONDS) // MINUTE)]
    times += [now - n * NS for n in range(HOUR_SECONDS, span, every)]
    task = progress.add_task(f"filling {store.name}", total=devices * len(METRICS) * len(times))
    written = 0
    batch: list[Point] = []
    for number in range(devices):
        for metric, mean in METRICS.items():
            batch += _readings(number, metric, mean, times)
            if len(batch) >= BATCH:
                written += await _write(store, batch)
                progress.update(task, completed=written)
                batch = []
    written += await _write(store, batch)
    progress.remove_task(task)
    await store.close()
    return written


def _readings(number: int, metric: str, mean: float, times: list[int]) -> list[Point]:
    rng = random.Random(f"{number}/{metric}")
    hot = 1.8 if metric == "DiskTemp" and number % 100 == 7 else 1.0
    name = device_id(number)
    series = Series("DiskUnit", metric, name, name.partition("-")[0])
    return [(series, at, mean * hot * rng.uniform(0.95, 1.05)) for at in times]


async def _write(store: Store, batch: list[Point]) -> int:
    await store.write_points(batch)
    return len(batch)
