"""Parking as answers show it. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import fmean, median, quantiles
from typing import Any

from spindle import timestamps
from spindle.models import DEFAULT_LOT
from spindle.parking import Inside
from spindle.store.base import VisitRow
from spindle.timestamps import NS


def inside_rows(vehicles: Iterable[Inside], now_ns: int) -> list[dict[str, Any]]:
    """``[{vehicle_plate, entry_date_time, inside_seconds, lot}]``, who came last first."""
    newest_first = sorted(vehicles, key=lambda one: (-one.entry_ns, one.vehicle_plate))
    return [_inside_row(one, now_ns) for one in newest_first]


def _inside_row(vehicle: Inside, now_ns: int) -> dict[str, Any]:
    return {
        "vehicle_plate": vehicle.vehicle_plate,
        "entry_date_time": timestamps.format_ns(vehicle.entry_ns),
        "inside_seconds": round(max(0, now_ns - vehicle.entry_ns) / NS, 3),
        "lot": vehicle.lot or DEFAULT_LOT,
    }


def vehicle(
    plate: str, found: Inside | None, visits: Sequence[VisitRow], now_ns: int
) -> dict[str, Any]:
    """One vehicle: whether it is inside, since when, and its last visits."""
    row = _inside_row(found, now_ns) if found else dict.fromkeys(_NOT_INSIDE)
    return {
        **row,
        "vehicle_plate": plate,
        "inside": found is not None,
        "visits": visit_rows(visits),
    }


_NOT_INSIDE = ("vehicle_plate", "entry_date_time", "inside_seconds", "lot")


def visit_rows(visits: Iterable[VisitRow]) -> list[dict[str, Any]]:
    """One flat object per visit, in the order given."""
    return [
        {
            "vehicle_plate": visit.plate,
            "entry_date_time": _time(visit.entry_ns),
            "exit_date_time": timestamps.format_ns(visit.time_ns),
            "duration_seconds": visit.duration_seconds,
            "status": visit.status,
            "lot": visit.lot,
            "id": visit.visit_id,
            "reason": visit.reason or None,
        }
        for visit in visits
    ]


def _time(ns: int | None) -> str | None:
    return None if ns is None else timestamps.format_ns(ns)


def step_times(start_ns: int, end_ns: int, every_ns: int) -> range:
    """Whole multiples of the step in ``[start_ns, end_ns]``."""
    return range(-(-start_ns // every_ns) * every_ns, end_ns + 1, every_ns)


def occupancy(
    visits: Iterable[VisitRow], inside: Iterable[Inside], times: Sequence[int]
) -> list[dict[str, Any]]:
    """``[{time, inside}]``: how many vehicles were inside at each time.

    :param visits: every visit that ended since the first of the times.
    """
    known = [(visit.entry_ns, visit.time_ns) for visit in visits if visit.entry_ns is not None]
    entries = sorted([entry for entry, _ in known] + [one.entry_ns for one in inside])
    exits = sorted(exit_ for _, exit_ in known)
    return [
        {
            "time": timestamps.format_ns(time_ns),
            "inside": bisect_right(entries, time_ns) - bisect_right(exits, time_ns),
        }
        for time_ns in times
    ]


def summary(visits: Sequence[VisitRow]) -> dict[str, Any]:
    """Counts of visits, and their stays in seconds; nulls where there are none."""
    counts = Counter(visit.status for visit in visits)
    stays = [stay for visit in visits if (stay := visit.duration_seconds) is not None]
    return {
        "visits": len(visits),
        "matched": counts["matched"],
        "unmatched": counts["unmatched"],
        "manual": counts["manual"],
        "mean_stay_seconds": fmean(stays) if stays else None,
        "median_stay_seconds": median(stays) if stays else None,
        "p95_stay_seconds": _p95(stays),
    }


def _p95(stays: Sequence[float]) -> float | None:
    if len(stays) < 2:
        return stays[0] if stays else None
    return quantiles(stays, n=20, method="inclusive")[-1]
