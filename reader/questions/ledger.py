"""``ledger``: the writers' ledgers of every point, added up."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from reader.answering.context import Answer, Query, QueryContext
from reader.answering.params import Params
from reader.lookups.waiting import held, waiting
from spindle import subjects
from spindle.bus import streams
from spindle.subjects import WRITER_CONSUMER

#: How long to wait for the first writer, and for others after one has answered.
FIRST_SECONDS, OTHERS_SECONDS = 2.0, 0.15
_ADDED = ("received", "stored", "duplicates", "in_flight")
_SLOWEST = ("latency_p50_seconds", "latency_p99_seconds")
_QUEUES = [stream for stream, each in streams.consumers() if each.durable_name == WRITER_CONSUMER]


async def _ledger(context: QueryContext, _asked: Params) -> Answer:
    reports, *queues = await asyncio.gather(
        gather(context.nats), *(_queue(context.nats, stream) for stream in _QUEUES)
    )
    return Answer(total(reports, dict(zip(_QUEUES, queues, strict=True))))


async def _queue(client: Client, stream: str) -> dict[str, Any]:
    """What NATS says of a stream that a writer stores; empty where it says nothing."""
    try:
        holds, waits = await asyncio.gather(
            held(client, stream), waiting(client, stream, WRITER_CONSUMER)
        )
    except (NatsError, TimeoutError):
        return {}
    left = waits.pending + waits.unacknowledged
    return {
        **asdict(waits),
        "stream_messages": holds.messages,
        "stream_bytes": holds.bytes,
        # What a stream still holds for another consumer does not wait for the writer.
        "oldest_seconds": holds.oldest_seconds if left else 0.0,
    }


async def gather(client: Client) -> list[dict[str, Any]]:
    """What every running writer reports; empty when none answers within ``FIRST_SECONDS``."""
    reports: list[dict[str, Any]] = []
    more = asyncio.Event()

    async def collect(message: Msg) -> None:
        if message.data:  # empty: the broker says that nobody listens
            reports.append(orjson.loads(message.data))
        more.set()

    inbox = client.new_inbox()
    subscription = await client.subscribe(inbox, cb=collect)
    try:
        await client.publish(subjects.WRITER_LEDGER, reply=inbox)
        patience = FIRST_SECONDS
        while await _within(more, patience) and reports:
            patience = OTHERS_SECONDS
    finally:
        await subscription.unsubscribe()
    return reports


async def _within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    event.clear()
    return True


def total(
    reports: Sequence[dict[str, Any]], queues: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """``{writers, received, stored, duplicates, dead_lettered, in_flight, pending, oldest_seconds,
    adds_up, broker_fsync, streams}``: points since each writer's start; ``pending``: messages.

    :param queues: stream -> what NATS says of it, with a writer or without.
    """
    ledgers: dict[str, dict[str, Any]] = {}
    for report in reports:
        for name, ledger in report["streams"].items():
            _add(ledgers.setdefault(name, {"stream": name}), ledger)
    rows = [{**ledgers[name], **queues.get(name, {})} for name in sorted(ledgers)]
    known = [age for each in queues.values() if (age := each.get("oldest_seconds")) is not None]
    summed: dict[str, Any] = {"stream": ""}
    for row in rows:
        _add(summed, row)
    return {
        "writers": len(reports),
        **{name: summed.get(name, 0) for name in (*_ADDED, "dead_lettered")},
        "pending": sum(queue.get("pending", 0) for queue in queues.values()),
        "oldest_seconds": max(known, default=None),
        "adds_up": all(row["adds_up"] for row in rows) and bool(reports),
        "broker_fsync": reports[0]["broker_fsync"] if reports else "unknown",
        "streams": rows,
    }


def _add(row: dict[str, Any], ledger: dict[str, Any]) -> None:
    for name in _ADDED:
        row[name] = row.get(name, 0) + ledger[name]
    dead = ledger["dead_lettered"]
    by_reason = Counter(row.get("dead_lettered_by_reason", {}))
    by_reason.update(dead if isinstance(dead, dict) else ledger["dead_lettered_by_reason"])
    row["dead_lettered_by_reason"] = dict(by_reason)
    row["dead_lettered"] = by_reason.total()
    row["adds_up"] = row["received"] == row["stored"] + row["dead_lettered"] + row["in_flight"]
    for name in _SLOWEST:  # of several writers the slowest
        if name in ledger:
            row[name] = max(row.get(name, 0), ledger[name])


_EXAMPLE_REPLY = """
{"status": "success", "data": {"writers": 1, "received": 6116, "stored": 6116, "duplicates": 0,
"in_flight": 0, "dead_lettered": 0, "pending": 0, "oldest_seconds": 0.07, "adds_up": true,
"broker_fsync": "always", "streams": [{"stream": "EVENTS", "received": 11, "stored": 11,
"duplicates": 0, "in_flight": 0, "dead_lettered_by_reason": {}, "dead_lettered": 0, "adds_up": true,
"latency_p50_seconds": 0.13, "latency_p99_seconds": 0.17, "pending": 0,
"unacknowledged": 1, "stream_messages": 1, "stream_bytes": 310, "oldest_seconds": 0.07}]}}
"""

QUESTIONS = (
    Query(
        name="ledger",
        description="What became of every point: received = stored + dead_lettered + in_flight.",
        params=Params,
        reply="{writers, received, stored, duplicates, dead_lettered, in_flight, pending, adds_up, "
        "oldest_seconds, broker_fsync, streams}, in points since each writer's start (pending: "
        "messages that wait at NATS; oldest_seconds: for how long the oldest has; latency: from "
        "NATS to the store, of the last minute)",
        example={},
        example_reply=_EXAMPLE_REPLY,
        handler=_ledger,
        needs_store=False,
    ),
)
