"""Arrays of twelve disks under one load, some of them slow for a day or two: minutes of latency."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.series.processes import DAY, Floats, Random
from benchmarks.series.storage_series import correlated, load
from reader.detection.peers import PeerGroup

DISKS = 12
LEARNING = 3 * DAY


@dataclass(frozen=True, slots=True)
class Array:
    """One array.

    :ivar values: minutes x disks, milliseconds.
    :ivar slow: minutes x disks, whether the disk is slow then.
    """

    values: Floats
    slow: np.typing.NDArray[np.bool_]


def healthy(rng: Random, days: int) -> Array:
    """Each disk with its own slot, its own slow weather and its own noise."""
    points = days * DAY
    busy = load(rng, points)[:, None] ** 0.5
    slot = np.exp(rng.normal(0.0, 0.08, DISKS))
    weather = np.array([correlated(rng, points, 0.995, 0.06) for _ in range(DISKS)]).T
    noise = rng.normal(0.0, rng.uniform(0.1, 0.35, DISKS), (points, DISKS))
    values = rng.uniform(1.0, 3.0) * busy * slot * np.exp(weather + noise)
    return Array(values, np.zeros(values.shape, dtype=np.bool_))


def with_slow_disks(rng: Random, days: int = 7, lasts: tuple[float, float] = (1.0, 2.0)) -> Array:
    """Three of the disks 1.5 to 3 times as slow for some days each, at any time."""
    array = healthy(rng, days)
    for disk in rng.choice(DISKS, 3, replace=False):
        length = int(rng.uniform(*lasts) * DAY)
        start = int(rng.uniform(LEARNING, len(array.values) - length))
        array.values[start : start + length, disk] *= rng.uniform(1.5, 3.0)
        array.slow[start : start + length, disk] = True
    return array


def slow_at_once(rng: Random, days: int = 4) -> Array:
    """All disks three times as slow on the last day: nobody is to blame."""
    array = healthy(rng, days)
    array.values[-DAY:] *= 3.0
    return array


def named(array: Array) -> np.typing.NDArray[np.bool_]:
    """Minutes x disks, whether the disk is named then."""
    group, found = PeerGroup("Latency"), np.zeros(array.values.shape, dtype=np.bool_)
    for minute, row in enumerate(array.values.tolist()):
        for disk in group.update(60.0 * minute, {str(n): value for n, value in enumerate(row)}):
            found[minute, int(disk)] = True
    return found
