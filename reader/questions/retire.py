"""``retire``, ``unretire``, ``retired``: a device is gone for good, and ends in every answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from reader.answering.context import Answer, Query, QueryContext
from reader.answering.params import DeviceParams, Note
from reader.health.decisions import Retired
from reader.health.hosts import is_own
from reader.lookups import followed_buckets
from reader.lookups.known.decisions import MOST
from spindle import timestamps
from spindle.errors import Busy, InvalidQuery
from spindle.models import Name
from spindle.store.base import NO_ARRAY, DeviceKey, Selection


class RetiredParams(DeviceParams):
    """Parameters of ``retired``."""


class UnretireParams(RetiredParams):
    """Parameters of ``unretire``."""

    device_id: Name = Field(description="one unit")


class RetireParams(UnretireParams):
    """Parameters of ``retire``."""

    note: Note | None = Field(None, description="what became of it, for whoever reads it")


async def _retire(context: QueryContext, asked: RetireParams) -> Answer:
    known = context.watch_findings
    key, seen_ns, silent = await _found(context, asked)
    if sum(map(len, known.decisions.retired.values())) >= MOST:
        raise Busy(f"{MOST} devices are retired already; unretire some")
    made = Retired(
        key.source_device,
        key.device_id,
        "" if is_own(key.device_id) else key.array_id,
        max(context.now_ns, seen_ns),
        0 if silent else context.now_ns,
        note=asked.note or "",
    )
    await followed_buckets.keep(context.nats, known.decisions, [made])
    return Answer(_row(made))


async def _found(context: QueryContext, asked: RetireParams) -> tuple[DeviceKey, int, bool]:
    """The device that was asked about, when it was last seen, and whether it is silent.

    :raises InvalidQuery: there is none, or there are several.
    """
    which = Selection(asked.source_device, asked.device_id, asked.array_id)
    found: dict[DeviceKey, tuple[int, bool]] = {
        DeviceKey(each.source_device, each.device_id, each.array_id): (
            each.last_seen_ns,
            each.silent or not each.last_read_ns,
        )
        for each in await context.examiner.examine(context.store, which, context.now_ns)
    }
    if not found:  # it vanished long ago: what it said it was is still known
        found = {key: (0, True) for key in context.watch_findings.facts.of if _is(key, asked)}
    if not found:
        raise InvalidQuery(f"nothing is known of {asked.device_id}")
    if len(found) > 1:
        where = ", ".join(f"{key.source_device} in {key.array_id or 'no array'}" for key in found)
        raise InvalidQuery(
            f"{asked.device_id} is {len(found)} devices ({where}): give source_device or array_id"
        )
    ((key, (seen_ns, silent)),) = found.items()
    return key, seen_ns, silent


def _is(key: DeviceKey, asked: RetireParams) -> bool:
    return (
        key.device_id == asked.device_id
        and asked.source_device in (None, key.source_device)
        and asked.array_id in (None, key.array_id or NO_ARRAY)
    )


async def _unretire(context: QueryContext, asked: UnretireParams) -> Answer:
    found = _known(context, asked)
    if not found:
        raise InvalidQuery(f"{asked.device_id} is not retired; retired lists those that are")
    await followed_buckets.forget(context.nats, context.watch_findings.decisions, found)
    return Answer(_rows(found))


async def _retired(context: QueryContext, asked: RetiredParams) -> Answer:
    return Answer(_rows(_known(context, asked)))


def _known(context: QueryContext, asked: RetiredParams) -> list[Retired]:
    everything = context.watch_findings.decisions.retired.values()
    return [each for own in everything for each in own if asked.selection().includes(each)]


def _rows(some: Sequence[Retired]) -> list[dict[str, Any]]:
    return [_row(each) for each in sorted(some, key=lambda each: -each.time_ns)]


def _row(each: Retired) -> dict[str, Any]:
    return {
        "device_id": each.device_id,
        "source_device": each.source_device,
        "array_id": each.array_id or None,
        "time": timestamps.format_ns(each.time_ns),
        "back": timestamps.format_ns(each.back_ns) if each.back_ns else None,
        "note": each.note or None,
    }


_ROW = (
    "{device_id, source_device, array_id, time, back, note}: time when it was retired, back from "
    "when on it publishes again"
)
_EXAMPLE_ROW = """{"device_id": "naa.5000c500a1b2c3d4", "source_device": "DiskUnit",
"array_id": null, "time": "2026-11-28T08:00:00Z", "back": null, "note": "sent back to its maker"}"""
_ONE = f'{{"status": "success", "data": {_EXAMPLE_ROW}}}'
_LIST = f'{{"status": "success", "data": [{_EXAMPLE_ROW}]}}'

QUESTIONS = (
    Query(
        name="retire",
        description="A device is gone for good: answers know nothing of it from now on.",
        params=RetireParams,
        reply=_ROW,
        example={"device_id": "naa.5000c500a1b2c3d4", "note": "sent back to its maker"},
        example_reply=_ONE,
        handler=_retire,
        changes=True,
    ),
    Query(
        name="unretire",
        description="A device was not gone for good: answers know it again, with its past.",
        params=UnretireParams,
        reply=f"a list of {_ROW}",
        example={"device_id": "naa.5000c500a1b2c3d4"},
        example_reply=_LIST,
        handler=_unretire,
        needs_store=False,
        changes=True,
    ),
    Query(
        name="retired",
        description="Which devices are retired.",
        params=RetiredParams,
        reply=f"a list of {_ROW}",
        example={},
        example_reply=_LIST,
        handler=_retired,
        needs_store=False,
    ),
)
