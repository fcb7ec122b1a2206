"""What services share about parking: keys of plates, vehicles inside, visits ever counted. Pure.

The bucket ``parking`` holds one value per plate. A vehicle inside has ``entry_time`` and
``parking_enter_data``; what else the matcher remembers of a plate is under ``matcher``. Where no
vehicle is inside, that memory is the payload of a delete marker: the key is not listed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import msgspec
import orjson

from spindle import timestamps
from spindle.models import Status
from spindle.values import UNREADABLE, Whole

_PLAIN = re.compile(rb"[-A-Za-z0-9_/]")
_ESCAPED = re.compile(rb"=([0-9A-F]{2})")


def key_of(plate: str) -> str:
    """A plate as a key: letters, digits, ``-``, ``_`` and ``/`` stay, other bytes become ``=XX``.

    ``B-XY1234`` is its own key; ``B XY 1`` is ``B=20XY=201``.
    """
    return "".join(
        chr(byte) if _PLAIN.match(bytes((byte,))) else f"={byte:02X}" for byte in plate.encode()
    )


def plate_of(key: str) -> str:
    """The plate of a key that ``key_of`` made."""
    raw = _ESCAPED.sub(lambda match: bytes((int(match[1], 16),)), key.encode())
    return raw.decode(errors="replace")


@dataclass(frozen=True, slots=True)
class Inside:
    """A vehicle that is inside.

    :ivar entry_ns: when it came in, by its entry event.
    """

    vehicle_plate: str
    entry_ns: int
    entry_id: str
    lot: str | None


def inside(value: bytes) -> Inside | None:
    """The vehicle that a live value of the bucket tells of; None where it is leaving, or no value.

    Anyone can put anything into a bucket by hand.
    """
    try:
        data = orjson.loads(value)
        entry = data["parking_enter_data"]
        if data.get("parking_exit_data") is not None:
            return None
        time_ns = timestamps.parse(entry["entry_date_time"])
        return Inside(str(entry["vehicle_plate"]), time_ns, str(entry["id"]), entry.get("lot"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


#: Upper bounds of the histogram ``event_processing_latency_seconds``.
LATENCY_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


@dataclass(frozen=True, slots=True)
class Totals:
    """Visits ever counted, each once.

    :ivar latency_buckets: observations up to each of ``LATENCY_BOUNDS``, cumulative.
    :ivar latency_count: all observations: one for each visit that the matcher made.
    """

    matched: Whole = 0
    unmatched: Whole = 0
    manual: Whole = 0
    latency_sum: float = 0.0
    latency_count: Whole = 0
    latency_buckets: tuple[Whole, ...] = (0,) * len(LATENCY_BOUNDS)

    def counting(self, status: Status, latency: float | None) -> Totals:
        """The totals with one more visit in them."""
        counted = replace(self, **{status: getattr(self, status) + 1})
        if latency is None:
            return counted
        buckets = zip(self.latency_buckets, LATENCY_BOUNDS, strict=True)
        return replace(
            counted,
            latency_sum=self.latency_sum + latency,
            latency_count=self.latency_count + 1,
            latency_buckets=tuple(count + (latency <= bound) for count, bound in buckets),
        )


class _Totals(msgspec.Struct):
    totals: Totals


def decode_totals(value: bytes) -> Totals:
    """The totals in a value; zeros where it holds none."""
    try:
        totals = msgspec.json.decode(value, type=_Totals).totals
    except UNREADABLE:
        return Totals()
    return totals if len(totals.latency_buckets) == len(LATENCY_BOUNDS) else Totals()
