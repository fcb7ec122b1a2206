"""RFC 3339 timestamps <-> integer nanoseconds since the Unix epoch, all nine digits kept.

A ``datetime`` holds microseconds only, so the fraction travels beside it as text.
Source: RFC 3339, section 5.6. Leap seconds (``:60``) are refused: no store keeps them.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

NS = 1_000_000_000

_PATTERN = re.compile(
    r"(\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?(?:([Zz])|([+-])(\d{2}):(\d{2}))",
    re.ASCII,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The last instant InfluxDB can hold (signed 64-bit nanoseconds), less room for a nudge.
LATEST_NS = 9_223_372_036_000_000_000

EXPECTED = "an RFC 3339 time with an offset, such as 2026-01-31T12:00:00.123456789Z"


def parse(text: str) -> int:
    """Nanoseconds since the epoch of an RFC 3339 time.

    :raises ValueError: not RFC 3339, without an offset, or outside 1970-01-01 to 2262-04-11.
    """
    match = _PATTERN.fullmatch(text)
    if match is None:
        raise ValueError(f"not {EXPECTED}")
    whole, fraction, _zulu, sign, hours, minutes = match.groups()
    seconds = _seconds(whole)
    if sign is not None:
        if int(hours) > 23 or int(minutes) > 59:
            raise ValueError(f"its offset {sign}{hours}:{minutes} does not exist")
        offset = int(hours) * 3600 + int(minutes) * 60
        seconds += offset if sign == "-" else -offset
    ns = seconds * NS + (int(fraction.ljust(9, "0")) if fraction else 0)
    if not 0 <= ns <= LATEST_NS:
        raise ValueError("outside 1970-01-01 to 2262-04-11, the range a database can hold")
    return ns


@lru_cache(maxsize=4096)  # points of one tick share their second
def _seconds(whole: str) -> int:
    try:
        moment = datetime.fromisoformat(whole.upper()).replace(tzinfo=UTC)
    except ValueError as error:
        raise ValueError(f"not a date that exists ({error})") from None
    return int((moment - _EPOCH) // timedelta(seconds=1))


def format_ns(ns: int) -> str:
    """The RFC 3339 time, in UTC, with as many fractional digits as it needs (none to nine)."""
    seconds, fraction = divmod(ns, NS)
    whole = _whole(seconds)
    return f"{whole}.{fraction:09d}".rstrip("0") + "Z" if fraction else whole + "Z"


def duration(seconds: float, *, decimals: bool = False) -> str:
    """A length of time for people: ``40 s``, ``12 min``, ``3 h``, ``2 days``.

    :param decimals: three digits below ten of a unit, such as ``1.5 h`` or ``2.1 days``; else whole
        numbers, of minutes from two minutes on, of hours from two hours on, and so on.
    """
    for size, name in ((86_400, "days"), (3600, "h"), (60, "min")):
        count = seconds / size
        if count >= 2 or (decimals and count >= 1 and name != "days"):
            return f"{count:.3g} {name}" if decimals and count < 10 else f"{count:.0f} {name}"
    return f"{max(0.0, seconds):.0f} s"


@lru_cache(maxsize=4096)
def _whole(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
