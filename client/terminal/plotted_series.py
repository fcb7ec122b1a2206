"""One metric of one device over time: what is asked for it, and what a picture of it holds. Pure
but for ``gather``, which asks the reader.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from client.ask import Refused
from client.verbs.asking import Asker
from spindle.catalog import METRICS

_STEPS = 240  # about so many in a picture
#: Least, mean and most of each step, and when it begins.
Band = tuple[list[datetime], list[float], list[float], list[float]]


@dataclass(frozen=True, slots=True)
class PlottedSeries:
    """One series with everything that is drawn of it.

    :ivar limits: level and what is reached there.
    :ivar anomalies: from when, until when, in which words.
    :ivar forecast: times, least and most of 4 in 5 futures, and the middle; empty where none is.
    """

    title: str
    unit: str
    band: Band
    limits: list[tuple[float, str]]
    anomalies: list[tuple[datetime, datetime, str]]
    forecast: Band
    words: list[str]


async def gather(
    asker: Asker, who: Mapping[str, str | None], metric: str, since_minutes: float
) -> PlottedSeries:
    """Ask the reader for all that the picture holds.

    :param who: device_id, source_device, array_id.
    :raises Refused: there is no such series, or it is one of several devices.
    """
    span = {**who, "metric_type": metric, "since_minutes": since_minutes}
    every = max(1, round(since_minutes * 60 / _STEPS))
    series, anomalies, capacity = await asyncio.gather(
        asker.ask("series", **span, every_seconds=every, limit=50_000),
        asker.ask("anomalies", **span),
        asker.ask("capacity_forecast", **who, metric_type=metric, limit=1),
    )
    steps = series["data"]
    units = {f"{each['source_device']}/{each['array_id'] or '-'}" for each in steps}
    if not steps:
        raise Refused(
            f"no reading of {metric} of {who['device_id']} in the last {since_minutes:g} min; "
            "./run.sh query devices lists what there is"
        )
    if len(units) > 1:
        raise Refused(f"{who['device_id']} is {' and '.join(sorted(units))}; give array_id")
    known = METRICS.get(metric)
    return PlottedSeries(
        title=f"{metric} of {who['device_id']}",
        unit=steps[0]["unit"] or "",
        band=_band(steps),
        limits=[
            (limit, name)
            for name in ("warning", "critical")
            if known and (limit := getattr(known, name)) is not None
        ],
        anomalies=[
            (_time(each["from"]), _time(each["to"]), each["explanation"])
            for each in anomalies["data"]
        ],
        forecast=_forecast(capacity["data"], steps[-1]["mean"], since_minutes),
        words=[each["explanation"] for each in anomalies["data"]]
        + [each["message"] for each in capacity["data"] if each["verdict"] == "filling"],
    )


def _band(steps: Sequence[Mapping[str, Any]]) -> Band:
    return (
        [_time(each["time"]) for each in steps],
        [each["min"] for each in steps],
        [each["mean"] for each in steps],
        [each["max"] for each in steps],
    )


def _forecast(rows: Sequence[Mapping[str, Any]], now_value: float, since_minutes: float) -> Band:
    """As far ahead as the picture looks back, or to the first day that is known, if later."""
    if not rows or rows[0]["verdict"] != "filling":
        return [], [], [], []
    now = datetime.now(UTC)
    wanted = since_minutes / 1440
    ahead = [each for each in rows[0]["ahead"] if each["value"] is not None]
    within = [each for each in ahead if each["days"] <= wanted]
    chosen = within or ahead[:1]
    return (
        [now, *(now + timedelta(days=each["days"]) for each in chosen)],
        [now_value, *(each["low"] for each in chosen)],
        [now_value, *(each["value"] for each in chosen)],
        [now_value, *(each["high"] for each in chosen)],
    )


def _time(text: str) -> datetime:
    """A time as the reader writes it, to microseconds."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{whole}.{(fraction + '000000')[:6]}+00:00")
