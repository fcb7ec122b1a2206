"""What was unusual: a few series are scored on the spot, of a fleet the watch knows."""

from __future__ import annotations

import asyncio
from threading import Event
from typing import Any

from reader.answering import params
from reader.answering.context import Answer, Query, Sources
from reader.detection import anomaly
from reader.detection.anomaly import LEARNT
from spindle.errors import InvalidQuery
from spindle.store.base import Bucket, Selection
from spindle.timestamps import NS

_MOST_POINTS = 60_000  # scored for one question: about a second
_LAST_ROW = 100_000  # of one answer of the store


async def _anomalies(at: Sources, asked: params.AnomaliesParams) -> Answer:
    window = asked.since_minutes * 60
    standing = at.examiner.standing
    which = Selection(asked.source_device, asked.device_id, asked.array_id, asked.metric_type)
    least = at.settings.reader_watch_step_seconds
    everything = which == Selection(metric_type=asked.metric_type)
    step = None
    if not (everything and standing.watching):
        series = len(await at.store.latest(which, at.ago(window)))
        step = anomaly.step_seconds(series, window, least, _MOST_POINTS)
        if step is None and not standing.watching:
            raise InvalidQuery(
                f"anomalies: {series} series are too many to score at once, and the watch does not "
                "run; give device_id or array_id"
            )
    if step is None:
        found, source = [dict(row) for row in standing.rows], "watch"
    else:
        found, source = await _scored(at, which, window, step, asked.min_score), "store"
        found += [dict(row) for row in standing.rows if row["kind"] == "peer"]
    rows = anomaly.chosen(
        found,
        (at.now_ns / NS) - window,
        asked.min_score,
        source_device=asked.source_device,
        device=asked.device_id,
        array_id=asked.array_id,
        metric_type=asked.metric_type,
    )
    beside = {"source": source, "step_seconds": least if step is None else step}
    return Answer(rows[: asked.limit], beside, truncated=len(rows) > asked.limit)


async def _scored(
    at: Sources, which: Selection, window: float, step: float, min_score: float
) -> list[dict[str, Any]]:
    step_ns = int(step * NS)
    start = at.ago(window + LEARNT * step) // step_ns * step_ns
    steps = await at.store.series(which, start, at.end_ns, step_ns, _LAST_ROW)
    return await _in_a_thread(steps, min_score)


async def _in_a_thread(steps: list[Bucket], min_score: float) -> list[dict[str, Any]]:
    """Scoring takes a second at most; when nobody waits any more, it stops."""
    given_up = Event()
    try:
        return await asyncio.to_thread(anomaly.of_series, steps, min_score, given_up.is_set)
    finally:
        given_up.set()


QUESTIONS: tuple[Query[Any], ...] = (
    Query(
        "anomalies",
        "What was unusual lately, in which metric of which device, and why; the worst first.",
        params.AnomaliesParams,
        "a list of {device, source_device, array_id, metric_type, from, to, peak_time, value, "
        "expected, unit, score, severity, kind, lasts, explanation}, the highest score first, and "
        "beside it `source`: store where the readings were scored for this question, watch where "
        "the fleet's record answers; and `step_seconds`, the length of a point",
        {"device_id": "array1-disk3", "since_minutes": 60},
        _anomalies,
    ),
)
