"""Questions about devices: which there are, which are in trouble, and why."""

from __future__ import annotations

from typing import Any

from reader.answering import params
from reader.answering.context import Answer, Query, Sources
from reader.health import fleet, verdict
from reader.questions import alert_rows, device_rows
from spindle.store.base import Selection

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
    return Answer(
        alert_rows.rows(page), {"summary": alert_rows.summary(found)}, page_end < len(found)
    )


async def _device_health(at: Sources, asked: params.HealthParams) -> Answer:
    which = Selection(asked.source_device, asked.device_id)
    units = await at.examiner.examine(at.store, which, at.now_ns)
    hours = at.settings.reader_lookback_hours
    return Answer(verdict.answer(asked.device, asked.source_device, units, hours))


async def _fleet_health(at: Sources, asked: params.FleetParams) -> Answer:
    which = Selection(asked.source_device, asked.device_id, asked.array_id)
    units = await at.examiner.examine(at.store, which, at.now_ns)
    return Answer(fleet.answer(units, asked.state, asked.limit))


async def _devices(at: Sources, asked: params.DevicesParams) -> Answer:
    which = Selection(asked.source_device, asked.device_id, asked.array_id)
    minutes = asked.since_minutes or at.settings.reader_lookback_hours * 60
    since = at.ago(minutes * 60)
    readings = await at.store.latest(which, since)
    events = await at.store.events(which, since, limit=_EVENT_ONLY)
    found = device_rows.rows(readings, events)
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
        "{device, health, score, since, source_device, last_seen, counts, reasons}, reasons worst "
        "first: a list of {source_device, device, metric_type, event_type, value, unit, limit, "
        "severity, time, since, message}",
        {"source_device": "DiskUnit"},
        _device_health,
    ),
    Query(
        "fleet_health",
        "Which devices and arrays are in trouble, the worst first, and how many are well?",
        params.FleetParams,
        "{health, devices_known, counts, listed, matching, devices, arrays}: devices a list of "
        "{device, source_device, array_id, health, score, since, last_seen, reasons}, arrays one "
        "of {array_id, health, score, counts, worst, message}; an array is as well as the worst "
        "of its members",
        {"limit": 10},
        _fleet_health,
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
