"""Seeded series of things that fill up, one value every six hours: how they grow, and go on to.

The forecast's noise models were set by hand with other series: other seeds, ranges and recipes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from benchmarks.series.storage_series import Floats, Random, correlated

PER_DAY = 4


class Grown(NamedTuple):
    """Readings, and the level that they are readings of: without noise of the reading, rhythm
    and purges, which nobody knows outside a simulation."""

    values: Floats
    level: Floats


Growth = Callable[[Random, int], Grown]


def _exact(level: Floats) -> Grown:
    """Readings that say just what there is."""
    return Grown(level, level)


def _days(points: int) -> Floats:
    return np.arange(points) / PER_DAY


def linear(rng: Random, points: int) -> Grown:
    """A straight line, a daily rhythm, and noise of the reading."""
    at = _days(points)
    day = rng.uniform(0.0, 0.5) * np.sin(2 * np.pi * at + rng.uniform(0, 6))
    noise = rng.normal(0.0, rng.uniform(0.02, 0.8), points)
    level = np.asarray(30.0 + rng.uniform(0.03, 0.8) * at)
    return Grown(level + day + noise, level)


def whole_numbers(rng: Random, points: int) -> Grown:
    """A straight line as a coarse sensor tells it, such as a drive's wear."""
    return _exact(np.floor(rng.uniform(1, 50) + rng.uniform(0.05, 0.6) * _days(points)))


def steady_and_noisy(rng: Random, points: int) -> Grown:
    """A straight line, and noise that remembers for days."""
    noise = correlated(rng, points, rng.uniform(0.8, 0.97), rng.uniform(0.1, 1.5))
    level = np.asarray(30.0 + rng.uniform(0.05, 0.7) * _days(points))
    return Grown(level + noise, level)


def bursts(rng: Random, points: int) -> Grown:
    """Nothing for hours or days, then a batch of skewed size."""
    hit = rng.random(points) < rng.uniform(0.03, 0.3)
    size = rng.lognormal(0.0, rng.uniform(0.3, 1.0), points)
    return _exact(20.0 + np.cumsum(hit * size * rng.uniform(0.2, 1.5)))


def weekly(rng: Random, points: int) -> Grown:
    """Growth on working days, a quarter or none of it at weekends."""
    at = _days(points) + rng.uniform(0, 7)
    busy = np.where(at % 7 < 5, 1.0, rng.uniform(0.0, 0.25))
    rate = rng.uniform(0.02, 0.15) * busy * rng.gamma(3.0, 1 / 3.0, points)
    return _exact(20.0 + np.cumsum(rate))


def weekly_purge(rng: Random, points: int) -> Grown:
    """Grows all week; at its end the most of it is deleted."""
    at = _days(points) + rng.uniform(0, 7)
    size = rng.uniform(1.0, 6.0)
    trend = rng.uniform(0.05, 0.4) * at + np.cumsum(rng.normal(0, 0.03, points))
    level = np.asarray(20.0 + trend)
    return Grown(level + size * (at % 7) / 7, level + size / 2)


def random_walk(rng: Random, points: int) -> Grown:
    """Files come and go; a few more come."""
    spread = rng.uniform(0.03, 0.4)
    steps = rng.normal(rng.uniform(0.0, 0.4) * spread, spread, points)
    return _exact(20.0 + np.cumsum(steps))


def changing_rate(rng: Random, points: int) -> Grown:
    """A new rate every few weeks or months."""
    every = rng.uniform(20, 90) * PER_DAY
    change = rng.random(points) < 1.0 / every
    change[0] = True
    rates = rng.gamma(1.5, rng.uniform(0.02, 0.1), points)
    rate = rates[np.maximum.accumulate(np.where(change, np.arange(points), 0))]
    return _exact(20.0 + np.cumsum(rate * rng.gamma(2.0, 0.5, points)))


def rate_with_memory(rng: Random, points: int) -> Grown:
    """Lulls and rushes that last for days."""
    mood = correlated(rng, points, 1 - 1 / rng.uniform(4, 60), rng.uniform(0.3, 1.2))
    return _exact(20.0 + np.cumsum(rng.uniform(0.01, 0.1) * np.exp(mood)))


def wandering_rate(rng: Random, points: int) -> Grown:
    """A rate with no usual value: each day's is near the day's before."""
    steps = np.cumsum(rng.normal(0.0, rng.uniform(0.01, 0.06), points))
    return _exact(20.0 + np.cumsum(rng.uniform(0.02, 0.1) * np.exp(steps)))


def saturating(rng: Random, points: int) -> Grown:
    """Growth that dies away over weeks or months."""
    time, before = rng.uniform(30, 300), rng.uniform(0, 60)
    left = np.exp(-(_days(points) + before) / time)
    noise = rng.normal(0, rng.uniform(0.03, 0.5), points)
    level = np.asarray(20.0 + rng.uniform(20, 90) * (1 - left))
    return Grown(level + noise, level)


def accelerating(rng: Random, points: int) -> Grown:
    """Growth that doubles in one to six months."""
    doubling = rng.uniform(30, 180)
    rate = rng.uniform(0.01, 0.05) * 2.0 ** (_days(points) / doubling)
    return _exact(20.0 + np.cumsum(rate * rng.gamma(1.0, 1.0, points)))


PROCESSES: dict[str, Growth] = {
    each.__name__: each
    for each in (
        linear,
        whole_numbers,
        steady_and_noisy,
        bursts,
        weekly,
        weekly_purge,
        random_walk,
        changing_rate,
        rate_with_memory,
        wandering_rate,
        saturating,
        accelerating,
    )
}


def nightly_batches(rng: Random, points: int) -> Grown:
    """One batch a day, of skewed size, and nothing between."""
    size = rng.lognormal(0.0, rng.uniform(0.2, 0.8), points) * rng.uniform(0.1, 0.8)
    return _exact(20.0 + np.cumsum(np.where(np.arange(points) % PER_DAY == 0, size, 0.0)))


def logarithmic(rng: Random, points: int) -> Grown:
    """Growth that slows down, ever more slowly."""
    level = 20.0 + rng.uniform(3, 25) * np.log1p(_days(points) / rng.uniform(2, 40))
    return Grown(level + rng.normal(0.0, rng.uniform(0.02, 0.3), points), level)


def multiplicative(rng: Random, points: int) -> Grown:
    """Every change is a part of what is there."""
    steps = rng.normal(rng.uniform(0.0005, 0.003), rng.uniform(0.001, 0.01), points)
    return _exact(np.asarray(rng.uniform(5, 30) * np.exp(np.cumsum(steps))))


def snapshots(rng: Random, points: int) -> Grown:
    """A straight line, and copies that come and go after days."""
    level = np.asarray(20.0 + rng.uniform(0.02, 0.5) * _days(points))
    copies = np.zeros(points)
    for i in np.flatnonzero(rng.random(points) < rng.uniform(0.005, 0.05)):
        copies[i : i + rng.integers(4, 60)] += rng.uniform(0.2, 3.0)
    return Grown(level + copies, level + copies.mean())


def hopping_rate(rng: Random, points: int) -> Grown:
    """Six rates, of which another holds every few days or weeks."""
    rates = rng.uniform(0.02, 0.1) * np.exp(rng.normal(0.0, 0.7, 6))
    stretch = np.cumsum(rng.random(points) < 1.0 / rng.uniform(12, 120))
    rate = rates[rng.integers(0, 6, stretch[-1] + 1)[stretch]]
    return _exact(20.0 + np.cumsum(rate * rng.gamma(2.0, 0.5, points)))


#: Further ways, which nothing was ever set by.
FURTHER: dict[str, Growth] = {
    each.__name__: each
    for each in (nightly_batches, logarithmic, multiplicative, snapshots, hopping_rate)
}


def with_deletion(grown: Grown, past: int, rng: Random) -> Grown:
    """One deletion (or expansion) in the second quarter of the past."""
    at = int(past * rng.uniform(0.25, 0.5))
    size = max(10.0, 3.0 * float(np.ptp(grown.values[:past])))
    gone = np.where(np.arange(grown.values.size) < at, 0.0, size)
    return Grown(grown.values - gone, grown.level - gone)
