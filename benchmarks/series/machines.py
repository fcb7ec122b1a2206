"""Nine more processes, from what machines do: commands, relays, controllers, counters of codes.

Beside ``processes``: these have few values, hard edges, periods of any length and no noise to
speak of, as channels of a machine have. From first principles, none is a copy of a data set.
Their time scales are drawn, so that an hour of 60 points is nothing special to them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from benchmarks.series.processes import DAY, Floats, Process, Random
from benchmarks.series.storage_series import correlated


def commanded(rng: Random, points: int) -> Floats:
    """A plan of modes run again and again: each holds for long, and is reached with inertia."""
    steps = int(rng.integers(3, 9))
    plan, dwell = rng.uniform(0.0, 10.0, steps), rng.uniform(20.0, 250.0, steps)
    times = points // int(dwell.sum()) + 2
    lengths = (np.tile(dwell, times) * rng.uniform(0.9, 1.1, steps * times)).astype(int)
    target = np.repeat(np.tile(plan, times), lengths)[:points]
    return _lagging(target, rng.uniform(1.0, 15.0)) + rng.normal(0.0, 0.05, points)


def status(rng: Random, points: int) -> Floats:
    """A channel of two or three values, each for some while, without any noise."""
    mean = rng.uniform(10.0, 120.0, 3)
    values = rng.permutation([0.0, 1.0, 2.0])[: int(rng.integers(2, 4))]
    lengths = [max(2, int(rng.gamma(4.0, mean[n % values.size] / 4.0))) for n in range(points)]
    return np.repeat(np.resize(values, points), lengths)[:points]


def periodic(rng: Random, points: int) -> Floats:
    """A shape that comes again every 20 to 300 points, of a size and a pace that wander."""
    pace = 1.0 + correlated(rng, points, 0.999, 0.03)
    phase = 2 * np.pi * np.cumsum(pace) / rng.uniform(20.0, 300.0)
    parts = [
        rng.normal(0.0, 1.0 / n) * np.sin(n * phase + rng.uniform(0.0, 2 * np.pi))
        for n in range(1, 5)
    ]
    size = 1.0 + correlated(rng, points, 0.999, 0.15)
    return np.asarray(size * np.sum(parts, axis=0) + rng.normal(0.0, 0.05, points))


def ramps(rng: Random, points: int) -> Floats:
    """Ramps between a few ends, read in whole codes: a motor, or a valve that is moved."""
    ends, at = rng.uniform(0.0, rng.uniform(8.0, 60.0), 4), 0.0
    values: list[float] = []
    speed = rng.uniform(0.1, 1.0)
    while len(values) < points:
        end = float(rng.choice(ends))
        length = int(abs(end - at) / speed) + 1
        values += [*np.linspace(at, end, length), *[end] * int(rng.uniform(5, 80))]
        at = end
    return np.round(np.array(values[:points]))


def loop(rng: Random, points: int) -> Floats:
    """The level of a tank that a controller holds, while the inflow changes as it likes."""
    inflow = 1.0 + correlated(rng, points, 0.98, 0.25)
    wanted = np.repeat(rng.uniform(4.0, 6.0, points // 500 + 1), 500)[:points]
    gain, memory = rng.uniform(0.05, 0.3), rng.uniform(0.001, 0.01)
    values, level, total = np.empty(points), float(wanted[0]), 1.0 / memory
    for i in range(points):
        error = level - wanted[i]
        total += error
        level += inflow[i] - min(max(gain * error + memory * total, 0.0), 2.5)
        values[i] = level
    return values + rng.normal(0.0, 0.03, points)


def thermostat(rng: Random, points: int) -> Floats:
    """A relay that heats from one limit to the other in a room that changes by the day."""
    room = 15.0 + 4.0 * np.sin(2 * np.pi * np.arange(points) / DAY + rng.uniform(0.0, 6.0))
    inertia, heating = rng.uniform(20.0, 200.0), True
    values, degrees = np.empty(points), 20.0
    for i in range(points):
        degrees += (room[i] + (25.0 if heating else 0.0) - degrees) / inertia
        heating = degrees < 22.0 if heating else degrees < 20.0
        values[i] = degrees
    return values + rng.normal(0.0, 0.05, points)


def trending(rng: Random, points: int) -> Floats:
    """A metric that grows, with a season and weather of its own."""
    at, season = np.arange(points), rng.uniform(200.0, DAY)
    grows = rng.uniform(-2.0, 2.0) * at / 5000.0
    wave = np.sin(2 * np.pi * at / season) + 0.3 * np.sin(6 * np.pi * at / season)
    return np.asarray(grows + wave + correlated(rng, points, 0.9, 0.2) + rng.normal(0, 0.1, points))


def pulses(rng: Random, points: int) -> Floats:
    """Nothing, and a pulse of the same height at even distances."""
    every, width = rng.uniform(15.0, 120.0), int(rng.integers(1, 8))
    values = np.zeros(points)
    for at in np.arange(rng.uniform(0.0, every), points, every):
        first = int(at + rng.normal(0.0, 0.03 * every))
        values[max(0, first) : first + width] = 1.0
    return values + float(rng.choice([0.0, 0.01])) * rng.normal(0.0, 1.0, points)


def idle(rng: Random, points: int) -> Floats:
    """A constant for most of the time, and now and then a stretch of work."""
    values = np.zeros(points)
    for at in np.flatnonzero(rng.random(points) < 1.0 / rng.uniform(100.0, 400.0)):
        length = int(rng.gamma(2.0, 10.0)) + 2
        work = np.abs(rng.normal(3.0, 1.0, length))
        values[at : at + length] = work[: values[at : at + length].size]
    return values + rng.uniform(0.0, 5.0)


def _lagging(target: Floats, inertia: float) -> Floats:
    values, at = np.empty(target.size), float(target[0])
    for i, wanted in enumerate(target.tolist()):
        at += (wanted - at) / inertia
        values[i] = at
    return values


MACHINES: Mapping[str, Process] = {
    process.__name__: process
    for process in (
        *(commanded, status, periodic, ramps, loop),
        *(thermostat, trending, pulses, idle),
    )
}
