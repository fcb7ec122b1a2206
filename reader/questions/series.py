"""``series``: the readings of a device over time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar

from pydantic import Field

from reader.answering.context import Answer, Query, QueryContext
from reader.answering.params import LONGEST_MINUTES, DeviceParams, Minutes, Number, Whole, several
from spindle import timestamps
from spindle.catalog import unit
from spindle.models import Name
from spindle.store.base import Bucket
from spindle.timestamps import NS


class SeriesParams(DeviceParams):
    """Parameters of ``series``."""

    needs_device: ClassVar[bool] = True

    metric_type: Name | None = Field(None, description="one metric, such as DiskTemp; default all")
    since_minutes: Minutes = Field(60.0, description="how far back, in minutes")
    every_seconds: Annotated[Number, Field(ge=0, le=LONGEST_MINUTES * 60)] = Field(
        60.0, description="length of a step in seconds; 0 for the readings themselves"
    )
    limit: Annotated[Whole, Field(ge=1, le=50_000)] = Field(
        5000, description="at most so many steps in all"
    )


async def _series(context: QueryContext, asked: SeriesParams) -> Answer:
    buckets = await context.store.series(
        asked.selection(asked.metric_type),
        context.ago(asked.since_minutes * 60),
        context.end_ns,
        max(1, int(asked.every_seconds * NS)) if asked.every_seconds else None,
        limit=asked.limit + 1,
    )
    beside = several(asked, (bucket.device for bucket in buckets))
    return Answer(rows(buckets[: asked.limit]), beside, len(buckets) > asked.limit)


def rows(buckets: Iterable[Bucket]) -> list[dict[str, Any]]:
    """One flat object per bucket, in the order given; ``time`` is where the bucket begins."""
    return [
        {
            "time": timestamps.format_ns(bucket.time_ns),
            "device_id": bucket.device_id,
            "source_device": bucket.source_device,
            "array_id": bucket.array_id or None,
            "metric_type": bucket.metric_type,
            "unit": unit(bucket.metric_type),
            "mean": bucket.mean,
            "min": bucket.minimum,
            "max": bucket.maximum,
            "count": bucket.count,
        }
        for bucket in buckets
    ]


_EXAMPLE_REPLY = """
{"status": "success", "data": [{"time": "2026-11-23T04:26:00Z", "device_id": "array1-disk1",
"source_device": "DiskUnit", "array_id": "array1", "metric_type": "DiskTemp", "unit": "degC",
"mean": 32.51, "min": 32.51, "max": 32.51, "count": 1}]}
"""

QUESTIONS = (
    Query(
        name="series",
        description="A device's readings over time: mean, least and most of each step.",
        params=SeriesParams,
        reply="a list of {time, device_id, source_device, array_id, metric_type, unit, mean, min, "
        "max, count}, oldest first within each series; `note` where several units have the name",
        example={"source_device": "DiskUnit", "metric_type": "DiskTemp", "every_seconds": 60},
        example_reply=_EXAMPLE_REPLY,
        handler=_series,
    ),
)
