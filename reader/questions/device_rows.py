"""What is known: every device with its latest readings. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from spindle import catalog, timestamps
from spindle.store.base import EventRow, Latest


def rows(readings: Iterable[Latest], events: Iterable[EventRow]) -> list[dict[str, Any]]:
    """``[{device_id, source_device, array_id, last_seen, metrics}]`` by class, then device.

    ``metrics`` holds per metric type ``{value, unit, time}``. A device that has sent only events is
    there too, with no metrics.
    """
    seen: defaultdict[tuple[str, str], list[Latest | EventRow]] = defaultdict(list)
    for reading in readings:
        seen[reading.source_device, reading.device_id].append(reading)
    for event in events:
        seen[event.source_device, event.device_id].append(event)
    return [_row(*key, seen[key]) for key in sorted(seen)]


def _row(source_device: str, device_id: str, heard: list[Latest | EventRow]) -> dict[str, Any]:
    heard.sort(key=lambda item: item.time_ns)  # so that the newest of each metric wins
    arrays = [item.array_id for item in heard if item.array_id]
    return {
        "device_id": device_id,
        "source_device": source_device,
        "array_id": arrays[-1] if arrays else None,
        "last_seen": timestamps.format_ns(heard[-1].time_ns),
        "metrics": {
            reading.metric_type: {
                "value": reading.value,
                "unit": catalog.unit(reading.metric_type),
                "time": timestamps.format_ns(reading.time_ns),
            }
            for reading in heard
            if isinstance(reading, Latest)
        },
    }
