"""``device_health``: the state of one device, or of the worst of a class, with the reasons."""

from __future__ import annotations

from typing import ClassVar

from reader.answering.context import Answer, Query, QueryContext
from reader.answering.params import DeviceParams, several
from reader.health import summary


class HealthParams(DeviceParams):
    """Parameters of ``device_health``."""

    needs_device: ClassVar[bool] = True


async def _device_health(context: QueryContext, asked: HealthParams) -> Answer:
    which = asked.selection()
    units = await context.examiner.examine(context.store, which, context.now_ns)
    hours = context.settings.reader_lookback_hours
    found = summary.of_device(asked.device, asked.source_device, units, hours)
    gone = context.watch_findings.decisions.retired_as(asked.device_id, asked.array_id)
    if not units and gone is not None:
        found["reasons"][0]["message"] = gone.sentence()
    return Answer(found, several(asked, (unit.key for unit in units)))


_EXAMPLE_REPLY = """
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

QUESTIONS = (
    Query(
        name="device_health",
        description="Is a device, or the worst of a class of devices, ok, warning, critical or "
        "unknown?",
        params=HealthParams,
        reply="{device, health, score, since, source_device, array_id, last_seen, counts, "
        "reasons}, reasons worst first: a list of {source_device, device, array_id, metric_type, "
        "event_type, value, unit, limit, severity, time, since, message, acknowledged}; `note` "
        "where several units have the name",
        example={"source_device": "DiskUnit"},
        example_reply=_EXAMPLE_REPLY,
        handler=_device_health,
    ),
)
