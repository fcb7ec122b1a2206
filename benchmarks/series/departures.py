"""Departures laid over a healthy series: long, repeated and nested, each with its label."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from benchmarks.series.processes import PROCESSES, Floats, Random

LEARNING = 2880
"""Points before the first departure: two days at one a minute."""

Departure = Callable[[Floats, float, Random], Floats]


def shifted(values: Floats, spread: float, rng: Random) -> Floats:
    """A level that is elsewhere."""
    return np.asarray(values + rng.choice([-1.0, 1.0]) * rng.uniform(2.5, 5.0) * spread)


def scattered(values: Floats, spread: float, rng: Random) -> Floats:
    """The same level, and several times the spread."""
    return values + rng.normal(0.0, rng.uniform(2.0, 4.0) * spread, values.size)


def creeping(values: Floats, spread: float, rng: Random) -> Floats:
    """A slope, up or down, to some five spreads."""
    slope = np.linspace(0.0, rng.uniform(4.0, 6.0) * spread, values.size)
    return np.asarray(values + rng.choice([-1.0, 1.0]) * slope)


def flattened(values: Floats, spread: float, rng: Random) -> Floats:
    """What moved hardly moves, at a height that is no stranger."""
    return np.asarray(np.median(values) + rng.normal(0.0, 0.05 * spread, values.size))


def humming(values: Floats, spread: float, rng: Random) -> Floats:
    """An oscillation that was not there."""
    period = rng.uniform(6.0, 30.0)
    wave = np.sin(2 * np.pi * np.arange(values.size) / period)
    return np.asarray(values + rng.uniform(2.0, 3.5) * spread * wave)


DEPARTURES: Mapping[str, Departure] = {
    each.__name__: each for each in (shifted, scattered, creeping, flattened, humming)
}


@dataclass(frozen=True, slots=True)
class Labelled:
    """A series with what is wrong in it.

    :ivar windows: first and last index of each departure, in order.
    """

    name: str
    values: Floats
    windows: tuple[tuple[int, int], ...]

    @property
    def labels(self) -> Floats:
        """1 where something is wrong, else 0."""
        found = np.zeros(self.values.size)
        for first, last in self.windows:
            found[first : last + 1] = 1.0
        return found


def local_spread(values: Floats) -> float:
    """The spread of an hour, of the median hour: what a fault is measured by."""
    hours = values[: values.size // 60 * 60].reshape(-1, 60)
    whole = float(np.std(values))
    return max(float(np.median(np.std(hours, axis=1))), 0.1 * whole, 1e-9)


def once(process: str, kind: str, seed: int, points: int = 10_080) -> Labelled:
    """One departure, of two to twelve hours."""
    rng = np.random.default_rng([seed, len(process), sum(map(ord, process + kind))])
    values = PROCESSES[process](rng, points)
    spread, length = local_spread(values), int(rng.uniform(120, 720))
    first = int(rng.uniform(LEARNING, points - length - 60))
    window = slice(first, first + length)
    values[window] = DEPARTURES[kind](values[window], spread, rng)
    return Labelled(f"{process} {kind} once", values, ((first, first + length - 1),))


def again(process: str, kind: str, seed: int, points: int = 10_080) -> Labelled:
    """The same departure three to six times, hours apart, each of half an hour to four hours."""
    rng = np.random.default_rng([seed, 1, len(process), sum(map(ord, process + kind))])
    values = PROCESSES[process](rng, points)
    spread, windows, at = local_spread(values), [], LEARNING + int(rng.uniform(0, 720))
    kinds, times = rng.integers(2**31), int(rng.integers(3, 7))
    for _ in range(times):
        length = int(rng.uniform(30, 240))
        if at + length > points - 60:
            break
        window = slice(at, at + length)
        values[window] = DEPARTURES[kind](values[window], spread, np.random.default_rng(kinds))
        windows.append((at, at + length - 1))
        at += length + int(rng.exponential(720.0)) + 120
    return Labelled(f"{process} {kind} again", values, tuple(windows))


def nested(process: str, kind: str, seed: int, points: int = 10_080) -> Labelled:
    """A long departure, and within it three short and strong ones."""
    found = once(process, kind, seed + 1000, points)
    rng = np.random.default_rng([seed, 2, len(process), sum(map(ord, process + kind))])
    values, ((first, last),) = found.values, found.windows
    spread = local_spread(values)
    for at in np.sort(rng.integers(first, last - 10, 3)):
        values[at : at + 8] += 8.0 * spread
    return Labelled(f"{process} {kind} nested", values, found.windows)


FORMS = (once, again, nested)


def corpus(seeds: range) -> list[Labelled]:
    """Every process with every departure in every form, once a seed."""
    return [
        form(process, kind, seed)
        for seed in seeds
        for process in PROCESSES
        for kind in DEPARTURES
        for form in FORMS
    ]
