"""``alerts_critical``: the critical events of the last minutes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from reader.answering.context import Answer, Query, QueryContext
from reader.answering.params import Criticality, DeviceParams, Minutes, Time, Whole
from spindle import timestamps
from spindle.store.base import EventRow

_SUMMARISED = 10_000  # events that the summary counts at most


class AlertsParams(DeviceParams):
    """Parameters of ``alerts_critical``."""

    since_minutes: Minutes = Field(15.0, description="how far back, in minutes")
    min_criticality: Criticality = Field(8, description="least criticality, 1 to 10")
    limit: Annotated[Whole, Field(ge=1, le=10_000)] = Field(
        1000, description="at most so many events, the newest first"
    )
    until: Time | None = Field(
        None,
        description="only events up to this time: the time of the last event of a page and, as "
        "offset, how many of its events have that time ask for the next page, at any depth",
    )
    offset: Annotated[Whole, Field(ge=0, le=90_000)] = Field(
        0, description="leave out so many of the newest"
    )


async def _alerts_critical(context: QueryContext, asked: AlertsParams) -> Answer:
    page_end = asked.offset + asked.limit
    events = await context.store.events(
        asked.selection(),
        context.ago(asked.since_minutes * 60),
        asked.min_criticality,
        limit=max(_SUMMARISED, page_end) + 1,
        end_ns=timestamps.parse(asked.until) + 1 if asked.until else None,
    )
    page = events[asked.offset : page_end]
    return Answer(rows(page), {"summary": summary(events)}, page_end < len(events))


def rows(events: Sequence[EventRow]) -> list[dict[str, Any]]:
    """One flat object per event, in the order given."""
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
    """``[{source_device, critical_event_count}]``, the class with the most first."""
    counts = Counter(event.source_device for event in events)
    return [
        {"source_device": source_device, "critical_event_count": count}
        for source_device, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]


_EXAMPLE_REPLY = """
{"status": "success", "data": [{"time": "2026-11-23T05:26:50.00467388Z",
"event_id": "ef68951b-42f3-4a25-bfba-37fbc884a2c5", "source_device": "DiskUnit",
"event_type": "DriveFailure", "criticality": 8, "device_id": "array1-disk3", "array_id": "array1",
"event_message": "temperature 69.0 degC, critical from 60 degC"}],
"summary": [{"source_device": "DiskUnit", "critical_event_count": 5}]}
"""

QUESTIONS = (
    Query(
        name="alerts_critical",
        description="Critical events of the last minutes, newest first, and how many each class "
        "had.",
        params=AlertsParams,
        reply="a list of {time, event_id, source_device, event_type, criticality, device_id, "
        "array_id, event_message}, and beside it `summary`: a list of {source_device, "
        "critical_event_count}",
        example={"since_minutes": 60, "min_criticality": 8},
        example_reply=_EXAMPLE_REPLY,
        handler=_alerts_critical,
    ),
)
