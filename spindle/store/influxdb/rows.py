"""Rows of InfluxQL as the data that crosses the ``Store`` protocol. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from spindle.store.base import Bucket, EventRow, Latest
from spindle.store.influxdb.influxql import OLD_CRITICALITY, OLD_ID

Row = dict[str, Any]
Tags = tuple[str, str, str, str]


def latest(row: Row) -> Latest:
    return Latest(*metric_tags(row), row["time"], float(row["value"]))


def metric_tags(row: Row) -> Tags:
    return row["source_device"], row["metric_type"], row["device_id"], row["array_id"]


def event_tags(row: Row) -> Tags:
    return row["source_device"], row["event_type"], row["device_id"], row["array_id"]


def shift(row: Row) -> int:
    """By how many nanoseconds an event is stored later than it happened."""
    return int(row.get("time_shift_ns") or 0)


def raw_step(row: Row) -> Bucket:
    value = float(row["value"])
    return Bucket(*metric_tags(row), row["time"], value, value, value, 1)


def step(row: Row, scale: float = 1.0) -> Bucket:
    """:param scale: what the mean was divided by."""
    mean, minimum, maximum = (float(row[key]) for key in ("mean", "minimum", "maximum"))
    return Bucket(*metric_tags(row), row["time"], mean * scale, minimum, maximum, int(row["count"]))


def event(row: Row) -> EventRow:
    source, kind, device, array = event_tags(row)
    return EventRow(
        time_ns=row["time"] - shift(row),
        event_id=row["event_id"] or row.get(OLD_ID) or "",
        source_device=source,
        event_type=kind,
        device_id=device,
        array_id=array,
        criticality=int(row["criticality"] or row.get(OLD_CRITICALITY) or 0),
        message=row["event_message"] or "",
    )


def without_copied(events: Iterable[EventRow]) -> set[EventRow]:
    """Without those of an older platform, which named no device, that were copied into our form."""
    events = set(events)
    ours = {_told(event) for event in events if event.device_id}
    return {event for event in events if event.device_id or _told(event) not in ours}


def _told(event: EventRow) -> tuple[int, str, str, str]:
    return event.time_ns, event.event_id, event.source_device, event.event_type


def series_key(item: Latest | Bucket) -> tuple[str, str, str, str, int]:
    """The order of answers: by series, then by time."""
    return item.source_device, item.metric_type, item.device_id, item.array_id, item.time_ns
