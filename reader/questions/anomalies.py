"""``anomalies``: what was unusual, as the watch recorded it.

Where no watch runs, and for the time before its record begins, stored readings are scored anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import ceil
from threading import Event
from typing import Annotated, Any

from pydantic import Field

from reader.answering.context import Answer, Query, QueryContext
from reader.answering.params import DeviceParams, Minutes, Number, Whole
from reader.detection import anomaly
from reader.detection.anomaly import LEARNT, Anomaly, Scored, milliseconds
from reader.detection.explanation import ALARM
from spindle import timestamps
from spindle.errors import InvalidQuery
from spindle.models import Name
from spindle.store.base import Bucket, Selection, SeriesKey
from spindle.timestamps import NS

_MOST_POINTS = 90_000  # scored for one question: about a second
_MOST_ROWS = 100_000  # of one answer of the store


class AnomaliesParams(DeviceParams):
    """Parameters of ``anomalies``."""

    metric_type: Name | None = Field(None, description="one metric, such as Latency; default all")
    since_minutes: Minutes = Field(60.0, description="how far back, in minutes")
    min_score: Annotated[Number, Field(gt=0, le=1)] = Field(
        ALARM,
        description="least score: from 0.5 on it is ruled out as chance; for less, the stored "
        "readings are scored anew",
    )
    limit: Annotated[Whole, Field(ge=1, le=10_000)] = Field(
        100, description="at most so many, the highest scores first"
    )


async def _anomalies(context: QueryContext, asked: AnomaliesParams) -> Answer:
    now, watch = context.now_ns / NS, context.watch_findings
    start = now - asked.since_minutes * 60
    which = asked.selection(asked.metric_type)
    # The watch remembers no score below its own.
    recorded = watch.watching and asked.min_score >= ALARM
    beside: dict[str, Any] = {"source": "watch" if recorded else "store"}
    beside["step_seconds"] = anomaly.STEP_SECONDS
    found = [each for each in watch.anomalies if recorded or each.is_among_peers]
    learning: Mapping[SeriesKey, float] = {
        key: left for key, left in watch.learning.items() if recorded and _is_of(key, which)
    }
    if not recorded or start < watch.since:
        step = await _step_seconds(context, which, start, needed=not recorded)
        if step is None:
            beside["recorded_since"] = timestamps.format_ns(anomaly.milliseconds(watch.since))
        else:
            end = int(watch.since * NS) if recorded else context.end_ns
            scored = await _scored(context, which, (start, end, step), asked.min_score)
            found += _before(found, scored.anomalies) if recorded else scored.anomalies
            if not recorded:
                learning = scored.learning
                beside["step_seconds"] = step
            elif step != anomaly.STEP_SECONDS:
                beside["step_seconds_before_record"] = step
    if recorded and watch.unwatched:
        beside["unwatched_series"] = watch.unwatched
    if learning:
        beside["learning"] = _still_learning(learning)
    kept = chosen(found, which, start, asked.min_score)
    rows = [row(each) for each in kept[: asked.limit]]
    return Answer(rows, beside, truncated=len(kept) > asked.limit)


def _still_learning(learning: Mapping[SeriesKey, float]) -> str:
    seconds = max(learning.values())
    minutes = ceil(seconds / 60)
    left = timestamps.duration(seconds) if minutes > 120 else f"{minutes} minutes"
    which = "1 series is" if len(learning) == 1 else f"{len(learning)} series are"
    return f"{which} still learning, {'1 minute' if minutes == 1 else left} left"


def _before(recorded: Iterable[Anomaly], scored: Iterable[Anomaly]) -> list[Anomaly]:
    """Anomalies of before the watch's record began, which are over now."""
    began: dict[SeriesKey, int] = {}
    for each in recorded:
        began[each.key] = min(each.start_ns, began.get(each.key, each.start_ns))
    return [
        replace(each, ended=True)
        for each in scored
        if each.key not in began or each.last_ns < began[each.key]
    ]


def chosen(
    anomalies: Iterable[Anomaly], which: Selection, start: float, min_score: float
) -> list[Anomaly]:
    """The anomalies that reach into the window from ``start`` on, the highest score first.

    :param start: in seconds since the epoch.
    """
    kept = [
        each
        for each in anomalies
        if each.last_ns >= milliseconds(start)
        and each.episode.score >= min_score
        and _is_of(each.key, which)
    ]
    return sorted(kept, key=lambda each: (-each.episode.score, each.start_ns, each.key.device_id))


def _is_of(key: SeriesKey, which: Selection) -> bool:
    return all(getattr(which, name) in (None, getattr(key, name)) for name in SeriesKey._fields)


def row(anomaly: Anomaly) -> dict[str, Any]:
    """One anomaly as a row of the answer."""
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


async def _step_seconds(
    context: QueryContext, which: Selection, start: float, *, needed: bool
) -> float | None:
    """How long the steps are that are scored: as the watch's, longer where there are too many.

    :param needed: nothing else can answer.
    :returns: None where it would take too long at any step.
    :raises InvalidQuery: there are too many series to score, and it is needed.
    """
    window = context.now_ns / NS - start
    series = len(await context.store.latest(which, context.ago(window)))
    step = anomaly.step_seconds(series, window, anomaly.STEP_SECONDS, _MOST_POINTS)
    if step is None and needed:
        raise InvalidQuery(
            f"anomalies: {series} series are too many to score at once, and the watch does not "
            "run; give device_id or array_id"
        )
    return step


async def _scored(
    context: QueryContext, which: Selection, span: tuple[float, int, float], min_score: float
) -> Scored:
    """:param span: from when on in seconds, until when in nanoseconds, in steps of how long."""
    start, end_ns, step = span
    step_ns = int(step * NS)
    start_ns = max(0, int((start - LEARNT * step) * NS)) // step_ns * step_ns
    buckets = await context.store.series(which, start_ns, end_ns, step_ns, _MOST_ROWS)
    return await _in_a_thread(buckets, min_score)


async def _in_a_thread(buckets: list[Bucket], min_score: float) -> Scored:
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
"source": "watch", "step_seconds": 5.0}
"""

QUESTIONS = (
    Query(
        name="anomalies",
        description="What was unusual lately, in which metric of which device, and why; the worst "
        "first.",
        params=AnomaliesParams,
        reply="a list of {device, source_device, array_id, metric_type, from, to, peak_time, "
        "value, expected, unit, score, severity, kind, lasts, explanation}, the highest score "
        "first, and beside it `source`: watch where the fleet's record answers, store where no "
        "watch runs and the readings were scored for this question; `step_seconds`, the length "
        "of a point (`step_seconds_before_record`, where it is another before the record began); "
        "`recorded_since`, where no more is known than from then on; `learning`, where it is not "
        "known yet what is usual; and where READER_WATCH_SERIES leaves some series out, how many: "
        "`unwatched_series`",
        example={"device_id": "array1-disk3", "since_minutes": 60},
        example_reply=_EXAMPLE_REPLY,
        handler=_anomalies,
    ),
)
