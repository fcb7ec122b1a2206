"""The question when a device will be full."""

from __future__ import annotations

import asyncio
from typing import Any

from reader.answering import params
from reader.answering.context import Answer, Query, Sources
from reader.forecasting import capacity
from reader.lookups.capacity_past import Past, past_of
from spindle.store.base import Selection
from spindle.timestamps import NS


async def _capacity_forecast(at: Sources, asked: params.ForecastParams) -> Answer:
    which = Selection(asked.source_device, asked.device_id, asked.array_id, asked.metric_type)
    past = await past_of(at.store, which, at.now_ns, at.settings.retention_hours)
    full = capacity.full_at(asked.metric_type, asked.full_at)
    # Two seconds of arithmetic for a thousand devices: other questions are answered meanwhile.
    found = await asyncio.to_thread(_answer, past, at.now_ns / NS, asked, full)
    return Answer(found[: asked.limit], truncated=len(found) > asked.limit)


def _answer(
    past: Past,
    now: float,
    asked: params.ForecastParams,
    full: float | None,
) -> list[dict[str, Any]]:
    series = capacity.readings(*past)
    made = capacity.soonest_first(series, now, asked.horizon_days, full)
    return [capacity.row(name, forecast) for name, forecast in made[: asked.limit + 1]]


QUESTIONS: tuple[Query[Any], ...] = (
    Query(
        "capacity_forecast",
        "When will it be full? Days until 80, 90 and 100 %, the soonest full first.",
        params.ForecastParams,
        "a list of {device_id, source_device, array_id, metric_type, unit, verdict, value, "
        "growth_per_day, growth_low, growth_high, days_until, ahead, horizon_days, method, since, "
        "step, reason, message}; verdict is filling, not_filling or unknown; days_until a list of "
        "{level, days, earliest, latest}: the middle and an 80 % interval, null past the horizon; "
        "ahead one of {days, value, low, high}; where the past is too short, nulls and a reason",
        {"source_device": "DiskUnit", "horizon_days": 90},
        _capacity_forecast,
    ),
)
