"""What was unusual, in words a storage engineer would use."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime
from math import ceil, copysign, floor, inf, isfinite, log, log10

from reader.detection.found import Found
from spindle.timestamps import duration

DAY_SECONDS = 86_400.0
SHARES = (99.9, 99.5, 99.0, 98.0, 95.0, 90.0)


AS_IF = "as if"
ANOTHER_UNIT = f"{AS_IF} in another unit now"
UNITS = (1000.0, 1024.0, 1e6, 1024.0**2)
"""Factors by which a value changes when somebody has changed its unit."""

EXACTLY, MOST_SCATTERED = 0.01, 0.5
"""How far the logarithm of a change may be from such a factor's, in an even series and at most."""


def number(value: float, towards: float = 0.0) -> str:
    """Four significant digits, no needless zeros, thousands plain.

    :param towards: rounded so that it is not past the value seen from this side: +inf rounds up.
    """
    value += 0.0  # of -0 it makes 0
    text = f"{value:.4g}"
    if towards and value and isfinite(value):
        last = 10.0 ** (floor(log10(abs(value))) - 3)
        if (float(text) - value) * towards < 0:
            text = f"{float(text) + copysign(last, towards):.4g}"
    if "e" in text and 1e-3 <= abs(value) < 1e15:
        whole = (floor, round, ceil)[1 + (towards > 0.0) - (towards < 0.0)]
        text = f"{whole(value)}"
    return text


def quantity(value: float, unit: str, towards: float = 0.0) -> str:
    said = number(value, towards)
    return f"{said} {unit}" if unit else said


def beyond(value: float, recent: Sequence[float]) -> tuple[float, str, float] | None:
    """The largest share of the recent values that lies well on one side of this one.

    :returns: per cent, "below", "above", "at or below" or "at or above", and of what; None when the
        value is not outside 90 % of them. "Well" is a third of the way from the median: what is
        nearer to the value is of its own kind.
    """
    ordered = sorted(recent)
    size = len(ordered)
    if size < 20:
        return None
    median = ordered[size // 2]
    for share in SHARES:
        many = share / 100 * size
        at = min(size - 1, ceil(many))
        high, low = ordered[at], ordered[size - 1 - at]
        if value > high and 3 * high <= value + 2 * median:
            return share, "below" if bisect_left(ordered, high) >= many else "at or below", high
        if value < low and 3 * low >= value + 2 * median:
            above = size - bisect_right(ordered, low) >= many
            return share, "above" if above else "at or above", low
    return None


def surge(
    head: str, unit: str, value: float, recent: Sequence[float], span: str, expected: float | None
) -> str:
    found = beyond(value, recent)
    if found:
        share, side, limit = found
        outwards = inf if side.endswith("below") else -inf
        limit_said = quantity(limit, unit, outwards)
        beyond_all = f"{number(share)} % of the last {span} lay {side} {limit_said}"
        return f"{head}; {beyond_all}"
    return f"{head}; {quantity(expected, unit)} was expected" if expected is not None else head


def departure(metric: str, unit: str, found: Found) -> str:
    """Which feature of the last hour or so is unusual, and where four fifths of the past had it."""
    span = duration(found.seconds)
    low, high = number(found.low), quantity(found.high, unit)
    usual = f"usually {high}" if low == number(found.high) else f"usually {low} to {high}"
    now = quantity(found.size, unit)
    if found.feature == "level":
        return f"{metric} was {now} in the mean of {span}; {usual}"
    if found.feature == "middle":
        return f"{metric} was {now} in the middle of the readings of {span}; {usual}"
    if found.feature == "spread":
        return f"{metric} scattered by {now} within {span}; {usual}"
    if found.feature == "roughness":
        return f"{metric} moved by {now} from one reading to the next within {span}; {usual}"
    return f"{metric} changed by {now} within {span}; {usual}"


def rhythm(head: str, days: int) -> str:
    return f"{head}; the last hours were unlike each of the {days} days before at this time of day"


def stuck(head: str, seconds: float, longest: float, *, told_before: bool) -> str:
    """:param longest: how long a value usually stays the same at most; 0 for never twice.
    :param told_before: it was as long before, and somebody was told.
    """
    before = f"longer than {duration(longest)}" if longest else "twice in a row"
    said = f"usually not {before}" if told_before else f"never {before} before"
    return f"{head} without any change for {duration(seconds)}; {said}"


def reset(metric: str, unit: str, before: float, value: float, falls: int) -> str:
    """:param falls: how often it fell, this time included."""
    fell = f"{metric} fell from {quantity(before, unit)} to {quantity(value, unit)}"
    before_that = "once" if falls == 2 else f"{falls - 1} times"
    how = "never fell" if falls == 1 else f"fell only {before_that}"
    return f"{fell} and {how} before: a counter that began anew?"


def scatter(recent: Sequence[float]) -> float:
    """How far all but the rarest recent values lie from their middle, as a logarithm."""
    ordered = sorted(recent)
    low, high = ordered[len(ordered) // 100], ordered[len(ordered) * 99 // 100]
    return (log(high) - log(low)) / 2 if low > 0.0 else 0.0


def other_unit(unit: str, usual: float, value: float, scattered: float = 0.0) -> str | None:
    """What to suspect where a value is what the usual one would be in another unit, else None.

    :param scattered: as ``scatter`` says: a value so far from the usual is usual.
    """
    if unit == "degC" and abs(usual * 1.8 + 32.0 - value) <= 0.05 * abs(value) and value > usual:
        return f"{AS_IF} it were in degF now"
    if usual <= 0.0 or value <= 0.0:
        return None
    apart = log(value) - log(usual)  # a quotient of extremes would be 0 or infinite
    even = scattered <= EXACTLY
    factors = UNITS if even else UNITS[::2]  # else nobody can tell 1000 from 1024
    off, factor = min((abs(abs(apart) - log(factor)), factor) for factor in factors)
    if off > max(EXACTLY, min(scattered, MOST_SCATTERED)):
        return None
    if even:
        said = f"{factor:.0f} times" if apart > 0.0 else f"a {factor:.0f}th of"
    else:
        said = f"some {factor:.0f} times" if apart > 0.0 else f"some {factor:.0f}th of"
    return f"{said} the usual, {ANOTHER_UNIT}"


def climb(unit: str, value: float, a_second: float) -> str:
    """How fast something fills up, and when it is full if it goes on so.

    :param unit: ``%``, of which 100 are full.
    """
    rate = quantity(a_second * 60.0, unit)
    if a_second <= 0.0 or value >= 100.0:
        return ""
    return f"{RISES}{rate} a minute, full in {duration((100.0 - value) / a_second)} at that rate"


RISES = "; rises by "
AGAIN, WORSE, EARLIER = "for the ", "worse than ", "it was "  #: what begins what is said of before


def again(times: int, within: float, before: float, now: float) -> str:
    """``for the 2nd time in 6 h, as at 02:57 UTC``.

    :param times: this one included.
    :param within: seconds since the first of them.
    :param before: when it was so last, and ``now``: seconds since the epoch.
    """
    lately = f" in {duration(within)}" if within >= 1 else ""  # a clock may have been put back
    return f"{AGAIN}{ordinal(times)} time{lately}, as {_when(before, now)}"


def worse(unit: str, middle: float, before: float, now: float) -> str:
    """``worse than at 02:57 UTC, when the middle was 5.7 ms``.

    :param before: when what lasts was told, and ``now``: seconds since the epoch.
    """
    return f"{WORSE}{_when(before, now)}, when the middle was {quantity(middle, unit)}"


def earlier(unit: str, value: float, then: float, now: float) -> str:
    """``it was 29 ms at 02:57 UTC``."""
    return f"{EARLIER}{quantity(value, unit)} {_when(then, now)}"


def worse_ratio(ratio: str, before: float, now: float) -> str:
    """``worse than at 02:57 UTC, when it was twice that``.

    :param ratio: in words, of the time from ``before`` to ``now``: seconds since the epoch.
    """
    return f"worse than {_when(before, now)}, when it was {ratio} that"


def _when(before: float, now: float) -> str:
    then = datetime.fromtimestamp(before, UTC)
    same_day = now - before < DAY_SECONDS
    return f"{'at' if same_day else f'on {then:%Y-%m-%d} at'} {then:%H:%M} UTC"


def ordinal(count: int) -> str:
    """``1st``, ``2nd``, ``11th``."""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(count % 10, "th")
    return f"{count}{'th' if 10 < count % 100 < 14 else ending}"


def novelty(head: str, unit: str, value: float, low: float, high: float) -> str:
    if value >= high:
        return f"{head}, the highest value so far"
    if value <= low:
        return f"{head}, the lowest value so far"
    return f"{head}, a value rarely met between {number(low)} and {quantity(high, unit)}"
