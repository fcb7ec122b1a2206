"""``devices``: which devices are known, with their latest readings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import Field

from reader.answering.context import Answer, Query, QueryContext
from reader.answering.params import DeviceParams, Minutes, Whole
from reader.detection.findings import DeviceKey
from reader.health.hosts import apart
from reader.lookups.present import until_now
from spindle import catalog, timestamps
from spindle.models import DeviceFacts, Name
from spindle.store.base import EventRow, Latest, Selection

#: Of the facts; they stand beside them.
_KEYS = {"timestamp", "source_device", "device_id", "array_id"}
_EVENT_ONLY = 2_000  # newest events looked through for devices that send no metrics


class DevicesParams(DeviceParams):
    """Parameters of ``devices``."""

    array_id: Name | None = Field(None, description="the array that devices belong to")
    since_minutes: Minutes | None = Field(
        None, description="seen in the last so many minutes; default READER_LOOKBACK_HOURS"
    )
    limit: Annotated[Whole, Field(ge=1, le=10_000)] = Field(
        1000, description="at most so many devices"
    )


async def _devices(context: QueryContext, asked: DevicesParams) -> Answer:
    which = Selection(asked.source_device, asked.device_id, asked.array_id)
    minutes = asked.since_minutes or context.settings.reader_lookback_hours * 60
    since = context.ago(minutes * 60)
    stored = await context.store.latest(which, since)
    present = await until_now(context.store, which, stored, since, context.now_ns)
    readings = [*present.readings]
    known = {(each.source_device, each.device_id) for each in readings}
    readings += [late for key, late in present.ahead.items() if key not in known]
    events = await context.store.events(which, since, limit=_EVENT_ONLY)
    facts = context.watch_findings.facts
    devices = rows(readings, events, facts.of)
    devices.sort(key=lambda row: (row["source_device"], row["device_id"]) in facts.simulated)
    return Answer(devices[: asked.limit], truncated=len(devices) > asked.limit)


def rows(
    readings: Iterable[Latest],
    events: Iterable[EventRow],
    facts: Mapping[DeviceKey, DeviceFacts] | None = None,
) -> list[dict[str, Any]]:
    """``[{device_id, source_device, array_id, last_seen, facts, metrics}]`` by class, then device.

    ``metrics`` holds per metric type ``{value, unit, time}``. A device that has sent only events is
    there too, with no metrics.
    """
    seen: defaultdict[tuple[str, str], list[Latest | EventRow]] = defaultdict(list)
    for reading in readings:
        seen[reading.source_device, reading.device_id].append(reading)
    for event in events:
        seen[event.source_device, event.device_id].append(event)
    return [
        _row(*key, [*own, *told], (facts or {}).get(key))
        for key in sorted(seen)
        for own, told in apart(
            [each for each in seen[key] if isinstance(each, Latest)],
            [each for each in seen[key] if isinstance(each, EventRow)],
        )
    ]


def _row(
    source_device: str,
    device_id: str,
    heard: list[Latest | EventRow],
    facts: DeviceFacts | None,
) -> dict[str, Any]:
    heard.sort(key=lambda item: item.time_ns)  # so that the newest of each metric wins
    arrays = [item.array_id for item in heard if item.array_id]
    return {
        "device_id": device_id,
        "source_device": source_device,
        "array_id": arrays[-1] if arrays else None,
        "last_seen": timestamps.format_ns(heard[-1].time_ns),
        "facts": {} if facts is None else facts.model_dump(exclude=_KEYS, exclude_none=True),
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


_EXAMPLE_REPLY = """
{"status": "success", "data": [{"device_id": "array1-disk1", "source_device": "DiskUnit",
"array_id": "array1", "last_seen": "2026-11-23T05:26:56.003020285Z", "facts": {},
"metrics": {"CapacityUsed": {"value": 54.3231, "unit": "%",
"time": "2026-11-23T05:26:56.003020285Z"}, "DiskTemp": {"value": 32.21, "unit": "degC",
"time": "2026-11-23T05:26:56.003020285Z"}, "IOPs": {"value": 447.3, "unit": "/s",
"time": "2026-11-23T05:26:56.003020285Z"}, "Latency": {"value": 2.911, "unit": "ms",
"time": "2026-11-23T05:26:56.003020285Z"}}}]}
"""

QUESTIONS = (
    Query(
        name="devices",
        description="What is known: every device with when it was last seen and its latest "
        "readings.",
        params=DevicesParams,
        reply="a list of {device_id, source_device, array_id, last_seen, facts, metrics}: facts "
        "what the device is (model, serial, firmware, wwn, capacity_bytes, rotation_rpm, protocol, "
        "host, path, ...), metrics holding {value, unit, time} per metric type",
        example={"source_device": "DiskUnit"},
        example_reply=_EXAMPLE_REPLY,
        handler=_devices,
    ),
)
