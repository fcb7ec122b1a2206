"""``anomalies``: what was unusual; a few series are scored on the spot, a fleet by the watch."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from threading import Event
from typing import Annotated, Any

from pydantic import Field

from reader.answering.context import Answer, Query, QueryContext
from reader.answering.params import DeviceParams, Number, Whole
from reader.detection import anomaly
from reader.detection.anomaly import LEARNT, Anomaly, milliseconds
from reader.detection.detector import ALARM
from spindle import timestamps
from spindle.errors import InvalidQuery
from spindle.models import Name
from spindle.store.base import Bucket, Selection, SeriesKey
from spindle.timestamps import NS

_MOST_POINTS = 60_000  # scored for one question: about a second
_MOST_ROWS = 100_000  # of one answer of the store


class AnomaliesParams(DeviceParams):
    """Parameters of ``anomalies``."""

    array_id: Name | None = Field(None, description="the array that devices belong to")
    metric_type: Name | None = Field(None, description="one metric, such as Latency; default all")
    since_minutes: Annotated[Number, Field(gt=0, le=1440)] = Field(
        60.0, description="how far back, in minutes"
    )
    min_score: Annotated[Number, Field(gt=0, le=1)] = Field(
        ALARM, description="least score: from 0.5 on it is ruled out as chance"
    )
    limit: Annotated[Whole, Field(ge=1, le=10_000)] = Field(
        100, description="at most so many, the highest scores first"
    )


async def _anomalies(context: QueryContext, asked: AnomaliesParams) -> Answer:
    window = asked.since_minutes * 60
    watch = context.watch_findings
    which = Selection(asked.source_device, asked.device_id, asked.array_id, asked.metric_type)
    step = await _step_seconds(context, which, window)
    if step is None:
        found, source = list(watch.anomalies), "watch"
    else:
        found, source = await _scored(context, which, window, step, asked.min_score), "store"
        found += [each for each in watch.anomalies if each.is_among_peers]
    kept = chosen(found, which, context.now_ns / NS - window, asked.min_score)
    rows = [row(each) for each in kept[: asked.limit]]
    shortest = anomaly.STEP_SECONDS
    beside = {"source": source, "step_seconds": shortest if step is None else step}
    if step is None and watch.unwatched:
        beside["unwatched_series"] = watch.unwatched
    return Answer(rows, beside, truncated=len(kept) > asked.limit)


def chosen(
    anomalies: Iterable[Anomaly], which: Selection, start: float, min_score: float
) -> list[Anomaly]:
    """Those that reach into the window from ``start`` on, the highest score first.

    :param start: in seconds since the epoch.
    """
    wanted = {
        name: value for name in SeriesKey._fields if (value := getattr(which, name)) is not None
    }
    kept = [
        each
        for each in anomalies
        if each.last_ns >= milliseconds(start)
        and each.episode.score >= min_score
        and all(getattr(each.key, name) == value for name, value in wanted.items())
    ]
    return sorted(kept, key=lambda each: (-each.episode.score, each.start_ns, each.key.device_id))


def row(anomaly: Anomaly) -> dict[str, Any]:
    """An anomaly as the answer shows it."""
    key, episode = anomaly.key, anomaly.episode
    return {
        "device": key.device_id,
        "source_device": key.source_device,
        "array_id": key.array_id or None,
        "metric_type": key.metric_type,
        "from": timestamps.format_ns(anomaly.start_ns),
        "to": timestamps.format_ns(anomaly.last_ns),
        "peak_time": timestamps.format_ns(milliseconds(episode.peak_time)),
        "value": episode.value,
        "expected": episode.expected,
        "unit": anomaly.unit,
        "score": episode.score,
        "severity": anomaly.severity,
        "kind": episode.kind,
        "lasts": not anomaly.ended,
        "explanation": episode.text,
    }


async def _step_seconds(context: QueryContext, which: Selection, window: float) -> float | None:
    """How long the steps are that are scored now; None where the watch's record is the answer.

    :raises InvalidQuery: there are too many series to score, and no watch runs.
    """
    watching = context.watch_findings.watching
    if watching and which == Selection(metric_type=which.metric_type):
        return None
    series = len(await context.store.latest(which, context.ago(window)))
    shortest = anomaly.STEP_SECONDS
    step = anomaly.step_seconds(series, window, shortest, _MOST_POINTS)
    if step is None and not watching:
        raise InvalidQuery(
            f"anomalies: {series} series are too many to score at once, and the watch does not "
            "run; give device_id or array_id"
        )
    return step


async def _scored(
    context: QueryContext, which: Selection, window: float, step: float, min_score: float
) -> list[Anomaly]:
    step_ns = int(step * NS)
    start = context.ago(window + LEARNT * step) // step_ns * step_ns
    buckets = await context.store.series(which, start, context.end_ns, step_ns, _MOST_ROWS)
    return await _in_a_thread(buckets, min_score)


async def _in_a_thread(buckets: list[Bucket], min_score: float) -> list[Anomaly]:
    """Scoring takes a second at most; when nobody waits any more, it stops."""
    given_up = Event()
    try:
        return await asyncio.to_thread(anomaly.of_series, buckets, min_score, given_up.is_set)
    finally:
        given_up.set()


_EXAMPLE_REPLY = """
{"status": "success", "data": [{"device": "array1-disk3", "source_device": "DiskUnit",
"array_id": "array1", "metric_type": "DiskTemp", "from": "2026-11-23T05:26:15Z",
"to": "2026-11-23T05:26:55Z", "peak_time": "2026-11-23T05:26:50Z", "value": 68.88,
"expected": 32.7936, "unit": "degC", "score": 0.8598, "severity": "warning", "kind": "surge",
"lasts": true, "explanation": "DiskTemp 68.88 degC; 99 % of the last 1 h lay below 33.79 degC"}],
"source": "store", "step_seconds": 5.0}
"""

QUESTIONS = (
    Query(
        name="anomalies",
        description="What was unusual lately, in which metric of which device, and why; the worst "
        "first.",
        params=AnomaliesParams,
        reply="a list of {device, source_device, array_id, metric_type, from, to, peak_time, "
        "value, expected, unit, score, severity, kind, lasts, explanation}, the highest score "
        "first, and beside it `source`: store where the readings were scored for this question, "
        "watch where the fleet's record answers; `step_seconds`, the length of a point; and from "
        "the watch, where READER_WATCH_SERIES leaves some out, how many: `unwatched_series`",
        example={"device_id": "array1-disk3", "since_minutes": 60},
        example_reply=_EXAMPLE_REPLY,
        handler=_anomalies,
    ),
)
