"""What was unusual, in words a storage engineer would use."""

from __future__ import annotations

from collections.abc import Sequence

from spindle.timestamps import duration

SHARES = (99.9, 99.5, 99.0, 98.0, 95.0, 90.0)


def number(value: float) -> str:
    """Four significant digits, no needless zeros, thousands plain."""
    text = f"{value:.4g}"
    if "e" in text and 1e-3 <= abs(value) < 1e15:
        text = f"{value:.0f}"
    return text


def quantity(value: float, unit: str) -> str:
    return f"{number(value)} {unit}" if unit else number(value)


def beyond(value: float, recent: Sequence[float]) -> tuple[float, str, float] | None:
    """The largest share of the recent values that lies well on one side of this one.

    :returns: per cent, "below" or "above", and the value they lie below or above; None when
        the value is not outside 90 % of them. "Well" is half the way from the median.
    """
    ordered = sorted(recent)
    size = len(ordered)
    if size < 20:
        return None
    median = ordered[size // 2]
    for share in SHARES:
        at = min(size - 1, round(share / 100 * size))
        high, low = ordered[at], ordered[size - 1 - at]
        if value > high and 2 * high <= value + median:
            return share, "below", high
        if value < low and 2 * low >= value + median:
            return share, "above", low
    return None


def surge(head: str, unit: str, value: float, recent: Sequence[float], span: str) -> str:
    found = beyond(value, recent)
    if found:
        share, side, limit = found
        return f"{head}; {number(share)} % of the last {span} lay {side} {quantity(limit, unit)}"
    return f"{head}; no change in the last {span} was as large for as long"


def rhythm(head: str, days: int) -> str:
    return f"{head}; the last hours were unlike each of the {days} days before at this time of day"


def stuck(head: str, seconds: float, longest: float) -> str:
    """:param longest: how long a value stayed the same before, in seconds; 0 for never twice."""
    before = f"longer than {duration(longest)}" if longest else "twice in a row"
    return f"{head} without any change for {duration(seconds)}; never {before} before"


def novelty(head: str, unit: str, value: float, low: float, high: float) -> str:
    if value >= high:
        return f"{head}, the highest value so far"
    if value <= low:
        return f"{head}, the lowest value so far"
    return f"{head}, a value never seen between {number(low)} and {quantity(high, unit)}"
