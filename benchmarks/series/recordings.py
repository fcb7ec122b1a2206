"""Recordings of machines, most of them short, with departures that a mean does not always show.

Beside ``departures``, whose series are all a week long and whose faults are all measured by the
spread: here a fault may last a third of all there is, may begin when only a few hundred points are
known, and may be of rhythm, order or shape at the same level and spread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from benchmarks.series.departures import Labelled
from benchmarks.series.machines import MACHINES
from benchmarks.series.processes import Floats, Random

LONG = 10_080
LEAST = 300
"""Points before the first departure, at the least; else two sevenths of the recording."""

Departure = Callable[[Floats, int, int, Random], Floats]
"""What stands between two indices of a series instead of what stood there."""


def delayed(values: Floats, first: int, end: int, rng: Random) -> Floats:
    """What was due earlier: the right thing at the wrong time."""
    late = int(rng.uniform(0.1, 0.4) * min(first, 400))
    return values[first - late : end - late].copy()


def stretched(values: Floats, first: int, end: int, rng: Random) -> Floats:
    """The same at another pace."""
    pace = float(rng.choice([rng.uniform(0.4, 0.7), rng.uniform(1.5, 2.5)]))
    begin = first if first + pace * (end - first) < values.size else 0
    at = begin + pace * np.arange(end - first)
    return np.asarray(np.interp(at, np.arange(values.size), values))


def reversed_(values: Floats, first: int, end: int, _rng: Random) -> Floats:
    """Backwards: what fell off rises."""
    return values[first:end][::-1].copy()


def mirrored(values: Floats, first: int, end: int, _rng: Random) -> Floats:
    """Upside down, about the middle of its range."""
    of = values[first:end]
    return np.asarray(of.max() + of.min() - of)


def smoothed(values: Floats, first: int, end: int, rng: Random) -> Floats:
    """A mean of what should be there."""
    width = int(rng.integers(8, 40))
    return np.convolve(values[first:end], np.ones(width) / width, "same")


def misplaced(values: Floats, first: int, end: int, _rng: Random) -> Floats:
    """A level that is known, but not one for now, and what moved moves on around it."""
    of, known = values[first:end], np.quantile(values[:first], [0.1, 0.9])
    level = known[int(np.abs(known - np.median(of)).argmax())]
    return np.asarray(level + 0.3 * (of - np.median(of)))


def clipped(values: Floats, first: int, end: int, _rng: Random) -> Floats:
    """Without what goes beyond the middle half: pulses that do not come."""
    low, high = np.quantile(values[:first], [0.25, 0.75])
    return np.clip(values[first:end], low, high)


def held(values: Floats, first: int, end: int, _rng: Random) -> Floats:
    """Stuck where it stood."""
    return np.full(end - first, values[first])


def drifted(values: Floats, first: int, end: int, rng: Random) -> Floats:
    """Away slowly, by as much as all that moves in the series or twice that."""
    size = rng.choice([-1.0, 1.0]) * rng.uniform(1.0, 2.0) * np.std(values)
    return np.asarray(values[first:end] + np.linspace(0.0, size, end - first))


def offset(values: Floats, first: int, end: int, rng: Random) -> Floats:
    """Elsewhere all at once."""
    size = rng.choice([-1.0, 1.0]) * rng.uniform(0.7, 2.0) * np.std(values)
    return np.asarray(values[first:end] + size)


def noisy(values: Floats, first: int, end: int, rng: Random) -> Floats:
    """With noise that was not there."""
    return values[first:end] + rng.normal(0.0, rng.uniform(0.3, 1.0) * np.std(values), end - first)


RECORDED: Mapping[str, Departure] = {
    each.__name__.rstrip("_"): each
    for each in (
        *(delayed, stretched, reversed_, mirrored, smoothed, misplaced),
        *(clipped, held, drifted, offset, noisy),
    )
}


def _laid(name: str, rng: Random, points: int, times: int, share: float) -> Labelled | None:
    """The departure so many times, of this share of the recording together; None where it would
    hardly change anything."""
    process, kind, _ = name.split()
    whole = MACHINES[process](rng, points)
    values, windows, seed = whole.copy(), [], rng.integers(2**31)
    first = max(LEAST, points * 2 // 7)
    length = max(40, int(share * points / times))
    room = (points - first - times * (length + 40)) // times
    for _ in range(times):
        first += int(rng.uniform(0.0, room))
        values[first : first + length] = RECORDED[kind](
            whole, first, first + length, np.random.default_rng(seed)
        )
        windows.append((first, first + length - 1))
        first += length + 40 if times > 1 else length
    inside = np.concatenate([np.arange(a, b + 1) for a, b in windows])
    changed = np.abs(values - whole)[inside] > 0.1 * np.std(whole)
    return Labelled(name, values, tuple(windows)) if changed.mean() > 0.2 else None


def short(process: str, kind: str, seed: int) -> Labelled | None:
    """1,000 to 4,000 points, up to a third of them one departure."""
    rng = np.random.default_rng([seed, 3, *map(ord, process + kind)])
    points, share = int(rng.uniform(1000, 4000)), rng.uniform(0.05, 0.33)
    return _laid(f"{process} {kind} short", rng, points, 1, share)


def repeated(process: str, kind: str, seed: int) -> Labelled | None:
    """1,000 to 4,000 points, and the same departure two to four times."""
    rng = np.random.default_rng([seed, 4, *map(ord, process + kind)])
    points, share = int(rng.uniform(1000, 4000)), rng.uniform(0.1, 0.3)
    return _laid(f"{process} {kind} repeated", rng, points, int(rng.integers(2, 5)), share)


def lasting(process: str, kind: str, seed: int) -> Labelled | None:
    """A week, and up to three departures of some hours."""
    rng = np.random.default_rng([seed, 5, *map(ord, process + kind)])
    times = int(rng.integers(1, 4))
    return _laid(f"{process} {kind} lasting", rng, LONG, times, rng.uniform(0.02, 0.15))


RECORDINGS = (short, repeated, lasting)


def recordings(seeds: range) -> list[Labelled]:
    """Every machine with every departure that changes it, in every form, once a seed."""
    every = [
        form(process, kind, seed)
        for seed in seeds
        for process in MACHINES
        for kind in RECORDED
        for form in RECORDINGS
    ]
    return [each for each in every if each is not None]
