"""Critical events as answers show them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from spindle import timestamps
from spindle.store.base import EventRow


def rows(events: Sequence[EventRow]) -> list[dict[str, Any]]:
    """Row 12's fields, and which device it was; in the order given."""
    return [
        {
            "time": timestamps.format_ns(event.time_ns),
            "event_id": event.event_id,
            "source_device": event.source_device,
            "event_type": event.event_type,
            "criticality": event.criticality,
            "device_id": event.device_id,
            "array_id": event.array_id or None,
            "event_message": event.message or None,
        }
        for event in events
    ]


def summary(events: Sequence[EventRow]) -> list[dict[str, Any]]:
    """``[{source_device, critical_event_count}]``, the most first."""
    counts = Counter(event.source_device for event in events)
    return [
        {"source_device": source_device, "critical_event_count": count}
        for source_device, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]
