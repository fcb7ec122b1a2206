"""Departures of 1 to 20 points, laid over healthy processes and machines: what an hour hardly
shows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from benchmarks.series.departures import Departure, Labelled, local_spread
from benchmarks.series.machines import MACHINES
from benchmarks.series.processes import PROCESSES, Floats, Random

LENGTHS = (1500, 6000)
TIMES = (3, 9)
HEALTHY = {**PROCESSES, **MACHINES}


def spike(values: Floats, spread: float, rng: Random) -> Floats:
    """One point far off."""
    found = values.copy()
    found[0] += rng.choice([-1.0, 1.0]) * rng.uniform(4.0, 10.0) * spread
    return found


def step(values: Floats, spread: float, rng: Random) -> Floats:
    """A level that is elsewhere for some points."""
    return np.asarray(values + rng.choice([-1.0, 1.0]) * rng.uniform(4.0, 10.0) * spread)


def noise(values: Floats, spread: float, rng: Random) -> Floats:
    """Some points that scatter."""
    return values + rng.normal(0.0, rng.uniform(2.0, 5.0) * spread, values.size)


BRIEF: Mapping[str, Departure] = {each.__name__: each for each in (spike, step, noise)}


def brief(process: str, kind: str, seed: int) -> Labelled:
    """Three to eight departures in 1,500 to 6,000 points, the first quarter without any."""
    rng = np.random.default_rng([seed, 6, *map(ord, process + kind)])
    points = int(rng.uniform(*LENGTHS))
    values = np.array(HEALTHY[process](rng, points), dtype=np.float64)
    spread, windows, free = local_spread(values), list[tuple[int, int]](), 0
    for first in np.sort(rng.integers(points // 4, points - 30, int(rng.integers(*TIMES)))):
        length = 1 if kind == "spike" else int(rng.integers(2, 21))
        if first < free:
            continue
        window = slice(first, first + length)
        values[window] = BRIEF[kind](values[window], spread, rng)
        windows.append((int(first), int(first) + length - 1))
        free = int(first) + length + 5
    return Labelled(f"{process} {kind} brief", values, tuple(windows))


def briefs(seeds: range) -> list[Labelled]:
    """Every process and every machine with every brief departure, once a seed."""
    return [brief(process, kind, seed) for seed in seeds for process in HEALTHY for kind in BRIEF]
