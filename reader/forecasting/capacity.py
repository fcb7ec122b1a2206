"""Forecasts as answers show them, each with its sentence, and as health takes them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal, NamedTuple

import numpy as np

from reader.detection.findings import Finding
from reader.forecasting import short_term
from reader.forecasting.forecast import Crossing, Forecast, forecasts
from reader.forecasting.history import DAY
from reader.forecasting.models import Floats
from spindle import catalog, timestamps
from spindle.store.base import Bucket, Latest, SeriesKey

FULL = 100.0  # what counts as full of a metric in per cent
PARTS = (0.8, 0.9, 1.0)  # of full: the levels that are foretold
WARNING_DAYS = 14.0  # full in so many days is a warning: time enough to order and install
CRITICAL_DAYS = 2.0  # and in so many, critical
_NS = float(timestamps.NS)
_ONE = {"days": "a day", "h": "an hour", "min": "a minute", "s": "a second"}


class Samples(NamedTuple):
    """The first reading of each step of a stretch of time.

    :ivar begin: of the stretch, in seconds.
    :ivar length: of a step, in seconds.
    """

    steps: Sequence[Bucket]
    begin: float
    length: float


def readings(
    newest: Iterable[Latest], spans: Sequence[Samples]
) -> dict[SeriesKey, tuple[Floats, Floats]]:
    """Times in seconds and values of every series: its samples, and its newest reading.

    :param newest: of each series, where it has one that is not later than now.
    :param spans: of all series, oldest first; the last in the shortest steps.
    """
    found: defaultdict[SeriesKey, list[Floats]]
    found = defaultdict(lambda: [np.empty((0, 2))] * (len(spans) + 1))
    for i, span in enumerate(spans):
        parts: defaultdict[SeriesKey, list[tuple[float, float]]] = defaultdict(list)
        for step in span.steps:
            if catalog.is_possible(step.metric_type, step.mean):
                parts[step.key].append((step.time_ns / _NS, step.mean))
        for name, part in parts.items():
            found[name][i] = np.array(part)
    for last in newest:
        found[last.key][-1] = np.array([(last.time_ns / _NS, last.value)])
    return {name: _placed(parts, spans) for name, parts in found.items()}


def _placed(parts: Sequence[Floats], spans: Sequence[Samples]) -> tuple[Floats, Floats]:
    """One series' times and values.

    A store says in which step a sample lies, not where: at the beginning of an hour where readings
    come every minute, anywhere in it where they come once an hour. Where they would lie in the
    longer steps of old, the short steps of late show; else the trend would bend where one follows
    the other.

    :param parts: times and values of each span, and of the newest reading.
    """
    *sampled, newest = parts
    begins = next((i for i, part in enumerate(sampled[:-1]) if len(part)), None)
    if begins is not None:  # with a part of a step: its first reading may be from anywhere in it
        sampled[begins] = sampled[begins][1:]
    late = np.concatenate([*sampled[-1:], newest])[:, 0]
    usual, placed = 0.0, [newest]
    for part, span in zip(reversed(sampled), reversed(spans), strict=True):
        if span is not spans[-1]:
            usual = _offset(late[late >= spans[-1].begin], span.length, spans[-1].begin, usual)
        placed.append(part + np.array([usual, 0.0]))
    times, values = np.concatenate(placed[::-1]).T
    return times, values


def _offset(late: Floats, length: float, begin: float, otherwise: float) -> float:
    """How far into a step of this length its first reading lies, on average.

    :param late: times of readings, oldest first, whole from ``begin`` on.
    """
    steps, first = np.unique(late // length * length, return_index=True)
    whole = steps >= begin
    return float(np.mean((late[first] - steps)[whole])) if whole.any() else otherwise


def full_at(metric_type: str, asked: float | None) -> float | None:
    """The value at which it is full: as asked, else 100 of what fills up in per cent."""
    known = catalog.metric(metric_type)
    if asked is not None or known is None or known.unit != "%" or known.bad != "high":
        return asked
    return FULL


def soonest_first(
    series: Mapping[SeriesKey, tuple[Floats, Floats]],
    now: float,
    horizon_days: float,
    full: float | None,
) -> list[tuple[SeriesKey, Forecast]]:
    """Every series' forecast, the soonest full first, then what is not foretold.

    :param series: of one metric type.
    :param now: seconds since the epoch.
    :param full: its levels are foretold as parts of this; None for growth alone.
    """
    levels = [] if full is None else [part * full for part in PARTS]
    found = forecasts(list(series.values()), now, levels, horizon_days)
    return sorted(zip(series, found, strict=True), key=_soonest)


def with_short_term(
    made: Sequence[tuple[SeriesKey, Forecast]],
    late: Mapping[SeriesKey, tuple[Floats, Floats]],
    usual: Mapping[SeriesKey, float],
    now: float,
    full: float | None,
) -> list[tuple[SeriesKey, Forecast]]:
    """The forecasts of ``soonest_first``, sooner where the last minutes plainly say so.

    :param late: the readings of the last ``short_term.SPAN_SECONDS``, by minutes.
    :param usual: what each series has risen by before: ``short_term.usual_rise``.
    """
    if full is None:
        return list(made)
    levels = [part * full for part in PARTS]
    found = []
    for name, trend in made:
        line = None
        if name in late:
            line = short_term.forecast(*late[name], now, levels, usual.get(name, 0.0))
        full_by = _or_never(trend.crossings[-1].days)
        sooner = line is not None and _or_never(line.crossings[-1].days) < full_by
        found.append((name, line if line is not None and sooner else trend))
    return sorted(found, key=_soonest)


def _soonest(pair: tuple[SeriesKey, Forecast]) -> tuple[float | str, ...]:
    name, forecast = pair
    days: list[float] = []
    for crossing in reversed(forecast.crossings):
        days += [_or_never(crossing.days), _or_never(crossing.earliest)]
    rank = ("filling", "not_filling", "unknown").index(forecast.verdict)
    growth = -forecast.growth if forecast.growth is not None else 0.0
    return (*days, rank, growth, *name)


def _or_never(days: float | None) -> float:
    return float("inf") if days is None else days


def row(name: SeriesKey, forecast: Forecast) -> dict[str, Any]:
    """One series' forecast as a flat object; ``message`` says it in a sentence."""
    unit = catalog.unit(name.metric_type)
    return {
        "device_id": name.device_id,
        "source_device": name.source_device,
        "array_id": name.array_id or None,
        "metric_type": name.metric_type,
        "unit": unit,
        "verdict": forecast.verdict,
        "value": forecast.value,
        "growth_per_day": forecast.growth,
        "growth_low": forecast.growth_low,
        "growth_high": forecast.growth_high,
        "days_until": [asdict(crossing) for crossing in forecast.crossings],
        "ahead": [asdict(ahead) for ahead in forecast.ahead],
        "horizon_days": forecast.horizon_days,
        "method": forecast.method,
        "since": _time(forecast.since),
        "step": forecast.jump,
        "reason": forecast.reason,
        "message": sentence(name.metric_type, forecast),
    }


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else timestamps.format_ns(int(seconds) * timestamps.NS)


def sentence(metric_type: str, forecast: Forecast) -> str:
    """``CapacityUsed 66 %, 0.8 % a day: 80 % in 18 days (17 to 19), not 90 % within 30 days.``"""
    unit = f" {catalog.unit(metric_type)}".rstrip()
    if forecast.value is None or forecast.growth is None:
        return f"No forecast of {metric_type}: {forecast.reason}."
    start = f"{metric_type} {forecast.value:.3g}{unit}"
    after = "" if forecast.jump is None else f", since a step of {forecast.jump:+.3g}{unit}"
    scale, per = (1 / 1440, "a minute") if forecast.horizon_days < 1.0 else (1.0, "a day")
    growth, *ends = (
        scale * (each or 0.0)
        for each in (forecast.growth, forecast.growth_low, forecast.growth_high)
    )
    low, high = (f"{each:.2g}" for each in ends)
    between = low if low == high else f"{low} to {high}"
    if forecast.verdict == "not_filling":
        start = f"{start}, not filling{after}: growth {between}{unit} {per}"
    else:
        around = "" if low == high else f" ({between})"
        start = f"{start}, growing {growth:.2g}{unit} {per}{around}{after}"
    told = [_crossing(crossing, unit) for crossing in forecast.crossings if crossing.earliest != 0]
    told = [part for part in told if part]
    if not told and forecast.crossings and forecast.verdict == "filling":
        coming = [c.level for c in forecast.crossings if c.days is None]
        if coming:
            told = [f"not {coming[0]:g}{unit} within {_days(forecast.horizon_days)}"]
    return f"{start}; {', '.join(told)}." if told else f"{start}."


def _days(days: float) -> str:
    return timestamps.duration(days * DAY, decimals=True)


def _crossing(crossing: Crossing, unit: str) -> str:
    """When a level comes; empty where hardly one path in ten reaches it."""
    level = f"{crossing.level:g}{unit}"
    if crossing.earliest is None:
        return ""
    earliest = _days(crossing.earliest)
    if crossing.days is None:
        return f"{level} in {earliest} at the earliest"
    middle = _days(crossing.days)
    if crossing.latest is None:
        return f"{level} in {middle} ({earliest} or later)"
    latest = _days(crossing.latest)
    if earliest == latest:
        return f"{level} in {latest} (give or take less than {_ONE[latest.split(' ')[1]]})"
    if earliest.split(" ")[1:] == latest.split(" ")[1:]:
        earliest = earliest.split(" ")[0]
    return f"{level} in {middle} ({earliest} to {latest})"


def filling_finding(name: SeriesKey, forecast: Forecast, now_ns: int) -> Finding | None:
    """The finding that a device is full soon: half of its paths reach the highest level in time.

    :returns: None where there is nothing to worry about, or nothing known. A level that is reached
        already is the thresholds' business: 100 % is the level looked at here.
    """
    if forecast.verdict != "filling" or not forecast.crossings or forecast.value is None:
        return None
    full = forecast.crossings[-1]
    if full.days is None or full.days == 0.0 or full.days > WARNING_DAYS:
        return None
    severity: Literal["warning", "critical"] = (
        "critical" if full.days <= CRITICAL_DAYS else "warning"
    )
    return Finding(
        name.source_device,
        name.device_id,
        name.metric_type,
        severity,
        now_ns,
        forecast.value,
        catalog.unit(name.metric_type),
        full.level,
        sentence(name.metric_type, forecast),
        array_id=name.array_id,
    )
