"""Nine processes that storage metrics are made of, each healthy, seeded, one point a minute.

None is a copy of a public data set, nor of the simulator: what holds on these and on those alike
was not learnt by heart. Values are of any scale; ``departures`` lays faults over them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from benchmarks.series.storage_series import correlated

Floats = npt.NDArray[np.float64]
Random = np.random.Generator
Process = Callable[[Random, int], Floats]

DAY = 1440


def levels(rng: Random, points: int) -> Floats:
    """A service that works at one of four levels for hours at a time, and knows all of them."""
    heights = np.sort(rng.uniform(1.0, 10.0, 4))
    lengths = rng.exponential(180.0, points // 30 + 8).astype(int) + 30
    steps = np.repeat(rng.integers(0, 4, lengths.size), lengths)[:points]
    return np.asarray(heights[steps] + rng.normal(0.0, 0.15, points))


def bursts(rng: Random, points: int) -> Floats:
    """Quiet, with a burst some ten times a day that dies away within half an hour."""
    values: Floats = np.abs(rng.normal(1.0, 0.2, points))
    for start in np.flatnonzero(rng.random(points) < 10.0 / DAY):
        size, fall = rng.lognormal(1.5, 0.5), rng.uniform(3.0, 12.0)
        tail = np.arange(min(60, points - int(start)))
        values[start : start + tail.size] += size * np.exp(-tail / fall)
    return values


def queue(rng: Random, points: int) -> Floats:
    """Waiting time at a server that is 60 % to 80 % busy (Lindley's recursion)."""
    busy = rng.uniform(0.6, 0.8)
    change = rng.exponential(busy, points) - rng.exponential(1.0, points)
    waiting = np.zeros(points)
    for i in range(1, points):
        waiting[i] = max(0.0, waiting[i - 1] + change[i])
    return waiting + rng.exponential(0.2, points)


def cache(rng: Random, points: int) -> Floats:
    """A hit ratio near its ceiling, thrown back by a restart every other day, warming for hours."""
    values, warm = np.empty(points), 1.0
    restart = rng.random(points) < 0.5 / DAY
    for i in range(points):
        warm = 0.3 if restart[i] else warm + (1.0 - warm) / 90.0
        values[i] = warm
    return np.asarray(np.clip(0.93 * values + rng.normal(0.0, 0.01, points), 0.0, 1.0))


def sawtooth(rng: Random, points: int) -> Floats:
    """Space that fills, and is freed each time it has reached about 70 %."""
    values, level = np.empty(points), rng.uniform(20.0, 60.0)
    speed = rng.uniform(0.03, 0.12)
    for i in range(points):
        level += speed * rng.gamma(2.0, 0.5)
        if level > 70.0 + rng.normal(0.0, 1.0):
            level = rng.normal(30.0, 2.0)
        values[i] = level
    return values


def daily(rng: Random, points: int) -> Floats:
    """A rhythm of a day whose mornings come early and late."""
    minutes = np.arange(points)
    late = np.repeat(rng.normal(0.0, 20.0, points // DAY + 1), DAY)[:points]
    shape = np.sin(2 * np.pi * (minutes + late) / DAY) + 0.4 * np.sin(4 * np.pi * minutes / DAY)
    return np.asarray(10.0 + 3.0 * shape + correlated(rng, points, 0.9, 0.5))


def weekly(rng: Random, points: int) -> Floats:
    """Working days and weekends, of counts that scatter as counts do."""
    minutes = np.arange(points)
    hours = np.clip(np.sin(np.pi * ((minutes / 60.0) % 24.0 - 7.0) / 12.0), 0.0, None)
    working = np.where((minutes // DAY) % 7 < 5, 1.0, 0.25)
    return rng.poisson(5.0 + 60.0 * hours * working).astype(float)


def drifting(rng: Random, points: int) -> Floats:
    """A sensor of whole degrees in a room whose temperature wanders."""
    room = 35.0 + correlated(rng, points, 0.9995, 2.0)
    return np.asarray(np.round(room + correlated(rng, points, 0.97, 0.6)))


def heavy(rng: Random, points: int) -> Floats:
    """Latency: lognormal, heavier while the load is high."""
    load = 1.0 + 0.4 * np.sin(2 * np.pi * np.arange(points) / DAY + rng.uniform(0.0, 6.0))
    scatter = np.exp(rng.normal(0.0, 0.35, points)) * (1.0 + rng.pareto(3.0, points) * 0.15)
    return np.asarray(rng.uniform(0.8, 3.0) * load * scatter)


PROCESSES: Mapping[str, Process] = {
    process.__name__: process
    for process in (levels, bursts, queue, cache, sawtooth, daily, weekly, drifting, heavy)
}
