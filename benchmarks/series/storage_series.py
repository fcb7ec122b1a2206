"""Seeded series of storage metrics, healthy and with labelled faults, one point a minute.

Deliberately harder than a textbook: daily load, autocorrelated weather, heavy-tailed latency,
coarse sensors (whole degrees), write bursts. A quick stand-in for the simulator's devices.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Random = np.random.Generator

DAY = 1440
METRICS = ("DiskTemp", "Latency", "IOPs", "CapacityUsed")


def correlated(rng: Random, points: int, memory: float, spread: float) -> Floats:
    """First-order autoregressive noise of the given standard deviation."""
    noise = rng.normal(0.0, spread * np.sqrt(1.0 - memory**2), points)
    for i in range(1, points):
        noise[i] += memory * noise[i - 1]
    return noise


def load(rng: Random, points: int) -> Floats:
    """Daily load around 1, quieter at weekends, with slow random changes."""
    minutes = np.arange(points) + rng.uniform(0, DAY)
    day = 1.0 + rng.uniform(0.1, 0.4) * np.sin(2 * np.pi * minutes / DAY)
    evening = np.clip(((minutes / DAY) % 7 - 4.8) * 8, 0, 1)  # three hours to the weekend, and back
    morning = np.clip((7.0 - (minutes / DAY) % 7) * 8, 0, 1)
    weekend = 1.0 - rng.uniform(0.0, 0.3) * np.minimum(evening, morning)
    return np.asarray(day * weekend * np.exp(correlated(rng, points, 0.95, 0.05)))


def healthy(metric: str, rng: Random, points: int) -> Floats:
    """One metric of one healthy device."""
    busy = load(rng, points)
    if metric == "DiskTemp":
        air = rng.uniform(32, 42) + correlated(rng, points, 0.99, 0.5)
        celsius = air + rng.uniform(2, 8) * (busy - 1.0) + rng.normal(0, 0.2, points)
        return np.asarray(np.round(celsius, rng.choice([0, 1, 6])))
    if metric == "Latency":
        noise = np.exp(rng.normal(0.0, rng.uniform(0.2, 0.5), points))
        bursts = np.where(rng.random(points) < 0.005, rng.uniform(1.5, 4.0, points), 1.0)
        return np.asarray(rng.uniform(0.8, 3.0) * busy**0.5 * noise * bursts)
    if metric == "IOPs":
        noise = rng.normal(1.0, rng.uniform(0.03, 0.12), points)
        return np.maximum(0.0, rng.uniform(300, 700) * busy * noise)
    growth = rng.gamma(0.3, rng.uniform(0.5, 2.0) / DAY / 0.3, points) * busy
    return np.asarray(rng.uniform(15, 60) + np.cumsum(growth) + rng.normal(0, 0.002, points))


Fault = Callable[[Floats, Random], Floats]


def overheat(values: Floats, rng: Random) -> Floats:
    """Half to one and a half degrees a minute, up to 20 more."""
    ramp = np.minimum(np.arange(1, values.size + 1) * rng.uniform(0.5, 1.5), 20.0)
    return np.asarray(np.round(values + ramp, 1))


def slow_disk(values: Floats, rng: Random) -> Floats:
    return values * rng.uniform(4.0, 10.0)


def latency_spikes(values: Floats, rng: Random) -> Floats:
    """One reading in three is 8 to 30 times as long."""
    hit = rng.random(values.size) < 0.35
    hit[0] = True
    return np.where(hit, values * rng.uniform(8.0, 30.0, values.size), values)


def iops_collapse(values: Floats, rng: Random) -> Floats:
    return values * rng.uniform(0.02, 0.25)


def capacity_leak(values: Floats, rng: Random) -> Floats:
    """20 to 100 times the usual growth of a per cent a day."""
    return values + np.arange(1, values.size + 1) * rng.uniform(20.0, 100.0) / DAY


def stuck_sensor(values: Floats, _rng: Random) -> Floats:
    return np.full_like(values, values[0])


def flapping(values: Floats, _rng: Random) -> Floats:
    """Three minutes good, three minutes eight times as long."""
    return np.where(np.arange(values.size) // 3 % 2 == 0, values * 8.0, values)


def fail_slow(values: Floats, rng: Random) -> Floats:
    """1.5 to 3 times; beside its peers it is plain, alone it is hardly seen."""
    return values * rng.uniform(1.5, 3.0)


FAULTS: dict[str, tuple[str, Fault, int]] = {
    "overheat": ("DiskTemp", overheat, 60),
    "slow_disk": ("Latency", slow_disk, 60),
    "latency_spikes": ("Latency", latency_spikes, 60),
    "iops_collapse": ("IOPs", iops_collapse, 60),
    "capacity_leak": ("CapacityUsed", capacity_leak, 120),
    "stuck_sensor": ("DiskTemp", stuck_sensor, 240),
    "flapping": ("Latency", flapping, 60),
    "fail_slow": ("Latency", fail_slow, 360),
}
"""Metric, what happens to it, and for how many minutes."""
