"""Generated files laid out as those of the Numenta benchmark, with windows around their faults.

Eleven processes, none of which is a copy of a public series or was looked at while the detector
was made, and fourteen faults: five reach beyond everything before them, nine stay **within the
range seen before**. Every sixth file has no fault. Values are of any scale.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from benchmarks.series.storage_series import Floats, Random, correlated

START = 1_750_032_000.0  # a Monday, 00:00 UTC
Process = Callable[[Random, int, int], Floats]  # of so many points, so many a day


def _hour(points: int, day: int) -> Floats:
    """The time of day, 0 to 1."""
    return np.arange(points) % day / day


def _working(points: int, day: int) -> Floats:
    """1 on five days of seven."""
    return np.asarray(np.where(np.arange(points) // day % 7 < 5, 1.0, 0.0))


def mentions(rng: Random, points: int, day: int) -> Floats:
    """Counts that come in waves, with a subject of the day now and then."""
    rate = np.exp(rng.uniform(0.3, 0.9) * np.sin(2 * np.pi * (_hour(points, day) - 0.3)))
    rate *= np.exp(correlated(rng, points, 0.97, 0.25))
    for start in np.flatnonzero(rng.random(points) < 0.4 / day):
        tail = np.arange(points - start)
        rate[start:] += rng.lognormal(0.7, 0.7) * np.exp(-tail / rng.uniform(4.0, 20.0))
    return rng.poisson(rng.uniform(5.0, 60.0) * rate).astype(float)


def host(rng: Random, points: int, day: int) -> Floats:
    """Per cent busy: a little always, and jobs by the clock, some of which do not run."""
    values = rng.uniform(1.0, 8.0) * (1.0 + 0.1 * rng.gamma(2.0, 1.0, points))
    period, length = day // int(rng.choice([4, 8, 12, 24])), int(rng.integers(1, 6))
    for start in range(int(rng.integers(period)), points, period):
        if rng.random() < 0.95:
            values[start : start + length] += rng.normal(30.0, 3.0)
    return np.clip(np.round(values, 2), 0.0, 100.0)


def transfers(rng: Random, points: int, _day: int) -> Floats:
    """Bytes: small talk, and transfers at any time, as many-sized as files are."""
    small = rng.lognormal(3.0, 0.3, points)
    large = rng.lognormal(6.0, 0.8, points) * (rng.random(points) < rng.uniform(0.02, 0.15))
    return np.asarray(np.round(small + large, 1))


def boiler(rng: Random, points: int, day: int) -> Floats:
    """A thermostat that switches between two bounds, losing more heat at night."""
    values, heat, on = np.empty(points), 60.0, True
    up, down = rng.uniform(0.8, 2.0), rng.uniform(0.3, 0.8)
    outside = (
        1.0 + 0.3 * np.cos(2 * np.pi * _hour(points, day)) + correlated(rng, points, 0.99, 0.1)
    )
    for i in range(points):
        heat += up if on else -down * max(0.2, outside[i])
        on = heat < 70.0 if on else heat < 58.0
        values[i] = heat
    return values + rng.normal(0.0, 0.4, points)


def roads(rng: Random, points: int, day: int) -> Floats:
    """Speed: free, but for two rush hours on working days, of another depth each."""
    hour, days = _hour(points, day), points // day + 1
    slow = np.zeros(points)
    for middle, width in ((0.34, 0.04), (0.73, 0.06)):
        depth = np.repeat(rng.gamma(6.0, 2.5, days), day)[:points]
        late = np.repeat(rng.normal(0.0, 0.01, days), day)[:points]
        slow += depth * np.exp(-(((hour - middle - late) / width) ** 2))
    return np.round(65.0 - slow * _working(points, day) + correlated(rng, points, 0.5, 2.5))


def prices(rng: Random, points: int, day: int) -> Floats:
    """What a click costs: a weak rhythm, much scatter, a dear hour now and then."""
    wave = 1.0 + 0.2 * np.sin(2 * np.pi * _hour(points, day))
    dear = np.where(rng.random(points) < 0.004, rng.uniform(1.5, 3.0, points), 1.0)
    return np.asarray(0.1 * wave * dear * np.exp(correlated(rng, points, 0.6, 0.25)))


def riders(rng: Random, points: int, day: int) -> Floats:
    """A strong rhythm of day and week with little scatter."""
    hour, work = _hour(points, day), _working(points, day)
    shape = 1.0 - 0.8 * np.exp(-(((hour - 0.18) / 0.1) ** 2))
    shape += 0.3 * work * np.exp(-(((hour - 0.35) / 0.06) ** 2))
    shape += (0.5 - 0.2 * work) * np.exp(-(((hour - 0.95) / 0.08) ** 2))
    return np.round(15_000.0 * shape * (1.0 + correlated(rng, points, 0.9, 0.05)))


def errors(rng: Random, points: int, _day: int) -> Floats:
    """Mostly nothing, and a few at a time."""
    several = rng.poisson(rng.gamma(1.0, 2.0, points)) + 1.0
    return np.where(rng.random(points) < rng.uniform(0.02, 0.1), several, 0.0)


def shifts(rng: Random, points: int, day: int) -> Floats:
    """A plant at work from one hour to another, else idle."""
    first, last = rng.uniform(0.2, 0.4), rng.uniform(0.6, 0.8)
    hour = _hour(points, day)
    busy = np.where((hour > first) & (hour < last), rng.uniform(60.0, 80.0), 20.0)
    return np.asarray(busy + rng.normal(0.0, rng.uniform(0.5, 6.0), points))


def sessions(rng: Random, points: int, day: int) -> Floats:
    """How many are logged in: arrivals by the time of day, each stays for some hours."""
    hour = _hour(points, day)
    arrivals = rng.poisson(4.0 * (1.0 + 0.8 * np.sin(2 * np.pi * (hour - 0.35))) + 0.2)
    values, there, leave = np.empty(points), 80, 1.0 / rng.uniform(15.0, 40.0)
    for i in range(points):
        there += int(arrivals[i]) - int(rng.binomial(there, leave))
        values[i] = there
    return values


def batches(rng: Random, points: int, day: int) -> Floats:
    """A cycle of some hours that no clock knows: filled, held, emptied."""
    period = rng.uniform(0.15, 0.45) * day
    phase = np.cumsum(1.0 + 0.2 * correlated(rng, points, 0.95, 1.0)) / period % 1.0
    shape = np.interp(phase, [0.0, 0.4, 0.7, 0.8, 1.0], [0.1, 1.0, 0.9, 0.15, 0.1])
    return np.asarray(rng.uniform(5.0, 500.0) * (shape + rng.normal(0.0, 0.03, points)))


PROCESSES: Mapping[str, Process] = {
    each.__name__: each
    for each in (
        mentions, host, transfers, boiler, roads, prices, riders, errors, shifts, sessions, batches,
    )
}  # fmt: skip
BY_THE_CLOCK = ("mentions", "roads", "riders", "shifts", "sessions")
"""Those of a rhythm that a fault of the time of day can break."""

DOWN_TO_NOTHING = ("mentions", "transfers", "errors")
"""Those below whose usual values there is nothing."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a fault is laid: the values as they would be, and what was before.

    :ivar values: of the stretch.
    :ivar past: everything before it.
    :ivar day: points a day.
    """

    values: Floats
    past: Floats
    day: int
    rng: Random

    @property
    def width(self) -> float:
        """From the smallest to the largest so far, but for a hundredth at either end."""
        low, high = np.percentile(self.past, [1, 99])
        return float(high - low) or float(np.ptp(self.past)) or 1.0

    @property
    def either(self) -> float:
        return float(self.rng.choice([-1.0, 1.0]))

    def within(self, values: Floats) -> Floats:
        """Nothing is larger or smaller than what was there before."""
        return np.clip(values, self.past.min(), self.past.max())

    def smooth(self) -> Floats:
        """The level that the stretch follows, over two hours."""
        span = max(3, self.day // 12)
        padded = np.pad(self.values, span // 2, mode="edge")
        return np.convolve(padded, np.ones(span) / span, "same")[span // 2 :][: self.values.size]


Fault = Callable[[Place], Floats]


def spike(at: Place) -> Floats:
    """A few points far above everything."""
    values, size = at.values.copy(), min(at.values.size, int(at.rng.integers(1, 7)))
    values[:size] = at.past.max() + at.rng.uniform(0.15, 1.0, size) * np.ptp(at.past)
    return values


def above(at: Place) -> Floats:
    """A level beyond everything so far."""
    return np.asarray(at.values + at.past.max() - np.median(at.values) + 0.2 * at.width)


def below(at: Place) -> Floats:
    """And one below."""
    return np.asarray(at.values + at.past.min() - np.median(at.values) - 0.2 * at.width)


def wild(at: Place) -> Floats:
    """Scatter several times as wide, beyond the range."""
    noise = at.rng.normal(0.0, at.rng.uniform(0.4, 0.8) * at.width, at.values.size)
    return np.asarray(at.values + noise)


def leak(at: Place) -> Floats:
    """A climb that ends beyond everything so far."""
    return np.asarray(at.values + np.linspace(0.0, 1.3 * at.width, at.values.size))


def moved(at: Place) -> Floats:
    """A level elsewhere in the range."""
    return at.within(at.values + at.either * at.rng.uniform(0.25, 0.5) * at.width)


def drifting(at: Place) -> Floats:
    """A climb or fall within the range."""
    slope = np.linspace(0.0, at.rng.uniform(0.4, 0.8) * at.width, at.values.size)
    return at.within(at.values + at.either * slope)


def restless(at: Place) -> Floats:
    """More scatter about the same level."""
    noise = at.rng.normal(0.0, at.rng.uniform(0.15, 0.3) * at.width, at.values.size)
    return at.within(at.values + noise)


def calm(at: Place) -> Floats:
    """Less scatter than ever."""
    level = at.smooth()
    return np.asarray(level + 0.2 * (at.values - level))


def quiet(at: Place) -> Floats:
    """Hardly anything of what used to go on."""
    least = np.percentile(at.past, 10)
    return np.asarray(least + 0.15 * (at.values - least))


def stuck(at: Place) -> Floats:
    """One value of many, again and again."""
    return np.full_like(at.values, at.rng.choice(at.past[-at.day :]))


def hasty(at: Place) -> Floats:
    """The same shapes, two and a half times as fast or as slow."""
    if at.rng.random() < 0.5:
        rows = (np.arange(at.values.size) * 2.5).astype(int)
        stretch = np.concatenate([at.values, at.past[-2 * at.values.size :]])
        return np.asarray(stretch[rows % stretch.size])
    return np.asarray(at.values[(np.arange(at.values.size) * 0.4).astype(int)])


def late(at: Place) -> Floats:
    """What belongs to another time of day, a third to two thirds of a day off."""
    back = at.day - int(at.rng.uniform(0.33, 0.67) * at.day)
    return np.resize(at.past[-back:], at.values.size)


def untimely(at: Place) -> Floats:
    """An ordinary rush of two to six hours at the quietest hour of the stretch, or a lull at its
    busiest."""
    values, size = at.values.copy(), min(at.values.size, int(at.rng.uniform(0.08, 0.25) * at.day))
    sums = np.convolve(values, np.ones(size), "valid")
    week = at.past[-7 * at.day :]
    past = np.convolve(week, np.ones(size), "valid")
    rush = at.rng.random() < 0.5
    to, start = (sums.argmin(), past.argmax()) if rush else (sums.argmax(), past.argmin())
    values[to : to + size] = week[start : start + size]
    return values


BEYOND: Mapping[str, Fault] = {f.__name__: f for f in (spike, above, below, wild, leak)}
ANY_TIME: Mapping[str, Fault] = {
    f.__name__: f for f in (moved, drifting, restless, calm, quiet, stuck, hasty)
}
TIMED: Mapping[str, Fault] = {f.__name__: f for f in (late, untimely)}
WITHIN: Mapping[str, Fault] = {**ANY_TIME, **TIMED}


@dataclass(frozen=True, slots=True)
class LabelledFile:
    """A series with its faults.

    :ivar times: seconds since the epoch; a tenth of the rows is missing in every third file.
    :ivar windows: first and last row of each fault's window, in order.
    :ivar faults: the fault of each window.
    """

    name: str
    times: Floats
    values: Floats
    windows: tuple[tuple[int, int], ...]
    faults: tuple[str, ...]


def labelled_file(process: str, number: int) -> LabelledFile:
    """One file; the number is its seed."""
    rng = np.random.default_rng([number, sum(map(ord, process)), 53])
    day = int(rng.choice([288, 288, 288, 48, 24]))
    points = int(rng.uniform(4000, 8000) if rng.random() < 0.85 else rng.uniform(8000, 20_000))
    points = min(points, 120 * day)
    values = PROCESSES[process](rng, points, day)
    kept = rng.random(points) < 0.9 if rng.random() < 1 / 3 else np.ones(points, dtype=bool)
    count = 0 if rng.random() < 1 / 6 else int(rng.integers(1, 5))
    windows, faults = list[tuple[int, int]](), list[str]()
    width = points // 10 // max(1, count)
    room = (points * 8 // 10) // max(1, count)  # for each of the windows, after the first fifth
    for one in range(count):
        left = points // 5 + one * room + int(rng.uniform(0.0, room - width))
        fault = _pick(process, rng)
        _lay(fault, values, left + int(rng.uniform(0.2, 0.5) * width), width, day, rng)
        windows.append((left, left + width - 1))
        faults.append(fault)
    rows = np.cumsum(kept) - 1  # where each row of all is among those kept
    times = np.asarray(START + np.arange(points) * (86_400.0 / day), dtype=np.float64)
    moved_to = tuple((int(rows[a]) + (not kept[a]), int(rows[b])) for a, b in windows)
    return LabelledFile(f"{process}/{number}", times[kept], values[kept], moved_to, tuple(faults))


def _pick(process: str, rng: Random) -> str:
    """Half of the faults reach beyond the range, half stay within it."""
    inside = [*ANY_TIME, *(TIMED if process in BY_THE_CLOCK else ())]
    beyond = [fault for fault in BEYOND if fault != "below" or process not in DOWN_TO_NOTHING]
    return str(rng.choice(beyond if rng.random() < 0.5 else inside))


def _lay(fault: str, values: Floats, start: int, width: int, day: int, rng: Random) -> None:
    """Lay a fault over the values: it ends within its window; a level may stay for good."""
    size = int(rng.uniform(0.2, 0.5) * width)
    if fault in TIMED:
        size = max(size, day // 2)
    if fault in ("above", "below", "moved") and rng.random() < 0.25:
        size = values.size
    stretch = slice(start, start + size)
    laid = {**BEYOND, **WITHIN}[fault]
    least = min(0.0, float(values[:start].min()))  # what was never negative does not become so
    found = laid(Place(values[stretch].copy(), values[:start].copy(), day, rng))
    values[stretch] = np.maximum(found, least)


def corpus(seeds: range) -> list[LabelledFile]:
    """A file of each process for each seed."""
    return [labelled_file(process, seed) for seed in seeds for process in PROCESSES]
