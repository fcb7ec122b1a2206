"""One metric over time, as answers show it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from spindle import timestamps
from spindle.catalog import unit
from spindle.store.base import Bucket


def rows(steps: Iterable[Bucket]) -> list[dict[str, Any]]:
    """One flat object per step, in the order given; ``time`` is the step's start."""
    return [
        {
            "time": timestamps.format_ns(step.time_ns),
            "device_id": step.device_id,
            "source_device": step.source_device,
            "array_id": step.array_id or None,
            "metric_type": step.metric_type,
            "unit": unit(step.metric_type),
            "mean": step.mean,
            "min": step.minimum,
            "max": step.maximum,
            "count": step.count,
        }
        for step in steps
    ]
