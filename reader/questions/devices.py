"""``devices``: which devices are known, with their latest readings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field

from reader.answering.context import Answer, Query, QueryContext
from reader.answering.params import DeviceParams, Minutes, Whole
from reader.detection.findings import State
from reader.health.evidence import last_state
from reader.health.hosts import Heard, units
from reader.lookups.known.newest_readings import until_now
from spindle import catalog, timestamps
from spindle.models import DeviceFacts
from spindle.store.base import DeviceKey, Selection

#: Of the facts; they stand beside them.
_KEYS = {"timestamp", "source_device", "device_id", "array_id"}
_EVENT_ONLY = 2_000  # newest events looked through for devices that send no metrics


class DevicesParams(DeviceParams):
    """Parameters of ``devices``."""

    since_minutes: Minutes | None = Field(
        None, description="seen in the last so many minutes; default READER_LOOKBACK_HOURS"
    )
    limit: Annotated[Whole, Field(ge=1, le=10_000)] = Field(
        1000, description="at most so many devices"
    )


async def _devices(context: QueryContext, asked: DevicesParams) -> Answer:
    which = asked.selection()
    since = context.ago(asked.since_minutes * 60 if asked.since_minutes else _lookback(context))
    # A drive that has moved away is not of the array any more.
    everywhere = replace(which, array_id=None) if which.device_id else which
    stored = await context.store.latest(everywhere, since)
    present = await until_now(context.store, everywhere, stored, since, context.now_ns)
    readings = [*present.readings]
    known = {each.device for each in readings}
    readings += [late for key, late in present.ahead.items() if key not in known]
    events = await context.store.events(everywhere, since, limit=_EVENT_ONLY)
    facts = context.watch_findings.facts
    found = [u for u in units(readings, events) if which.array_id in (None, u.key.array_id)]
    found.sort(key=lambda unit: facts.is_simulated(unit.key))
    shown = found[: asked.limit]
    states = await _states(context, which, shown)
    rows = [row(unit, facts.find(unit.key), states.get(unit.key, "unknown")) for unit in shown]
    return Answer(rows, truncated=len(found) > asked.limit)


async def _states(
    context: QueryContext, which: Selection, shown: Iterable[Heard]
) -> dict[DeviceKey, State]:
    """How each is, by the watch that judges the fleet every few seconds; else judged now."""
    findings, judged_since = context.watch_findings, context.ago(_lookback(context))
    if not findings.judged:
        judged = await context.examiner.examine(context.store, which, context.now_ns)
        return {unit.key: unit.state for unit in judged}
    found: dict[DeviceKey, State] = {}
    for unit in shown:
        if any(each.time_ns >= judged_since for each in (*unit.readings, *unit.ahead)):
            state = last_state(findings.previous_states, unit.key)
            found[unit.key] = "ok" if state is None else state.state
    return found


def _lookback(context: QueryContext) -> float:
    return context.settings.reader_lookback_hours * 3600


def row(unit: Heard, facts: DeviceFacts | None, health: str | None = None) -> dict[str, Any]:
    """``{device_id, source_device, array_id, health, last_seen, facts, metrics}``.

    ``metrics`` holds per metric type ``{value, unit, time}``.
    """
    readings = sorted(unit.readings, key=lambda each: each.time_ns)  # so that the newest wins
    seen = [each.time_ns for some in (readings, unit.events) for each in some]
    return {
        "device_id": unit.key.device_id,
        "source_device": unit.key.source_device,
        "array_id": unit.key.array_id or None,
        "health": health,
        "last_seen": timestamps.format_ns(max(seen)),
        "facts": {} if facts is None else facts.model_dump(exclude=_KEYS, exclude_none=True),
        "metrics": {
            reading.metric_type: {
                "value": reading.value,
                "unit": catalog.unit(reading.metric_type),
                "time": timestamps.format_ns(reading.time_ns),
            }
            for reading in readings
        },
    }


_EXAMPLE_REPLY = """
{"status": "success", "data": [{"device_id": "array1-disk1", "source_device": "DiskUnit",
"array_id": "array1", "health": "ok", "last_seen": "2026-11-23T05:26:56.003020285Z", "facts": {},
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
        reply="a list of {device_id, source_device, array_id, health, last_seen, facts, metrics}: "
        "health as device_health says it, facts what the device is (model, serial, firmware, wwn, "
        "capacity_bytes, rotation_rpm, protocol, host, path, ...), metrics holding {value, unit, "
        "time} per metric type",
        example={"source_device": "DiskUnit"},
        example_reply=_EXAMPLE_REPLY,
        handler=_devices,
    ),
)
