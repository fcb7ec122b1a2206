"""When will it be full? Readings and ``now`` in, frozen forecasts out.

A level is followed as a trend under every noise model that may hold (``forecasting.trend``), paths
are drawn into the future, and what is said is read off them: the day by which half of them have
reached 90 %, and the days by which a tenth and nine tenths have. A past that is too short, or too
long ago, gets a reason instead of a guess. How well the intervals hold:
``docs/forecast-measured.md``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from reader.forecasting import history, paths
from reader.forecasting.history import DAY, History
from reader.forecasting.models import Floats
from reader.forecasting.trend import trends

Verdict = Literal["filling", "not_filling", "unknown"]

METHOD = "local linear trend, averaged over noise models"
WEEK = 7.0  # days, over which growth is given
SPOKEN = (7.0, 30.0, 90.0)  # days ahead of which a forecast also foretells the value
_TOGETHER = 96  # series filtered side by side: what fits a processor's cache


@dataclass(frozen=True, slots=True)
class Crossing:
    """When a level is reached, in days from now; None where that is past the horizon.

    :ivar days: by then, half of all that may happen has reached it; 0 where it is reached now.
    :ivar earliest: one time in ten it is reached before; ``latest``: one time in ten after.
    """

    level: float
    days: float | None
    earliest: float | None
    latest: float | None


@dataclass(frozen=True, slots=True)
class Ahead:
    """The value in so many days, as a mean over one of the trend's steps: the middle, and an 80 %
    interval."""

    days: float
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """What can be said of one series; values in its unit.

    :ivar verdict: ``filling`` where the 80 % interval of the growth, over the coming week or to
        the horizon, lies above 0.
    :ivar value: the newest reading; None where there is none.
    :ivar growth: per day, over the coming week; None if unknown.
    :ivar growth_low: with ``growth_high``, its 80 % interval.
    :ivar crossings: by level, the lowest first; all None where ``verdict`` is ``unknown``.
    :ivar since: beginning of the trend, seconds since the epoch.
    :ivar step_seconds: length of the steps that the trend is of; None where there is none.
    :ivar jump: the change of level that the trend begins after, or None.
    :ivar horizon_days: how far ahead is spoken of, at most ``history.REACH`` times the past.
    :ivar reason: why nothing can be said, or None.
    """

    verdict: Verdict
    value: float | None
    growth: float | None
    growth_low: float | None
    growth_high: float | None
    crossings: tuple[Crossing, ...]
    ahead: tuple[Ahead, ...]
    method: str | None
    since: float | None
    step_seconds: float | None
    jump: float | None
    horizon_days: float
    reason: str | None


def forecasts(
    series: Sequence[tuple[Floats, Floats]],
    now: float,
    levels: Sequence[float] = (80.0, 90.0, 100.0),
    horizon_days: float = 90.0,
    spoken: Sequence[float] = SPOKEN,
) -> list[Forecast]:
    """Forecasts in the order given; each depends on its own series alone.

    :param series: times in seconds since the epoch and values, in any order, with gaps.
    :param now: seconds since the epoch; what is later plays no part.
    :param levels: in the series' unit.
    :param horizon_days: how far ahead to look.
    :param spoken: days ahead of which the value is foretold too.
    """
    ready = [history.prepare(np.asarray(t, float), np.asarray(v, float), now) for t, v in series]
    found: dict[int, Forecast] = {}
    for i, item in enumerate(ready):
        if isinstance(item, str):
            found[i] = _unknown(item, series[i][1], levels, horizon_days)
        elif np.nanmax(item.values) == np.nanmin(item.values):
            found[i] = _constant(item, levels, horizon_days, spoken)
    moving = [
        (i, item) for i, item in enumerate(ready) if i not in found and isinstance(item, History)
    ]
    moving.sort(key=lambda pair: -len(pair[1].values))
    for start in range(0, len(moving), _TOGETHER):
        some = moving[start : start + _TOGETHER]
        whole = _filtered_together([item for _, item in some], sorted(levels), horizon_days, spoken)
        found.update(zip((i for i, _ in some), whole, strict=True))
    return [found[i] for i in range(len(series))]


def _unknown(reason: str, values: Floats, levels: Sequence[float], horizon_days: float) -> Forecast:
    seen = np.asarray(values, float)
    seen = seen[np.isfinite(seen)]
    crossings = tuple(Crossing(level, None, None, None) for level in sorted(levels))
    value = float(seen[-1]) if len(seen) else None
    return Forecast(
        verdict="unknown", value=value, growth=None, growth_low=None, growth_high=None,
        crossings=crossings, ahead=(), method=None, since=None, step_seconds=None, jump=None,
        horizon_days=horizon_days, reason=reason,
    )  # fmt: skip


def _constant(
    item: History, levels: Sequence[float], horizon_days: float, spoken: Sequence[float]
) -> Forecast:
    horizon = _horizon(item, horizon_days)
    crossings = tuple(_crossing(level, item.last, np.full(3, np.inf)) for level in sorted(levels))
    ahead = tuple(Ahead(d, item.last, item.last, item.last) for d in spoken if d <= horizon)
    return Forecast(
        "not_filling", item.last, 0.0, 0.0, 0.0, crossings, ahead,
        METHOD, item.since, item.seconds, item.jump, horizon, None,
    )  # fmt: skip


def _horizon(item: History, asked: float) -> float:
    return min(asked, history.REACH * len(item.values) * item.seconds / DAY)


def _filtered_together(
    items: Sequence[History], levels: Sequence[float], asked: float, spoken: Sequence[float]
) -> Iterator[Forecast]:
    """Filter and draw for several series at once."""
    longest = len(items[0].values)
    table = np.full((len(items), longest), np.nan)
    for row, item in zip(table, items, strict=True):
        row[longest - len(item.values) :] = item.values
    seconds = np.array([item.seconds for item in items])
    horizons = np.array([_horizon(item, asked) for item in items])
    every = horizons * DAY / seconds / (paths.POINTS - 1)
    ahead = np.array([item.ahead for item in items])
    finest = np.array([item.finest for item in items])
    drawn = paths.draw(trends(table, finest), np.maximum(ahead, 0.0), every)
    _keep_rising(drawn.level, items)
    when = [
        paths.reached(drawn.level, np.array([item.shown_from(level) for item in items]))
        * horizons[:, None]
        for level in levels
    ]
    rates = _growth(drawn.level, np.minimum(1.0, WEEK / horizons), np.minimum(WEEK, horizons))
    surely = _growth(drawn.level, np.ones(len(items)), horizons)[0]
    for i, item in enumerate(items):
        low, middle, high = (float(rate) for rate in rates[:, i])
        verdict: Verdict = "filling" if max(low, surely[i]) > 0.0 else "not_filling"
        if item.only_rises:
            low, middle, high = max(0.0, low), max(0.0, middle), max(0.0, high)
        yield Forecast(
            verdict,
            item.last, middle, low, high,
            tuple(_crossing(x, item.last, w[i]) for x, w in zip(levels, when, strict=True)),
            tuple(_ahead(item, drawn, i, d, horizons[i]) for d in spoken if d <= horizons[i]),
            METHOD + (f", {item.cycle} rhythm" if item.cycle else ""),
            item.since, item.seconds, item.jump, float(horizons[i]), None,
        )  # fmt: skip


def _growth(level: Floats, part: Floats, days: Floats) -> Floats:
    """Quantiles of the growth per day from now to a part of the way to the horizon."""
    last = np.rint(part * (paths.POINTS - 1)).astype(int).clip(1)
    at = np.take_along_axis(level, last[:, None, None], axis=2)[..., 0]
    rates = (at - level[:, :, 0]) / (days * last / (part * (paths.POINTS - 1)))[:, None]
    return np.asarray(np.quantile(rates, paths.QUANTILES, axis=1))


def _keep_rising(level: Floats, items: Sequence[History]) -> None:
    """A counter that never fell will not fall: its paths stay above where it is."""
    for i, item in enumerate(items):
        if item.only_rises:
            np.maximum(level[i], item.last, out=level[i])


def _crossing(level: float, value: float, when: Floats) -> Crossing:
    if value >= level:
        return Crossing(level, 0.0, 0.0, 0.0)
    earliest, days, latest = (float(x) if np.isfinite(x) else None for x in when)
    return Crossing(level, days, earliest, latest)


def _ahead(item: History, drawn: paths.Paths, i: int, days: float, horizon: float) -> Ahead:
    """The value in so many days: the paths there, a reading's noise, and the rhythm."""
    at = days / horizon * (paths.POINTS - 1)
    before = min(int(at), paths.POINTS - 2)
    level = drawn.level[i]
    values = level[:, before] + (at - before) * (level[:, before + 1] - level[:, before])
    values = values + drawn.noise[i]
    if len(item.profile):
        place = days * DAY / item.seconds + item.ahead - 1.0  # steps from the first one's middle
        cycle = np.arange(-1.0, len(item.profile) + 1.0)
        at_cycle = (place + 1.0) % len(item.profile) - 1.0
        values = values + np.interp(
            at_cycle, cycle, np.r_[item.profile[-1], item.profile, item.profile[0]]
        )
    if item.only_rises:
        values = np.maximum(values, item.last)
    low, middle, high = (float(x) for x in np.quantile(values, paths.QUANTILES))
    return Ahead(days, middle, low, high)
