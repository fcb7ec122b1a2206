"""Arrays of twelve disks under one load, some of them slow for a day or two: minutes of latency.

Also *working* arrays, as real ones are: mixed load, queues that grow with it, bursts of the whole
array and of one disk, a disk that is hot for hours, a rebalance of some disks, and a scrub that
visits one disk after another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.series.processes import DAY, Floats, Random
from benchmarks.series.storage_series import correlated, load
from reader.detection.peers import PeerGroup, busyness

DISKS = 12
LEARNING = 3 * DAY


@dataclass(frozen=True, slots=True)
class Array:
    """One array.

    :ivar values: minutes x disks, milliseconds.
    :ivar slow: minutes x disks, whether the disk is slow then.
    :ivar load: minutes x disks, operations a second; None where nobody says them.
    """

    values: Floats
    slow: np.typing.NDArray[np.bool_]
    load: Floats | None = None


def healthy(rng: Random, days: int) -> Array:
    """Each disk with its own slot, its own slow weather and its own noise."""
    points = days * DAY
    busy = load(rng, points)[:, None] ** 0.5
    slot = np.exp(rng.normal(0.0, 0.08, DISKS))
    weather = np.array([correlated(rng, points, 0.995, 0.06) for _ in range(DISKS)]).T
    noise = rng.normal(0.0, rng.uniform(0.1, 0.35, DISKS), (points, DISKS))
    values = rng.uniform(1.0, 3.0) * busy * slot * np.exp(weather + noise)
    return Array(values, np.zeros(values.shape, dtype=np.bool_))


def working(rng: Random, days: int) -> Array:
    """Each disk is as slow as it is busy, and not all are equally busy."""
    points = days * DAY
    common = rng.uniform(0.15, 0.35) * load(rng, points) * _bursts(rng, points, 0.01, 1.3)
    own = np.array([_own_load(rng, points) for _ in range(DISKS)]).T
    use = common[:, None] * own + _scrub(rng, points)
    for disk in rng.choice(DISKS, int(rng.integers(2, 5)), replace=False):  # a rebalance
        length = int(rng.uniform(2, 12) * 60)
        start = int(rng.uniform(0, points - length))
        use[start : start + length, disk] += rng.uniform(0.1, 0.3)
    use = np.minimum(use, 0.9)
    slot = np.exp(rng.normal(0.0, 0.08, DISKS))
    noise = rng.normal(0.0, rng.uniform(0.05, 0.25, DISKS), (points, DISKS))
    values = rng.uniform(1.0, 3.0) * slot * np.exp(noise) / (1.0 - use)
    return Array(values, np.zeros(values.shape, dtype=np.bool_), 1500.0 * use)


def without_load(rng: Random, days: int) -> Array:
    """A working array of which only the latency is known."""
    return replace(working(rng, days), load=None)


def _bursts(rng: Random, points: int, chance: float, most: float) -> Floats:
    """Times the load: 1, and for some minutes now and then up to ``most`` and more."""
    made = np.ones(points)
    for start in np.flatnonzero(rng.random(points) < chance):
        made[start : start + int(rng.gamma(2.0, 3.0)) + 1] *= rng.uniform(1.0, most)
    return np.minimum(made, 2.0 * most)


def _own_load(rng: Random, points: int) -> Floats:
    """What one disk has of the common load: its share, its bursts, some hours when it is hot."""
    share = rng.lognormal(0.0, 0.08) * np.exp(correlated(rng, points, 0.98, 0.1))
    made = share * _bursts(rng, points, 0.003, 2.0)
    made *= np.exp(rng.normal(0.0, rng.uniform(0.05, 0.3), points))
    for start in rng.integers(0, points, rng.poisson(points / DAY / 4)):
        made[start : start + int(rng.uniform(1, 8) * 60)] *= rng.uniform(1.3, 3.0)
    return np.asarray(made)


def _scrub(rng: Random, points: int) -> Floats:
    """What a scrub takes of each disk: of one after another, for one to three hours each."""
    made, hours, start = np.zeros((points, DISKS)), rng.uniform(1, 3), int(rng.uniform(0, 2 * DAY))
    share = rng.uniform(0.1, 0.3)
    for disk in rng.permutation(DISKS):
        made[start : start + int(60 * hours), disk] = share
        start += int(60 * hours)
    return made


Kind = Callable[[Random, int], Array]


def with_slow_disks(
    rng: Random,
    days: int = 7,
    lasts: tuple[float, float] = (1.0, 2.0),
    kind: Kind = healthy,
    erratic: float = 0.0,
) -> Array:
    """Three of the disks 1.5 to 3 times as slow for some days each, at any time.

    :param erratic: standard deviation of how slow they are, as a share, over some half an hour.
    """
    array = kind(rng, days)
    for disk in rng.choice(DISKS, 3, replace=False):
        length = int(rng.uniform(*lasts) * DAY)
        start = int(rng.uniform(LEARNING, len(array.values) - length))
        times = np.full(length, np.log(rng.uniform(1.5, 3.0)))
        if erratic:
            times *= np.maximum(0.0, 1.0 + correlated(rng, length, 0.97, erratic))
        array.values[start : start + length, disk] *= np.exp(times)
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
    loads = None if array.load is None else array.load.tolist()
    for minute, row in enumerate(array.values.tolist()):
        load = None if loads is None else busyness([_by_disk(loads[minute])])
        for disk in group.update(60.0 * minute, _by_disk(row), load):
            found[minute, int(disk)] = True
    return found


def _by_disk(row: list[float]) -> dict[str, float]:
    return {str(disk): value for disk, value in enumerate(row)}
