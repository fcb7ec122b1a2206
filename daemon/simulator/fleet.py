"""A healthy simulated fleet: arrays of numbers over all its units, one vectorised step per tick.

* Load of a disk: its array's level and daily cycle (peak at 14:00 UTC), with slow noise of its own.
* IOPs follow load. Temperature follows load and the room's daily cycle, with a disk's inertia.
* Latency rises with load, is log-normal, and has a heavy (Pareto) tail in some 2 % of readings.
* Capacity is a function of the time of day and year alone, so it goes on growing over restarts;
  where it would pass 75 %, data has been moved away and it begins again at 20 %.

An array says the mean of its disks, for IOPs too, so that row 4's range holds for both classes.
"""

from __future__ import annotations

from math import cos, exp, pi, sqrt

import numpy as np
from numpy.typing import NDArray

from daemon.simulator.units import METRICS
from spindle import catalog

FEWEST_IOPS, MOST_IOPS = catalog.METRICS["IOPs"].low, catalog.METRICS["IOPs"].high

DAY_NS = 86_400 * 10**9
PEAK_OF_DAY = 14 / 24
INERTIA_SECONDS = 600.0
EMPTIEST, FULLEST = 20.0, 75.0  # % used

Numbers = NDArray[np.float64]


class Fleet:
    """The state of all disks: matrices of arrays x disks."""

    def __init__(self, arrays: int, disks: int, seed: int) -> None:
        random = np.random.default_rng(seed)
        shape = (arrays, disks)
        self._random = random
        self._last_ns: int | None = None  # time of the step before
        # What a unit is, for good.
        self._busy = random.uniform(0.25, 0.55, (arrays, 1)) + random.normal(0, 0.04, shape)
        self._warmth = random.normal(0, 1.0, shape)  # degC above its neighbours
        self._full = random.uniform(0, FULLEST - EMPTIEST, shape)  # % above EMPTIEST in 1970
        self._growth = random.lognormal(np.log(0.15), 0.6, shape)  # % per day
        # How it is now.
        self._array_drift = 0.05 * random.standard_normal((arrays, 1))
        self._disk_drift = 0.05 * random.standard_normal(shape)
        self._temperature: Numbers | None = None  # degC, without the sensor's noise

    def step(self, now_ns: int) -> Numbers:
        """What every unit says now: units x metrics, in the order of ``units`` and ``METRICS``."""
        seconds = 0.0 if self._last_ns is None else max(0, now_ns - self._last_ns) / 1e9
        self._last_ns = now_ns
        daily = cos(2 * pi * (now_ns % DAY_NS / DAY_NS - PEAK_OF_DAY))
        load = self._load(seconds, daily)
        disks, random = load.shape, self._random

        values = np.empty((disks[0], disks[1] + 1, len(METRICS)))
        members = values[:, 1:, :]
        warm = self._warm(seconds, 29 + 15 * load + self._warmth + 1.5 * daily)
        members[:, :, 0] = np.clip(warm + 0.15 * random.standard_normal(disks), 28, 46)
        iops = FEWEST_IOPS + (MOST_IOPS - FEWEST_IOPS) * load
        iops += 15 * random.standard_normal(disks)
        members[:, :, 1] = np.clip(iops, FEWEST_IOPS, MOST_IOPS)
        tail = np.maximum(0, random.standard_exponential(disks) - 4)
        spread = np.exp(0.22 * random.standard_normal(disks) + 0.6 * tail)
        members[:, :, 2] = np.clip((1.2 + 3 * load) * spread, 0.5, 10.4)
        grown = self._full + self._growth * (now_ns / DAY_NS)
        members[:, :, 3] = EMPTIEST + grown % (FULLEST - EMPTIEST)
        members.mean(axis=1, out=values[:, 0, :])
        return values.reshape(-1, len(METRICS))

    def _load(self, seconds: float, daily: float) -> Numbers:
        """0.02 to 0.95 of what a disk can do."""
        self._array_drift = self._drift(self._array_drift, seconds, 300)
        self._disk_drift = self._drift(self._disk_drift, seconds, 60)
        return np.clip(self._busy + 0.12 * daily + self._array_drift + self._disk_drift, 0.02, 0.95)

    def _drift(self, before: Numbers, seconds: float, memory: float) -> Numbers:
        """Noise that forgets what it was within ``memory`` seconds (Ornstein-Uhlenbeck)."""
        keep = exp(-seconds / memory)
        fresh = self._random.standard_normal(before.shape)
        return keep * before + 0.05 * sqrt(1 - keep**2) * fresh

    def _warm(self, seconds: float, target: Numbers) -> Numbers:
        if self._temperature is None:
            self._temperature = target
        else:
            self._temperature += (target - self._temperature) * (
                1 - exp(-seconds / INERTIA_SECONDS)
            )
        return self._temperature
