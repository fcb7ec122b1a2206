"""``acknowledge``, ``revoke``, ``acknowledged``: reasons that somebody knows of stop alarming."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from pydantic import Field

from reader.answering.context import Answer, Query, QueryContext
from reader.answering.params import DeviceParams, Note, Time
from reader.health import decisions as known
from reader.health.decisions import Acknowledgement
from reader.health.evidence import Unit
from reader.health.reasons import Reason
from reader.lookups import followed_buckets
from reader.lookups.known.decisions import MOST
from spindle import catalog, timestamps
from spindle.catalog import Direction
from spindle.errors import Busy, InvalidQuery
from spindle.models import Name
from spindle.store.base import Selection


class KnownParams(DeviceParams):
    """Parameters of ``acknowledged``."""

    reason: Name | None = Field(
        None, description="a metric type, an event type, or Silence; default all that there are"
    )

    def selects(self, said: Acknowledgement) -> bool:
        """Whether the caller asked about this one."""
        return self.selection().includes(said) and self.reason in (None, said.reason)


class RevokeParams(KnownParams):
    """Parameters of ``revoke``."""

    device_id: Name = Field(description="one unit")


class AcknowledgeParams(RevokeParams):
    """Parameters of ``acknowledge``."""

    until: Time | None = Field(None, description="when it is to alarm again in any case")
    note: Note | None = Field(None, description="what is done about it, for whoever reads it")


async def _acknowledge(context: QueryContext, asked: AcknowledgeParams) -> Answer:
    until = timestamps.parse(asked.until) if asked.until else None
    if until is not None and until <= context.now_ns:
        raise InvalidQuery("acknowledge: until: that time is past")
    which = Selection(asked.source_device, asked.device_id, asked.array_id)
    unit = only(await context.examiner.examine(context.store, which, context.now_ns), asked)
    made = [
        known.of_reasons(
            reasons,
            unit.array_id,
            _bad(context, reasons[0]),
            context.now_ns,
            until,
            asked.note or "",
        )
        for reasons in _chosen(unit, asked.reason).values()
    ]
    decisions = context.watch_findings.decisions
    if sum(map(len, decisions.acknowledged.values())) + len(made) > MOST:
        raise Busy(f"{MOST} reasons are acknowledged already; revoke some")
    await followed_buckets.keep(context.nats, decisions, made)
    return Answer(rows(made, context.now_ns))


def only(units: Sequence[Unit], asked: KnownParams) -> Unit:
    """The one device that was asked about.

    :raises InvalidQuery: there is none, or there are several.
    """
    if not units:
        raise InvalidQuery(f"nothing was heard of {asked.device_id}")
    if len(units) > 1:
        where = ", ".join(
            f"{each.source_device} in {each.array_id or 'no array'}" for each in units
        )
        raise InvalidQuery(
            f"{asked.device_id} is {len(units)} devices ({where}): give source_device or array_id"
        )
    return units[0]


def _chosen(unit: Unit, name: str | None) -> dict[str, list[Reason]]:
    """Reasons of the device that alarm or were acknowledged before, by name."""
    found: defaultdict[str, list[Reason]] = defaultdict(list)
    for reason in unit.reasons:
        if reason.severity != "ok" or reason.acknowledged:
            found[reason.name].append(reason)
    if not found:
        raise InvalidQuery(f"{unit.device_id} is {unit.state}: there is nothing to acknowledge")
    if name is None:
        return found
    if name not in found:
        raise InvalidQuery(
            f"{name} is no reason of {unit.device_id} now; its reasons are {', '.join(found)}"
        )
    return {name: found[name]}


def _bad(context: QueryContext, reason: Reason) -> Direction:
    """Which side of a reason's values is worse."""
    if reason.metric_type is None:
        return "neither"
    device = reason.source_device, reason.device, reason.array_id or ""
    limits = context.examiner.thresholds.limits_of(reason.metric_type, *device)
    metric = catalog.metric(reason.metric_type)
    return limits.bad if limits is not None else metric.bad if metric is not None else "neither"


async def _revoke(context: QueryContext, asked: RevokeParams) -> Answer:
    found = _known(context, asked)
    if not found:
        what = f"{asked.reason} is not" if asked.reason else "nothing is"
        raise InvalidQuery(f"{what} acknowledged of {asked.device_id}; see acknowledged")
    await followed_buckets.forget(context.nats, context.watch_findings.decisions, found)
    return Answer(rows(found, context.now_ns))


async def _acknowledged(context: QueryContext, asked: KnownParams) -> Answer:
    return Answer(rows(_known(context, asked), context.now_ns))


def _known(context: QueryContext, asked: KnownParams) -> list[Acknowledgement]:
    everything = context.watch_findings.decisions.acknowledged.values()
    return [each for own in everything for each in own if asked.selects(each)]


def rows(said: Sequence[Acknowledgement], now_ns: int) -> list[dict[str, Any]]:
    """One flat object for each acknowledgement, the newest first."""
    return [
        {
            "device_id": each.device_id,
            "source_device": each.source_device,
            "array_id": each.array_id or None,
            "reason": each.reason,
            "state": _state(each, now_ns),
            "severity": each.severity,
            "value": next(iter(each.values.values()), None),
            "time": timestamps.format_ns(each.time_ns),
            "until": timestamps.format_ns(each.until_ns) if each.until_ns else None,
            "note": each.note or None,
        }
        for each in sorted(said, key=lambda each: -each.time_ns)
    ]


def _state(said: Acknowledgement, now_ns: int) -> str:
    if said.is_over(now_ns):
        return "ended"
    return "quiet" if said.worse_ns is None else "worse"


_ROWS = (
    "a list of {device_id, source_device, array_id, reason, state, severity, value, time, until, "
    "note}: state is quiet, worse (than when it was acknowledged: it alarms) or ended; severity "
    "and value are those that it had then"
)
_EXAMPLE_ROW = """{"device_id": "naa.5000c500a1b2c3d4", "source_device": "DiskUnit",
"array_id": "md0", "reason": "PendingSectors", "state": "quiet", "severity": "warning",
"value": 12.0, "time": "2026-11-28T08:00:00Z", "until": null, "note": "a spare is ordered"}"""
_EXAMPLE_REPLY = f'{{"status": "success", "data": [{_EXAMPLE_ROW}]}}'

QUESTIONS = (
    Query(
        name="acknowledge",
        description="Known: a device's reason, or all that it has now, stops alarming until it "
        "gets worse.",
        params=AcknowledgeParams,
        reply=_ROWS,
        example={
            "device_id": "naa.5000c500a1b2c3d4",
            "reason": "PendingSectors",
            "note": "a spare is ordered",
        },
        example_reply=_EXAMPLE_REPLY,
        handler=_acknowledge,
        changes=True,
    ),
    Query(
        name="revoke",
        description="What was acknowledged of a device alarms again.",
        params=RevokeParams,
        reply=_ROWS,
        example={"device_id": "naa.5000c500a1b2c3d4"},
        example_reply=_EXAMPLE_REPLY,
        handler=_revoke,
        needs_store=False,
        changes=True,
    ),
    Query(
        name="acknowledged",
        description="Which reasons of which devices are acknowledged.",
        params=KnownParams,
        reply=_ROWS,
        example={},
        example_reply=_EXAMPLE_REPLY,
        handler=_acknowledged,
        needs_store=False,
    ),
)
