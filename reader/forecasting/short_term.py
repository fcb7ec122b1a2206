"""Full within hours: a line through the last minutes, where growth is plain. Pure.

The trends of ``forecast`` are of steps of a quarter of an hour and longer. A log that runs away
fills a disk before they have seen it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from reader.forecasting.forecast import Crossing, Forecast
from reader.forecasting.history import DAY, HOUR, REACH
from reader.forecasting.models import Floats

STEP_SECONDS = 60.0
SPAN_SECONDS = 1800.0  # what is looked at
LEAST_STEPS = 10  # of a minute, from which on a line is spoken of
_SILENT_SECONDS = 180.0  # a line whose newest reading is older is not gone on with
_LEAST_RISE = 0.01  # of full: less may be anything
_OF_NOISE = 8.0  # a plain rise is so many times the readings' deviation from its line
_ALIKE = 2.0  # and neither half of it is so many times as steep as the other
_FINE = 0.0005  # of full: noise that is less makes no line plainer
_USUAL_DAYS = 7.0  # of which it is looked at how the device rises when it does not run away


class Line(NamedTuple):
    """A plain rise.

    :ivar rates: of its flatter half, of all of it and of its steeper half, per second.
    :ivar noise: the readings' deviation from the line.
    :ivar since: seconds since the epoch.
    """

    rates: tuple[float, float, float]
    rise: float
    noise: float
    since: float
    seconds: float


def forecast(
    times: Floats, values: Floats, now: float, levels: Sequence[float], usual: float
) -> Forecast | None:
    """What a line through the last minutes foretells; None where there is no plain one, or where it
    is not full within ``REACH`` times the time that it has lasted.

    :param times: of the readings of minutes, seconds since the epoch, the oldest first.
    :param levels: the lowest first, the last of them full.
    :param usual: what the device has risen by before, and did not run away: see ``usual_rise``.
    """
    found = plain(times, values, now, levels[-1])
    if found is None or found.rise <= usual:
        return None
    last, reach = float(values[-1]), REACH * found.seconds
    low, middle, high = found.rates
    if last >= levels[-1] or (levels[-1] - last) / middle > reach:
        return None
    crossings = tuple(
        Crossing(level, *(max(0.0, level - last) / rate / DAY for rate in (middle, high, low)))
        for level in levels
    )
    return Forecast(
        "filling", last, middle * DAY, low * DAY, high * DAY, crossings, (),
        "a line through the last minutes", found.since, STEP_SECONDS, None, reach / DAY, None,
    )  # fmt: skip


def plain(times: Floats, values: Floats, now: float, full: float) -> Line | None:
    """The plainest rise that ends with the newest reading: much of it, and near its line."""
    late = times > now - SPAN_SECONDS
    times, values = times[late], values[late]
    if len(times) < LEAST_STEPS or now - times[-1] > _SILENT_SECONDS:
        return None
    if values[-1] - values[-LEAST_STEPS:].min() < _LEAST_RISE * full:
        return None
    begins = range(len(times) - LEAST_STEPS + 1)
    found = [line for i in begins if (line := _line(times[i:], values[i:])) is not None]
    found = [line for line in found if line.rise >= _LEAST_RISE * full]
    return max(found, key=lambda each: each.rise / (each.noise + _FINE * full), default=None)


def _line(times: Floats, values: Floats) -> Line | None:
    seconds = float(times[-1] - times[0])
    if seconds < (LEAST_STEPS - 1) * STEP_SECONDS * 0.9:
        return None
    middle = len(times) // 2
    first = _slope(times[: middle + 1], values[: middle + 1])
    second = _slope(times[middle:], values[middle:])
    low, high = min(first, second), max(first, second)
    rate = _slope(times, values)
    noise = float(np.std(values - values.mean() - rate * (times - times.mean())))
    if low <= 0.0 or high > _ALIKE * low or rate * seconds < _OF_NOISE * noise:
        return None
    rates = min(low, rate), rate, max(high, rate)
    return Line(rates, rate * seconds, noise, float(times[0]), seconds)


def _slope(times: Floats, values: Floats) -> float:
    apart = times - times.mean()
    return float(apart @ values / (apart @ apart))


def usual_rise(times: Floats, values: Floats, now: float) -> float:
    """The most that a series has risen by within an hour or two in the last week and not run away:
    a nightly copy, an import. What lasts now is no part of it.

    :param times: of a reading of each quarter or hour, the oldest first.
    """
    of_it = (times > now - _USUAL_DAYS * DAY) & (times < now - REACH * SPAN_SECONDS)
    times, values = times[of_it], values[of_it]
    most = 0.0
    for apart in (1, 2):
        near = times[apart:] - times[:-apart] <= 2.0 * HOUR
        rises = (values[apart:] - values[:-apart])[near]
        most = max(most, float(rises.max(initial=0.0)))
    return most
