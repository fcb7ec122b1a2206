"""``capacity_forecast``: when devices will be full."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field

from reader.answering.context import Answer, Query, QueryContext
from reader.answering.params import DeviceParams, Number, Whole
from reader.forecasting import capacity
from reader.forecasting.short_term import usual_rise
from reader.lookups.stored.capacity_past import Past, read_past, read_recent
from spindle.models import Name
from spindle.store.base import DeviceKey
from spindle.timestamps import NS


class ForecastParams(DeviceParams):
    """Parameters of ``capacity_forecast``."""

    metric_type: Name = Field(
        "CapacityUsed",
        description="what fills up: CapacityUsed, PercentageUsed, any rising counter",
    )
    horizon_days: Annotated[Number, Field(gt=0, le=730)] = Field(
        90.0, description="how far ahead to look, in days"
    )
    full_at: Annotated[Number, Field(gt=0, le=1e18)] | None = Field(
        None, description="the value that counts as 100 %; default 100 of a metric in %, else none"
    )
    limit: Annotated[Whole, Field(ge=1, le=10_000)] = Field(
        100, description="at most so many devices, the soonest full first"
    )


async def _capacity_forecast(context: QueryContext, asked: ForecastParams) -> Answer:
    which = asked.selection(asked.metric_type)
    retention_hours = context.settings.retention_hours
    past = await read_past(context.store, which, context.now_ns, retention_hours)
    recent = await read_recent(context.store, which, context.now_ns)
    # Two seconds of arithmetic for a thousand devices: other questions are answered meanwhile.
    simulated = context.watch_findings.facts.is_simulated
    rows = await asyncio.to_thread(_rows, past, recent, context.now_ns / NS, asked, simulated)
    return Answer(rows[: asked.limit], truncated=len(rows) > asked.limit)


def _rows(
    past: Past,
    recent: Past,
    now: float,
    asked: ForecastParams,
    simulated: Callable[[DeviceKey], bool],
) -> list[dict[str, Any]]:
    """One row more than asked for, where there is one."""
    series = capacity.readings(*past)
    full = capacity.full_at(asked.metric_type, asked.full_at)
    made = capacity.soonest_first(series, now, asked.horizon_days, full)
    usual = {name: usual_rise(*each, now) for name, each in series.items()}
    made = capacity.with_short_term(made, capacity.readings(*recent), usual, now, full)
    # The real ones first; within both the soonest full.
    made = sorted(made, key=lambda each: simulated(each[0].device))
    return [capacity.row(name, forecast) for name, forecast in made[: asked.limit + 1]]


_EXAMPLE_REPLY = """
{"status": "success", "data": [{"device_id": "array1-disk2", "source_device": "DiskUnit",
"array_id": "array1", "metric_type": "CapacityUsed", "unit": "%", "verdict": "filling",
"value": 71.7344, "growth_per_day": 0.1658, "growth_low": 0.1656, "growth_high": 0.1659,
"days_until": [{"level": 80.0, "days": 49.8637, "earliest": 49.8275, "latest": 49.9011}],
"ahead": [{"days": 7.0, "value": 72.8947, "low": 72.8935, "high": 72.8957}],
"horizon_days": 83.9583, "method": "local linear trend, averaged over noise models",
"since": "2026-11-16T18:00:00Z", "step": null, "reason": null,
"message": "CapacityUsed 71.7 %, growing 0.17 % a day; 80 % in 50 days (50 to 50 days)."}]}
"""

QUESTIONS = (
    Query(
        name="capacity_forecast",
        description="When will it be full? Days until 80, 90 and 100 %, the soonest full first.",
        params=ForecastParams,
        reply="a list of {device_id, source_device, array_id, metric_type, unit, verdict, value, "
        "growth_per_day, growth_low, growth_high, days_until, ahead, horizon_days, method, since, "
        "step, reason, message}; verdict is filling, not_filling or unknown; days_until a list of "
        "{level, days, earliest, latest}: the middle and an 80 % interval, null past the horizon; "
        "ahead one of {days, value, low, high}; where the past is too short, nulls and a reason",
        example={"source_device": "DiskUnit", "horizon_days": 90},
        example_reply=_EXAMPLE_REPLY,
        handler=_capacity_forecast,
    ),
)
