"""Questions about Spindle itself."""

from __future__ import annotations

from typing import Any

from reader import ledger, params
from reader.question import Answer, Query, Sources


async def _ledger(at: Sources, _asked: params.Params) -> Answer:
    return Answer(ledger.total(await ledger.gather(at.nats)))


QUESTIONS: tuple[Query[Any], ...] = (
    Query(
        "ledger",
        "What became of every point: received = stored + dead_lettered + in_flight.",
        params.Params,
        "{writers, received, stored, duplicates, dead_lettered, in_flight, pending, adds_up, "
        "broker_fsync, streams}, in points since each writer's start (pending: messages)",
        {},
        _ledger,
        needs_store=False,
    ),
)
