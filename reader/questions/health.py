"""``device_health``: the state of one device, or of the worst of a class, with the reasons.
``fleet_health``: which devices and arrays are in trouble.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from reader.answering.context import Answer, Query, QueryContext
from reader.answering.params import DeviceParams, Whole, several
from reader.health import summary
from reader.health.arrays import is_array
from spindle.store.base import Selection


class HealthParams(DeviceParams):
    """Parameters of ``device_health``: a device, a class, or an array by ``array_id`` alone."""

    @model_validator(mode="after")
    def _says_what(self) -> HealthParams:
        if not self.device and self.array_id is None:
            raise ValueError("give source_device, device_id or array_id")
        return self


async def _device_health(context: QueryContext, asked: HealthParams) -> Answer:
    array = asked.array_id if not asked.device else None
    which = asked.selection()
    units = [] if array else await context.examiner.examine(context.store, which, context.now_ns)
    facts = context.watch_findings.facts
    if asked.device_id and len(units) == 1 and is_array(facts.find(units[0].key)):
        array = asked.device_id
    hours = context.settings.reader_lookback_hours
    if array is not None:
        found = await _array_health(context, array)
        if found is not None:
            return Answer(found)
    found = summary.of_device(
        asked.device or asked.array_id or "", asked.source_device, units, hours
    )
    gone = context.watch_findings.decisions.retired_as(asked.device_id, asked.array_id)
    if not units and gone is not None:
        found["reasons"][0]["message"] = gone.sentence()
    return Answer(found, several(asked, (unit.key for unit in units)))


async def _array_health(context: QueryContext, name: str) -> dict[str, Any] | None:
    """Of an array its members matter, and they may be called by the host's name."""
    settings, facts = context.settings, context.watch_findings.facts
    fleet = await context.examiner.examine(context.store, Selection(), context.now_ns)
    hours = settings.reader_lookback_hours
    return summary.of_array(name, fleet, settings.redundancy(), facts.find, hours)


class FleetParams(DeviceParams):
    """Parameters of ``fleet_health``."""

    state: Literal["ok", "unknown", "warning", "critical"] | None = Field(
        None, description="list devices in this state; default all that are not ok"
    )
    limit: Annotated[Whole, Field(ge=1, le=1000)] = Field(
        20, description="at most so many devices, and so many arrays"
    )


async def _fleet_health(context: QueryContext, asked: FleetParams) -> Answer:
    which = asked.selection()
    units = await context.examiner.examine(context.store, which, context.now_ns)
    facts = context.watch_findings.facts
    redundancy = context.settings.redundancy()
    return Answer(
        summary.of_fleet(
            units, asked.state, asked.limit, facts.is_simulated, redundancy, facts.find
        )
    )


_DEVICE_REPLY = """
{"status": "success", "data": {"device": "DiskUnit", "health": "critical", "score": 19,
"since": "2026-11-23T05:26:15Z", "source_device": "DiskUnit", "array_id": null,
"last_seen": "2026-11-23T05:26:56.003020285Z", "counts": {"ok": 11, "unknown": 0, "warning": 0,
"critical": 1}, "reasons": [{"source_device": "DiskUnit", "device": "array1-disk3",
"array_id": "array1", "metric_type": "DiskTemp", "event_type": null, "value": 68.81,
"unit": "degC", "limit": 60.0, "severity": "critical",
"time": "2026-11-23T05:26:56.003020285Z", "since": "2026-11-23T05:26:15Z",
"message": "DiskTemp 68.81 degC, at or above 60 degC (critical) for 41 s",
"acknowledged": null}]}}
"""

_FLEET_REPLY = """
{"status": "success", "data": {"health": "critical", "devices_known": 14, "counts": {"ok": 13,
"unknown": 0, "warning": 0, "critical": 1}, "listed": 1, "matching": 1,
"devices": [{"device": "array1-disk3", "source_device": "DiskUnit", "array_id": "array1",
"health": "critical", "score": 19, "since": "2026-11-23T05:26:15Z",
"last_seen": "2026-11-23T05:26:56.003020285Z", "reasons": [{"source_device": "DiskUnit",
"device": "array1-disk3", "array_id": "array1", "metric_type": "DiskTemp",
"event_type": null, "value": 68.81, "unit": "degC", "limit": 60.0, "severity": "critical",
"time": "2026-11-23T05:26:56.003020285Z",
"since": "2026-11-23T05:26:15Z",
"message": "DiskTemp 68.81 degC, at or above 60 degC (critical) for 41 s", "acknowledged": null}]}],
"arrays": [{"array_id": "array1", "health": "critical", "score": 19, "counts": {"ok": 6,
"unknown": 0, "warning": 0, "critical": 1}, "worst": "array1-disk3",
"message": "1 critical of 7 devices, worst array1-disk3: DiskTemp 68.81 degC, at or above 60 degC \
(critical) for 41 s"}]}}
"""

QUESTIONS = (
    Query(
        name="device_health",
        description="Is a device, an array, or the worst of a class of devices, ok, warning, "
        "critical or unknown?",
        params=HealthParams,
        reply="{device, health, score, since, source_device, array_id, last_seen, counts, "
        "reasons}, reasons worst first: a list of {source_device, device, array_id, metric_type, "
        "event_type, value, unit, limit, severity, time, since, message, acknowledged}; of an "
        "array (array_id alone, or its device_id) also `array`: {array_id, health, score, counts, "
        "worst, message, redundancy}, the verdict from its members; `note` where several units "
        "have the name",
        example={"source_device": "DiskUnit"},
        example_reply=_DEVICE_REPLY,
        handler=_device_health,
    ),
    Query(
        name="fleet_health",
        description="Which devices and arrays are in trouble, the worst first, and how many are "
        "well?",
        params=FleetParams,
        reply="{health, devices_known, counts, simulated, listed, matching, devices, arrays, "
        "acknowledged}: "
        "health and counts are of the real devices, simulated has {health, devices_known, counts} "
        "of those that do not exist, where there are any; devices is a list of {device, "
        "source_device, array_id, health, score, since, last_seen, reasons}, arrays one of "
        "{array_id, health, score, counts, worst, message}; an array is as well as the worst of "
        "its members",
        example={"limit": 10},
        example_reply=_FLEET_REPLY,
        handler=_fleet_health,
    ),
)
