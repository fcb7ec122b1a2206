"""Questions about parking: who is inside now (from NATS), and past visits (from the store)."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, TypeVar

from nats.errors import Error as NatsError
from nats.js.errors import Error as JetStreamError

from reader.answering import params
from reader.answering.context import Answer, Query, Sources
from reader.questions import parking_rows
from spindle import parking as bucket
from spindle.errors import InvalidQuery, StoreUnavailable
from spindle.store.base import VisitSelection
from spindle.timestamps import NS

MOST_VISITS = 100_000  # of one summary or occupancy

T = TypeVar("T")


async def _now_inside(reading: Awaitable[T]) -> T:
    """What the bucket says.

    :raises StoreUnavailable: NATS does not.
    """
    try:
        return await reading
    except (NatsError, JetStreamError, TimeoutError) as error:
        said = error or type(error).__name__
        raise StoreUnavailable(f"who is inside is not known, NATS does not say: {said}") from None


async def _inside(at: Sources, asked: params.InsideParams) -> Answer:
    found = await _now_inside(bucket.read_inside(at.nats.jetstream()))
    rows = parking_rows.inside_rows(found, at.now_ns)
    return Answer(rows[: asked.limit], {"count": len(rows)}, len(rows) > asked.limit)


async def _vehicle(at: Sources, asked: params.VehicleParams) -> Answer:
    plate = asked.vehicle_plate or ""
    found = await _now_inside(bucket.read_vehicle(at.nats.jetstream(), plate))
    visits = await at.store.visits(VisitSelection(plate=plate), 0, asked.limit)
    return Answer(parking_rows.vehicle(plate, found, visits, at.now_ns))


async def _visits(at: Sources, asked: params.VisitsParams) -> Answer:
    which = VisitSelection(status=asked.status)
    found = await at.store.visits(which, at.ago(asked.since_minutes * 60), asked.limit + 1)
    return Answer(parking_rows.visit_rows(found[: asked.limit]), truncated=len(found) > asked.limit)


async def _occupancy(at: Sources, asked: params.OccupancyParams) -> Answer:
    start, every = at.ago(asked.since_minutes * 60), int(asked.every_seconds * NS)
    times = parking_rows.step_times(start, at.now_ns, every)
    if len(times) > params.MOST_STEPS:
        raise InvalidQuery(
            f"parking_occupancy: {len(times)} steps, at most {params.MOST_STEPS}: "
            "ask for a larger every_seconds or a smaller since_minutes"
        )
    visits = await at.store.visits(VisitSelection(), start, MOST_VISITS)
    inside = await _now_inside(bucket.read_inside(at.nats.jetstream()))
    rows = parking_rows.occupancy(visits, inside, times)
    return Answer(rows, truncated=len(visits) == MOST_VISITS)


async def _summary(at: Sources, asked: params.ParkingSummaryParams) -> Answer:
    start = at.ago(asked.since_minutes * 60)
    found = await at.store.visits(VisitSelection(), start, MOST_VISITS)
    return Answer(parking_rows.summary(found), truncated=len(found) == MOST_VISITS)


_VISIT = (
    "{vehicle_plate, entry_date_time, exit_date_time, duration_seconds, status, lot, id, reason}"
)

QUESTIONS: tuple[Query[Any], ...] = (
    Query(
        "parking_inside",
        "The vehicles inside now, who came last first.",
        params.InsideParams,
        "a list of {vehicle_plate, entry_date_time, inside_seconds, lot}, and beside it `count`",
        {"limit": 100},
        _inside,
        needs_store=False,
    ),
    Query(
        "parking_vehicle",
        "One vehicle: is it inside, since when, and its last visits.",
        params.VehicleParams,
        f"{{vehicle_plate, inside, entry_date_time, inside_seconds, lot, visits}}, visits a list "
        f"of {_VISIT}",
        {"vehicle_plate": "B-XY1234"},
        _vehicle,
    ),
    Query(
        "parking_visits",
        "Past visits, the latest first; of an unmatched one only the exit is known.",
        params.VisitsParams,
        f"a list of {_VISIT}",
        {"since_minutes": 60, "status": "matched"},
        _visits,
    ),
    Query(
        "parking_occupancy",
        "How many vehicles were inside, over time.",
        params.OccupancyParams,
        "a list of {time, inside}, oldest first",
        {"since_minutes": 60, "every_seconds": 300},
        _occupancy,
    ),
    Query(
        "parking_summary",
        "How many visits there were, matched or not, and how long they lasted.",
        params.ParkingSummaryParams,
        "{visits, matched, unmatched, manual, mean_stay_seconds, median_stay_seconds, "
        "p95_stay_seconds}; stays are null where there are none",
        {"since_minutes": 1440},
        _summary,
    ),
)
