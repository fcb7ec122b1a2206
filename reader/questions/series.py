"""Questions about readings over time."""

from __future__ import annotations

from typing import Any

from reader.answering import params
from reader.answering.context import Answer, Query, Sources
from reader.questions import series_rows, temperature
from spindle.store.base import Selection
from spindle.timestamps import NS

_RAW_UNITS = 50  # a class of more units is compared by steps, not reading by reading
_MOST_STEPS = 100_000  # rows of one answer of the store


async def _anomaly_temperature(at: Sources, asked: params.TemperatureParams) -> Answer:
    which = Selection(asked.source_device, asked.device_id, None, temperature.METRIC)
    start = at.ago(asked.window_minutes * 60)
    units = len(await at.store.latest(which, start))
    steps = []
    if units <= _RAW_UNITS:
        steps = await at.store.series(which, start, at.end_ns, None, _MOST_STEPS)
    if units > _RAW_UNITS or len(steps) == _MOST_STEPS:
        per_unit = max(2, min(60, _MOST_STEPS // max(1, units) - 1))
        every = max(1, (at.now_ns - start) // per_unit)
        steps = await at.store.series(which, start, at.end_ns, every, _MOST_STEPS)
    return Answer(temperature.answer(asked.device, steps, asked.threshold, asked.window_minutes))


async def _series(at: Sources, asked: params.SeriesParams) -> Answer:
    which = Selection(asked.source_device, asked.device_id, None, asked.metric_type)
    steps = await at.store.series(
        which,
        at.ago(asked.since_minutes * 60),
        at.end_ns,
        max(1, int(asked.every_seconds * NS)) if asked.every_seconds else None,
        limit=asked.limit + 1,
    )
    return Answer(series_rows.rows(steps[: asked.limit]), truncated=len(steps) > asked.limit)


QUESTIONS: tuple[Query[Any], ...] = (
    Query(
        "anomaly_temperature",
        "Has the temperature of a device, or of any in a class, risen too much?",
        params.TemperatureParams,
        "{device, initial_temp, latest_temp, ratio, anomaly, reason, source_device, "
        "devices_compared, devices_anomalous}; nulls and a reason where readings are too few",
        {"source_device": "DiskUnit", "threshold": 1.3, "window_minutes": 20},
        _anomaly_temperature,
    ),
    Query(
        "series",
        "A device's readings over time: mean, least and most of each step.",
        params.SeriesParams,
        "a list of {time, device_id, source_device, array_id, metric_type, unit, mean, min, "
        "max, count}, oldest first within each series",
        {"source_device": "DiskUnit", "metric_type": "DiskTemp", "every_seconds": 60},
        _series,
    ),
)
