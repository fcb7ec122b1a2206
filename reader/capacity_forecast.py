"""Forecasts as answers show them, each with its sentence, and as health takes them. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal, NamedTuple

import numpy as np

from reader.forecast import Crossing, Forecast, forecasts
from reader.forecasting.history import DAY, duration
from reader.forecasting.models import Floats
from reader.health_reasons import Finding
from spindle import catalog, timestamps
from spindle.store.base import Step

LENGTHS = (900.0, 3600.0, 21_600.0, 86_400.0)  # of the steps that a store is asked for, in seconds
_DENSE = 0.6  # part of the steps that must hold a reading, or they are too short for the device
FULL = 100.0  # what counts as full of a metric in per cent
PARTS = (0.8, 0.9, 1.0)  # of full: the levels that are foretold
WARNING_DAYS = 14.0  # full in so many days is a warning: time enough to order and install
CRITICAL_DAYS = 2.0  # and in so many, critical
_NS = float(timestamps.NS)


class Name(NamedTuple):
    """Of one series."""

    source_device: str
    metric_type: str
    device_id: str
    array_id: str


def readings(
    spans: Iterable[tuple[Sequence[Step], float]], now: float
) -> dict[Name, tuple[Floats, Floats]]:
    """Times in seconds and values of every series, each reading in the middle of its step.

    Steps shorter than what a device sends in would put its readings at other places of its
    interval than longer steps do, and the trend would have a bend where one follows the other: such
    steps are joined to longer ones.

    :param spans: answers of a store, each with the length of its steps in seconds, one of
        ``LENGTHS``.
    :param now: seconds since the epoch; a step that is not over is known up to then.
    """
    found: defaultdict[Name, defaultdict[float, list[tuple[int, float, int]]]]
    found = defaultdict(lambda: defaultdict(list))
    for steps, seconds in spans:
        for step in steps:
            name = Name(step.source_device, step.metric_type, step.device_id, step.array_id)
            found[name][seconds].append((step.time_ns, step.mean, step.count))
    return {name: _placed(by_length, now) for name, by_length in found.items()}


def _placed(
    by_length: Mapping[float, Sequence[tuple[int, float, int]]], now: float
) -> tuple[Floats, Floats]:
    """One series' times and values."""
    times, values = np.empty(0), np.empty(0)
    joined = np.empty((0, 3))  # of shorter steps: begin in seconds, mean, count
    for seconds in LENGTHS:
        these = np.array(by_length.get(seconds, ()), dtype=np.float64).reshape(-1, 3)
        these[:, 0] /= _NS
        these = _joined(np.concatenate([joined, these]), seconds)
        joined = np.empty((0, 3))
        if len(these) == 0:
            continue
        possible = (these[:, 0].max() - these[:, 0].min()) / seconds + 1.0
        if len(these) < _DENSE * possible and seconds != LENGTHS[-1]:
            joined = these
        else:
            ends = np.minimum(these[:, 0] + seconds, max(now, these[-1, 0]))
            times = np.r_[times, (these[:, 0] + ends) / 2.0]
            values = np.r_[values, these[:, 1]]
    return times, values


def _joined(steps: Floats, seconds: float) -> Floats:
    """Steps of this length made of shorter ones."""
    begins, place = np.unique(steps[:, 0] // seconds * seconds, return_inverse=True)
    if len(begins) == len(steps):
        return np.column_stack([begins, steps[np.argsort(steps[:, 0]), 1:]])
    count = np.bincount(place, steps[:, 2])
    return np.column_stack([begins, np.bincount(place, steps[:, 1] * steps[:, 2]) / count, count])


def full_at(metric_type: str, asked: float | None) -> float | None:
    """The value at which it is full: as asked, else 100 of what fills up in per cent."""
    known = catalog.metric(metric_type)
    if asked is not None or known is None or known.unit != "%" or known.bad != "high":
        return asked
    return FULL


def made(
    series: Mapping[Name, tuple[Floats, Floats]],
    now: float,
    horizon_days: float,
    full: float | None,
) -> list[tuple[Name, Forecast]]:
    """Every series' forecast, the soonest full first, then what is not foretold.

    :param series: of one metric type.
    :param now: seconds since the epoch.
    :param full: its levels are foretold as parts of this; None for growth alone.
    """
    levels = [] if full is None else [part * full for part in PARTS]
    found = forecasts(list(series.values()), now, levels, horizon_days)
    return sorted(zip(series, found, strict=True), key=_soonest)


def _soonest(pair: tuple[Name, Forecast]) -> tuple[float | str, ...]:
    name, forecast = pair
    days: list[float] = []
    for crossing in reversed(forecast.crossings):
        days += [_or_never(crossing.days), _or_never(crossing.earliest)]
    rank = ("filling", "not_filling", "unknown").index(forecast.verdict)
    growth = -forecast.growth if forecast.growth is not None else 0.0
    return (*days, rank, growth, *name)


def _or_never(days: float | None) -> float:
    return float("inf") if days is None else days


def row(name: Name, forecast: Forecast) -> dict[str, Any]:
    """One series' forecast as a flat object; ``message`` says it in a sentence."""
    unit = _unit(name.metric_type)
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
        "step": forecast.step,
        "reason": forecast.reason,
        "message": sentence(name.metric_type, forecast),
    }


def _unit(metric_type: str) -> str:
    known = catalog.metric(metric_type)
    return known.unit if known else ""


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else timestamps.format_ns(int(seconds) * timestamps.NS)


def sentence(metric_type: str, forecast: Forecast) -> str:
    """``CapacityUsed 66 %, 0.8 % a day: 80 % in 18 days (17 to 19), not 90 % within 30 days.``"""
    unit = f" {_unit(metric_type)}".rstrip()
    if forecast.value is None or forecast.growth is None:
        return f"No forecast of {metric_type}: {forecast.reason}."
    start = f"{metric_type} {forecast.value:.3g}{unit}"
    after = "" if forecast.step is None else f", since a step of {forecast.step:+.3g}{unit}"
    low, high = f"{forecast.growth_low:.2g}", f"{forecast.growth_high:.2g}"
    between = low if low == high else f"{low} to {high}"
    if forecast.verdict == "not_filling":
        start = f"{start}, not filling{after}: growth {between}{unit} a day"
    else:
        around = "" if low == high else f" ({between})"
        start = f"{start}, growing {forecast.growth:.2g}{unit} a day{around}{after}"
    told = [_crossing(crossing, unit) for crossing in forecast.crossings if crossing.earliest != 0]
    told = [part for part in told if part]
    if not told and forecast.crossings and forecast.verdict == "filling":
        coming = [c.level for c in forecast.crossings if c.days is None]
        if coming:
            told = [f"not {coming[0]:g}{unit} within {duration(forecast.horizon_days * DAY)}"]
    return f"{start}; {', '.join(told)}." if told else f"{start}."


def _crossing(crossing: Crossing, unit: str) -> str:
    """When a level comes; empty where hardly one path in ten reaches it."""
    level = f"{crossing.level:g}{unit}"
    if crossing.earliest is None:
        return ""
    earliest = duration(crossing.earliest * DAY)
    if crossing.days is None:
        return f"{level} in {earliest} at the earliest"
    latest = "later" if crossing.latest is None else duration(crossing.latest * DAY)
    if earliest.split(" ")[1:] == latest.split(" ")[1:]:
        earliest = earliest.split(" ")[0]
    return f"{level} in {duration(crossing.days * DAY)} ({earliest} to {latest})"


def filling_reason(
    name: Name,
    forecast: Forecast,
    now_ns: int,
    warning_days: float = WARNING_DAYS,
    critical_days: float = CRITICAL_DAYS,
) -> Finding | None:
    """What health should know: it fills, and half of what may happen has it full that soon.

    :returns: None where there is nothing to worry about, or nothing known. A level that is reached
        already is the thresholds' business: 100 % is the level looked at here.
    """
    if forecast.verdict != "filling" or not forecast.crossings or forecast.value is None:
        return None
    full = forecast.crossings[-1]
    if full.days is None or full.days == 0.0 or full.days > warning_days:
        return None
    severity: Literal["warning", "critical"] = (
        "critical" if full.days <= critical_days else "warning"
    )
    return Finding(
        name.source_device,
        name.device_id,
        name.metric_type,
        severity,
        now_ns,
        forecast.value,
        _unit(name.metric_type),
        full.level,
        sentence(name.metric_type, forecast),
    )
