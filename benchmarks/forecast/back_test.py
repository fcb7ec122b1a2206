"""Do the 80 % intervals hold 80 % of what comes? Back-tests on simulated and public series.

Each case is a series cut off at an origin: the forecast sees what was before it, and is held
against what came after. Nothing of a case is used to set anything.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.forecast.cases import NOW, Case
from benchmarks.forecast.rows import DAY_PARTS, Days, Line, Result, Speed
from benchmarks.forecast.sets import GROUPS, SIMULATED, Pasts, everything
from benchmarks.series.storage_series import Floats
from reader.forecasting.forecast import Forecast, forecasts
from reader.forecasting.history import DAY
from reader.forecasting.paths import QUANTILES

SEED = 91_003  # not one of those looked at while the models were set
_SERIES = 60  # of a process and length of past, in one call
_SPEED = 1000  # devices of the measurement of time


@dataclass(frozen=True, slots=True)
class Outcome:
    """One value foretold and seen; ``slope`` and ``line`` are what simple ways foretold."""

    horizon: float
    inside: bool
    width: float
    pinball: float
    change: float
    error: float
    slope: float
    line: float
    still: float


@dataclass(frozen=True, slots=True)
class Dated:
    """One level whose day was foretold.

    :ivar open: only ``earliest`` was named, ``latest`` lay past the horizon: such an interval
        claims 90 %, not 80.
    :ivar before: it came before ``earliest``; ``after``: after ``latest``.
    """

    open: bool
    before: bool
    after: bool


Tick = Callable[[], None]


def run(series: int, tick: Tick = lambda: None, seed: int = SEED) -> tuple[list[Line], list[str]]:
    """Every back-test; and why one was left out.

    :param series: of each simulated kind and length of past.
    :param seed: of what is simulated.
    """
    lines: list[Line] = []
    notes: list[str] = []
    for group, kind, pasts in everything(series, seed, notes):
        lines += _judged(group, kind, pasts, tick)
    lines += _all(lines)
    lines.append(speed())
    return lines, notes


def _judged(group: str, kind: str, pasts: Pasts, tick: Tick) -> Iterator[Line]:
    dated: list[Dated] = []
    for past, cases in pasts.items():
        outcomes: list[Outcome] = []
        days: list[Dated] = []
        for start in range(0, len(cases), _SERIES):
            some, these = judge(cases[start : start + _SERIES])
            outcomes += some
            days += these
        tick()
        dated += days
        if group in SIMULATED:
            for horizon in dict.fromkeys(each.horizon for each in outcomes):
                those = [each for each in outcomes if each.horizon == horizon]
                yield _result(group, kind, past, f"{horizon:g} d", those)
            yield _days(group, kind, past, days)
        elif outcomes:
            yield _result(group, kind, past, "any", outcomes)
    yield _days(group, kind, "all", dated)


def _days(group: str, kind: str, past: str, dated: Sequence[Dated]) -> Days:
    closed = [each for each in dated if not each.open]
    ends = len(dated) - len(closed)
    before, after = _part([each.before for each in closed]), _part([each.after for each in closed])
    early = _part([each.before for each in dated if each.open])
    return Days(
        group, kind, past, len(closed), round(1.0 - before - after, 4), before, after,
        ends, round(1.0 - early, 4),
    )  # fmt: skip


def _part(those: Sequence[bool]) -> float:
    return round(float(np.mean(those)), 4) if those else float("nan")


def all_readings(case: Case) -> tuple[Floats, Floats]:
    """Times and values before the origin."""
    before = case.times <= case.now
    return case.times[before], case.values[before]


def judge(
    cases: Sequence[Case], see: Callable[[Case], tuple[Floats, Floats]] = all_readings
) -> tuple[list[Outcome], list[Dated]]:
    """Forecast every case, and hold it against what came.

    :param see: what the forecast sees of it.
    """
    outcomes: list[Outcome] = []
    dated: list[Dated] = []
    for case in cases:
        times, values = all_readings(case)
        far = max(case.horizons)
        span = float(values[-1] - values[len(values) // 2])
        levels = [values[-1] + span * part for part in (0.25, 0.5, 1.0)] if span > 0.0 else []
        (found,) = forecasts([see(case)], case.now, levels, far, case.horizons)
        outcomes += _values(case, found, times, values)
        dated += _dates(case, found, far)
    return outcomes, dated


def _values(case: Case, found: Forecast, times: Floats, values: Floats) -> Iterator[Outcome]:
    week = times > case.now - min(7.0 * DAY, (case.now - times[0]) / 2)
    slope, _ = np.polyfit(times[week] - case.now, values[week], 1)
    line = np.polyfit(times - case.now, values, 1)
    for ahead in found.ahead:
        after = case.now + ahead.days * DAY
        half = (found.step_seconds or 0.0) / 2  # what is foretold is the mean of a step
        there = np.abs(case.times - after) <= half
        actual = float(
            case.values[there].mean() if there.any() else np.interp(after, case.times, case.values)
        )
        yield Outcome(
            ahead.days,
            ahead.low <= actual <= ahead.high,
            ahead.high - ahead.low,
            _pinball((ahead.low, ahead.value, ahead.high), actual),
            abs(actual - values[-1]),
            abs(actual - ahead.value),
            abs(actual - values[-1] - slope * (after - case.now)),
            abs(actual - float(np.polyval(line, after - case.now))),
            abs(actual - values[-1]),
        )


def _pinball(foretold: Sequence[float], actual: float) -> float:
    """The mean loss of the three quantiles: a wide interval costs as well as one that is missed."""
    pairs = zip(QUANTILES, foretold, strict=True)
    return float(np.mean([max(q * (actual - x), (q - 1.0) * (actual - x)) for q, x in pairs]))


def _dates(case: Case, found: Forecast, far: float) -> Iterator[Dated]:
    """Levels of which the forecast names a day."""
    for crossing in found.crossings:
        if crossing.days and crossing.earliest is not None:
            came = _came(case, crossing.level, far)
            late = crossing.latest is not None and came > crossing.latest
            yield Dated(crossing.latest is None, came < crossing.earliest, late)


def _came(case: Case, level: float, far: float) -> float:
    """Days until the level was reached, on the line between two readings; infinite past ``far``."""
    first = int(np.searchsorted(case.times, case.now, side="right"))
    above = np.flatnonzero(case.level[first:] >= level)
    if len(above) == 0:
        return np.inf
    i = first + int(above[0])
    low, high = case.level[i - 1], case.level[i]
    part = (level - low) / (high - low) if low < level else 1.0
    moment = case.times[i - 1] + part * (case.times[i] - case.times[i - 1])
    days = max(0.0, float(moment - case.now) / DAY)
    return days if days <= far else np.inf


def _result(group: str, kind: str, past: str, horizon: str, those: Sequence[Outcome]) -> Result:
    change = max(float(np.mean([each.change for each in those])), 1e-12)

    def part(name: str) -> float:
        typical = np.median if name == "width" else np.mean  # a few intervals are without end
        return round(float(typical([getattr(each, name) for each in those])) / change, 3)

    inside = float(np.mean([each.inside for each in those]))
    return Result(
        group, kind, past, horizon, len(those), round(inside, 4),
        part("width"), part("pinball"), part("error"), part("slope"), part("line"), part("still"),
    )  # fmt: skip


def _all(lines: Sequence[Line]) -> Iterator[Line]:
    """Means over kinds, each counting the same."""
    for group in GROUPS:
        rows = [each for each in lines if isinstance(each, Result) and each.group == group]
        for horizon in dict.fromkeys(row.horizon for row in rows):
            yield _mean(group, [row for row in rows if row.horizon == horizon], horizon)
        if len({row.horizon for row in rows}) > 1:
            yield _mean(group, rows, "all")
        days = [each for each in lines if isinstance(each, Days) and each.group == group]
        for past in dict.fromkeys(each.past for each in days):
            yield _mean_days(group, past, [each for each in days if each.past == past])


def _mean_days(group: str, past: str, those: Sequence[Days]) -> Days:
    """Of kinds, each counting the same; but open intervals are too few for that: of cases."""
    closed = [each for each in those if each.cases]
    coverage, before, after = (
        round(float(np.mean([getattr(each, name) for each in closed])), 4) for name in DAY_PARTS
    )
    opened = [each for each in those if each.open_cases]
    count = sum(each.open_cases for each in opened)
    held = sum(each.open_cases * each.open_coverage for each in opened)
    return Days(
        group, "mean", past, sum(each.cases for each in closed), coverage, before, after,
        count, round(held / count, 4) if count else float("nan"),
    )  # fmt: skip


def _mean(group: str, rows: Sequence[Result], horizon: str) -> Result:
    names = ("coverage", "width", "pinball", "error", "last_week", "least_squares", "no_growth")
    means = [round(float(np.mean([getattr(row, name) for row in rows])), 4) for name in names]
    return Result(group, "mean", "all", horizon, sum(row.cases for row in rows), *means)


def speed() -> Speed:
    """A week of half-hours of a fleet."""
    times = NOW - np.arange(0.0, 7 * DAY, 1800.0)[::-1]
    fleet = []
    for number in range(_SPEED):
        rng = np.random.default_rng([SEED, number])
        fleet.append((times, 20.0 + np.cumsum(rng.gamma(0.3, 0.02, times.size))))
    began, busy = time.perf_counter(), time.process_time()
    forecasts(fleet, NOW)
    spent, worked = time.perf_counter() - began, time.process_time() - busy
    return Speed(_SPEED, round(spent, 2), round(worked, 2))
