"""Anomalies as answers show them, and a stored series scored for them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from operator import attrgetter
from typing import Any

from reader.detection.detector import WARM_UP, Detector
from reader.detection.episodes import Episode, Episodes, severity
from spindle import timestamps
from spindle.catalog import unit
from spindle.store.base import Bucket, SeriesKey
from spindle.timestamps import NS

LEARNT = WARM_UP + 150  #: points before the window, so that what is usual is known when it begins
#: Of an answer; the watch's rows have more.
COLUMNS = (
    *("device", "source_device", "array_id", "metric_type", "from", "to", "peak_time", "value"),
    *("expected", "unit", "score", "severity", "kind", "lasts", "explanation"),
)


def step_seconds(series: int, window: float, least: float, most_points: int) -> float | None:
    """The shortest step, from ``least`` seconds on, at which so many series can be scored.

    :returns: None where not even a long step makes them few enough.
    """
    each = most_points / max(1, series) - LEARNT
    if each < 12:
        return None
    return max(least, window / each)


def of_series(
    steps: Iterable[Bucket], min_score: float, stopped: Callable[[], bool] = lambda: False
) -> list[dict[str, Any]]:
    """Every anomaly in the steps of any number of series, in the order of the series.

    :param steps: of equal length, oldest first within each series; their means are scored.
    :param stopped: asked before each series; nobody waits for the answer any more.
    """
    found: list[dict[str, Any]] = []
    for key, own in groupby(steps, key=attrgetter("key")):
        if stopped():
            break
        found += _of_one(key, own, min_score)
    return found


def _of_one(key: SeriesKey, steps: Iterable[Bucket], min_score: float) -> list[dict[str, Any]]:
    metric_type = key.metric_type
    detector, episodes = Detector(), Episodes(metric_type, min_score)
    ended: list[Episode] = []
    for step in steps:
        time = step.time_ns / NS
        score = detector.update(time, step.mean)
        _, end = episodes.take(
            time, step.mean, score, lambda: detector.explain(metric_type, unit(metric_type))
        )
        if end is not None:
            ended.append(end)
    rows = [row(key, each, lasts=False) for each in ended]
    return rows + ([row(key, episodes.open, lasts=True)] if episodes.open else [])


def row(key: SeriesKey, episode: Episode, *, lasts: bool) -> dict[str, Any]:
    """One anomaly as an answer shows it."""
    source_device, metric_type, device_id, array_id = key
    return {
        "device": device_id,
        "source_device": source_device,
        "array_id": array_id or None,
        "metric_type": metric_type,
        "from": rfc3339(episode.start),
        "to": rfc3339(episode.last),
        "peak_time": rfc3339(episode.peak_time),
        "value": episode.value,
        "expected": episode.expected,
        "unit": unit(metric_type),
        "score": episode.score,
        "severity": severity(metric_type, episode),
        "kind": episode.kind,
        "lasts": lasts,
        "explanation": episode.text,
    }


def chosen(
    rows: Iterable[Mapping[str, Any]], start: float, min_score: float, **wanted: str | None
) -> list[dict[str, Any]]:
    """Those that reach into the window from ``start`` on, the highest score first.

    :param wanted: what a row must say, where it is not None.
    """
    since = rfc3339(start)
    kept = [
        dict(each)
        for each in rows
        if each["to"] >= since
        and each["score"] >= min_score
        and all(value is None or each[name] == value for name, value in wanted.items())
    ]
    shown = ({name: row[name] for name in COLUMNS} for row in kept)
    return sorted(shown, key=lambda each: (-each["score"], each["from"], each["device"]))


def rfc3339(seconds: float) -> str:
    """Seconds since the epoch as RFC 3339, to the millisecond."""
    return timestamps.format_ns(round(seconds * 1000) * 1_000_000)
