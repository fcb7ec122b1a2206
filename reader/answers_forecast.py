"""The question when it will be full, and the readings that its answer needs."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

from reader import capacity_forecast, params
from reader.question import Answer, Query, Sources
from spindle.store.base import Selection, Step, Store
from spindle.timestamps import NS

_DAY = 86_400


class _Span(NamedTuple):
    """So many days ago to so many days ago, in steps of so many seconds."""

    begin: int
    end: int
    seconds: int


#: Fine where a short past is judged by them, coarse where only a long one is.
#: Lengths are those of ``capacity_forecast.LENGTHS``.
_SPANS = (_Span(180, 28, _DAY), _Span(28, 7, 21_600), _Span(7, 1, 3600), _Span(1, 0, 900))
_MANY = 2_000  # series from which on all steps are as long as the coarser ones
_MANY_SPANS = (_Span(180, 28, _DAY), _Span(28, 0, 21_600))
_MOST_STEPS = 1_000_000  # rows of one answer of the store: 10,000 series of 100 steps


async def past_of(
    store: Store, which: Selection, now_ns: int, retention_hours: float
) -> list[tuple[list[Step], float]]:
    """Readings of all selected series: one query that counts them, and at most one a span.

    :param retention_hours: how far back there is anything; 0 for ever.
    """
    oldest_ns = max(0, now_ns - _SPANS[0].begin * _DAY * NS)
    if retention_hours:
        oldest_ns = max(oldest_ns, now_ns - int(retention_hours * 3600) * NS)
    series = len(await store.latest(which, oldest_ns))
    if not series:
        return []
    spans = _SPANS if series <= _MANY else _MANY_SPANS
    found = []
    begin_ns = oldest_ns
    for span in spans:
        step_ns = span.seconds * NS
        # Ends on a whole step of the coarser span, so that no reading counts twice.
        end_ns = (
            now_ns + 1 if span.end == 0 else (now_ns - span.end * _DAY * NS) // step_ns * step_ns
        )
        if begin_ns < end_ns:
            steps = await store.series(which, begin_ns, end_ns, step_ns, _MOST_STEPS)
            found.append((steps, float(span.seconds)))
            begin_ns = end_ns
    return found


async def _capacity_forecast(at: Sources, asked: params.ForecastParams) -> Answer:
    which = Selection(asked.source_device, asked.device_id, asked.array_id, asked.metric_type)
    steps = await past_of(at.store, which, at.now_ns, at.settings.retention_hours)
    full = capacity_forecast.full_at(asked.metric_type, asked.full_at)
    # Two seconds of arithmetic for a thousand devices: other questions are answered meanwhile.
    found = await asyncio.to_thread(_answer, steps, at.now_ns / NS, asked, full)
    return Answer(found[: asked.limit], truncated=len(found) > asked.limit)


def _answer(
    steps: list[tuple[list[Step], float]],
    now: float,
    asked: params.ForecastParams,
    full: float | None,
) -> list[dict[str, Any]]:
    series = capacity_forecast.readings(steps, now)
    made = capacity_forecast.made(series, now, asked.horizon_days, full)
    return [capacity_forecast.row(name, forecast) for name, forecast in made[: asked.limit + 1]]


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
