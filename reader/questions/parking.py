"""Who is inside the car park, from NATS: ``parking_inside``, ``_vehicle`` and ``_occupancy``."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Awaitable, Iterable, Sequence
from typing import Annotated, Any, TypeVar

from nats.errors import Error as NatsError
from pydantic import Field, model_validator

from reader.answering.context import Answer, Query, QueryContext
from reader.answering.params import LONGEST_MINUTES, Minutes, Number, Params, Whole
from reader.questions.parking_visits import MOST_VISITS, VISIT_REPLY, visit_rows
from spindle import timestamps
from spindle.bus import parking_buckets
from spindle.errors import InvalidQuery, StoreUnavailable
from spindle.models import DEFAULT_LOT, Plate
from spindle.parking import Inside
from spindle.store.base import VisitRow, VisitSelection
from spindle.timestamps import NS

MOST_STEPS = 10_000  #: of ``parking_occupancy``

T = TypeVar("T")


class InsideParams(Params):
    """Parameters of ``parking_inside``."""

    limit: Annotated[Whole, Field(ge=1, le=50_000)] = Field(
        1000, description="at most so many vehicles, who came last first"
    )


class VehicleParams(Params):
    """Parameters of ``parking_vehicle``."""

    vehicle_plate: Plate | None = Field(None, description="its plate, such as B-XY1234")
    limit: Annotated[Whole, Field(ge=0, le=1000)] = Field(
        10, description="at most so many of its visits, the latest first"
    )

    @model_validator(mode="after")
    def _says_which_vehicle(self) -> VehicleParams:
        if self.vehicle_plate is None:
            raise ValueError("give vehicle_plate")
        return self


class OccupancyParams(Params):
    """Parameters of ``parking_occupancy``."""

    since_minutes: Minutes = Field(60.0, description="how far back, in minutes")
    every_seconds: Annotated[Number, Field(ge=1, le=LONGEST_MINUTES * 60)] = Field(
        60.0, description="seconds from one step to the next"
    )


async def _inside(context: QueryContext, asked: InsideParams) -> Answer:
    vehicles = await _from_nats(parking_buckets.read_inside(context.nats.jetstream()))
    rows = inside_rows(vehicles, context.now_ns)
    return Answer(rows[: asked.limit], {"count": len(rows)}, len(rows) > asked.limit)


async def _vehicle(context: QueryContext, asked: VehicleParams) -> Answer:
    plate = asked.vehicle_plate or ""
    inside = await _from_nats(parking_buckets.read_vehicle(context.nats.jetstream(), plate))
    visits = await context.store.visits(VisitSelection(plate=plate), 0, asked.limit)
    return Answer(vehicle(plate, inside, visits, context.now_ns))


async def _occupancy(context: QueryContext, asked: OccupancyParams) -> Answer:
    start, every = context.ago(asked.since_minutes * 60), int(asked.every_seconds * NS)
    times = step_times(start, context.now_ns, every)
    if len(times) > MOST_STEPS:
        raise InvalidQuery(
            f"parking_occupancy: {len(times)} steps, at most {MOST_STEPS}: "
            "ask for a larger every_seconds or a smaller since_minutes"
        )
    visits = await context.store.visits(VisitSelection(), start, MOST_VISITS)
    inside = await _from_nats(parking_buckets.read_inside(context.nats.jetstream()))
    return Answer(occupancy(visits, inside, times), truncated=len(visits) == MOST_VISITS)


async def _from_nats(reading: Awaitable[T]) -> T:
    """What the bucket of vehicles says.

    :raises StoreUnavailable: NATS does not answer.
    """
    try:
        return await reading
    except (NatsError, TimeoutError) as error:
        said = error or type(error).__name__
        raise StoreUnavailable(f"who is inside is not known, NATS does not say: {said}") from None


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
    plate: str, inside: Inside | None, visits: Sequence[VisitRow], now_ns: int
) -> dict[str, Any]:
    """One vehicle: whether it is inside, since when, and its last visits."""
    row = _inside_row(inside, now_ns) if inside else dict.fromkeys(_NOT_INSIDE)
    return {
        **row,
        "vehicle_plate": plate,
        "inside": inside is not None,
        "visits": visit_rows(visits),
    }


_NOT_INSIDE = ("vehicle_plate", "entry_date_time", "inside_seconds", "lot")


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


_INSIDE_REPLY = """
{"status": "success", "data": [{"vehicle_plate": "HH-CV4929",
"entry_date_time": "2026-11-23T05:22:04.132Z", "inside_seconds": 292.548, "lot": "main"}],
"count": 23}
"""
_VEHICLE_REPLY = """
{"status": "success", "data": {"vehicle_plate": "B-XY1234",
"entry_date_time": "2026-11-23T03:55:13.503Z", "inside_seconds": 5503.225, "lot": "main",
"inside": true, "visits": [{"vehicle_plate": "B-XY1234",
"entry_date_time": "2026-11-23T01:25:13.503Z", "exit_date_time": "2026-11-23T02:11:03.503Z",
"duration_seconds": 2750.0, "status": "matched", "lot": "main",
"id": "57b5d0a5-67c2-51e0-b542-a06832306325", "reason": null}]}}
"""
_OCCUPANCY_REPLY = """
{"status": "success", "data": [{"time": "2026-11-23T04:30:00Z", "inside": 19}]}
"""

QUESTIONS = (
    Query(
        name="parking_inside",
        description="The vehicles inside now, who came last first.",
        params=InsideParams,
        reply="a list of {vehicle_plate, entry_date_time, inside_seconds, lot}, and beside it "
        "`count`",
        example={"limit": 100},
        example_reply=_INSIDE_REPLY,
        handler=_inside,
        needs_store=False,
    ),
    Query(
        name="parking_vehicle",
        description="One vehicle: is it inside, since when, and its last visits.",
        params=VehicleParams,
        reply="{vehicle_plate, inside, entry_date_time, inside_seconds, lot, visits}, visits a "
        f"list of {VISIT_REPLY}",
        example={"vehicle_plate": "B-XY1234"},
        example_reply=_VEHICLE_REPLY,
        handler=_vehicle,
    ),
    Query(
        name="parking_occupancy",
        description="How many vehicles were inside, over time.",
        params=OccupancyParams,
        reply="a list of {time, inside}, oldest first",
        example={"since_minutes": 60, "every_seconds": 300},
        example_reply=_OCCUPANCY_REPLY,
        handler=_occupancy,
    ),
)
