"""Questions about devices: which there are, which are in trouble, and why."""

from __future__ import annotations

from typing import Any

from reader import alerts, devices, health, params
from reader.question import Answer, Query, Sources
from spindle.store.base import Selection
from spindle.timestamps import NS

_SUMMARISED = 10_000  # events that the summary of alerts counts at most
_EVENT_ONLY = 2_000  # newest events looked through for devices that send no metrics


async def _alerts_critical(at: Sources, asked: params.AlertsParams) -> Answer:
    page_end = asked.offset + asked.limit
    found = await at.store.events(
        Selection(asked.source_device, asked.device_id),
        at.ago(asked.since_minutes * 60),
        asked.min_criticality,
        limit=max(_SUMMARISED, page_end) + 1,
    )
    page = found[asked.offset : page_end]
    return Answer(alerts.rows(page), {"summary": alerts.summary(found)}, page_end < len(found))


async def _device_health(at: Sources, asked: params.HealthParams) -> Answer:
    which = Selection(asked.source_device, asked.device_id)
    settings = at.settings
    readings = await at.store.latest(which, at.ago(settings.reader_lookback_hours * 3600))
    events = await at.store.events(
        which, at.ago(settings.reader_event_minutes * 60), health.CRITICAL_EVENT
    )
    units = health.judge(readings, events, at.now_ns, int(settings.reader_stale_seconds * NS))
    return Answer(
        health.answer(asked.device, asked.source_device, units, settings.reader_lookback_hours)
    )


async def _devices(at: Sources, asked: params.DevicesParams) -> Answer:
    which = Selection(asked.source_device, asked.device_id, asked.array_id)
    minutes = asked.since_minutes or at.settings.reader_lookback_hours * 60
    since = at.ago(minutes * 60)
    readings = await at.store.latest(which, since)
    events = await at.store.events(which, since, limit=_EVENT_ONLY)
    found = devices.rows(readings, events)
    return Answer(found[: asked.limit], truncated=len(found) > asked.limit)


QUESTIONS: tuple[Query[Any], ...] = (
    Query(
        "alerts_critical",
        "Critical events of the last minutes, newest first, and how many each class had.",
        params.AlertsParams,
        "a list of {time, event_id, source_device, event_type, criticality, device_id, "
        "array_id, event_message}, and beside it `summary`: a list of {source_device, "
        "critical_event_count}",
        {"since_minutes": 60, "min_criticality": 8},
        _alerts_critical,
    ),
    Query(
        "device_health",
        "Is a device, or the worst of a class of devices, ok, warning, critical or unknown?",
        params.HealthParams,
        "{device, health, source_device, last_seen, counts, reasons}",
        {"source_device": "DiskUnit"},
        _device_health,
    ),
    Query(
        "devices",
        "What is known: every device with when it was last seen and its latest readings.",
        params.DevicesParams,
        "a list of {device_id, source_device, array_id, last_seen, metrics}, metrics holding "
        "{value, unit, time} per metric type",
        {"source_device": "DiskUnit"},
        _devices,
    ),
)
