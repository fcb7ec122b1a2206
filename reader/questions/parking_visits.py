"""Past visits to the car park, from the store: ``parking_visits`` and ``parking_summary``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import fmean, median, quantiles
from typing import Annotated, Any

from pydantic import Field

from reader.answering.context import Answer, Query, QueryContext
from reader.answering.params import Minutes, Params, Whole
from spindle import timestamps
from spindle.models import Status
from spindle.store.base import VisitRow, VisitSelection

MOST_VISITS = 100_000  #: of one summary
VISIT_REPLY = (
    "{vehicle_plate, entry_date_time, exit_date_time, duration_seconds, status, lot, id, reason}"
)


class VisitsParams(Params):
    """Parameters of ``parking_visits``."""

    since_minutes: Minutes = Field(60.0, description="ended in the last so many minutes")
    status: Status | None = Field(None, description="how it came to be known; default all")
    limit: Annotated[Whole, Field(ge=1, le=10_000)] = Field(
        1000, description="at most so many visits, the latest first"
    )


class SummaryParams(Params):
    """Parameters of ``parking_summary``."""

    since_minutes: Minutes = Field(1440.0, description="ended in the last so many minutes")


async def _visits(context: QueryContext, asked: VisitsParams) -> Answer:
    start = context.ago(asked.since_minutes * 60)
    which = VisitSelection(status=asked.status)
    visits = await context.store.visits(which, start, asked.limit + 1)
    return Answer(visit_rows(visits[: asked.limit]), truncated=len(visits) > asked.limit)


async def _summary(context: QueryContext, asked: SummaryParams) -> Answer:
    start = context.ago(asked.since_minutes * 60)
    visits = await context.store.visits(VisitSelection(), start, MOST_VISITS)
    return Answer(summary(visits), truncated=len(visits) == MOST_VISITS)


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


_VISITS_REPLY = """
{"status": "success", "data": [{"vehicle_plate": "B-SW5004",
"entry_date_time": "2026-11-23T04:44:37.559Z", "exit_date_time": "2026-11-23T05:23:40.998Z",
"duration_seconds": 2343.439, "status": "matched", "lot": "main",
"id": "9a31ada0-771c-5e23-bd99-eecb68209c21", "reason": null}]}
"""
_SUMMARY_REPLY = """
{"status": "success", "data": {"visits": 113, "matched": 103, "unmatched": 10, "manual": 0,
"mean_stay_seconds": 3166.1055, "median_stay_seconds": 2781.982, "p95_stay_seconds": 6227.8539}}
"""

QUESTIONS = (
    Query(
        name="parking_visits",
        description="Past visits, the latest first; of an unmatched one only the exit is known.",
        params=VisitsParams,
        reply=f"a list of {VISIT_REPLY}",
        example={"since_minutes": 60, "status": "matched"},
        example_reply=_VISITS_REPLY,
        handler=_visits,
    ),
    Query(
        name="parking_summary",
        description="How many visits there were, matched or not, and how long they lasted.",
        params=SummaryParams,
        reply="{visits, matched, unmatched, manual, mean_stay_seconds, median_stay_seconds, "
        "p95_stay_seconds}; stays are null where there are none",
        example={"since_minutes": 1440},
        example_reply=_SUMMARY_REPLY,
        handler=_summary,
    ),
)
