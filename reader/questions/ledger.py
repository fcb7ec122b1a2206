"""Questions about Spindle itself."""

from __future__ import annotations

from typing import Any

from reader.answering import params
from reader.answering.context import Answer, Query, Sources
from reader.questions import ledger_rows


async def _ledger(at: Sources, _asked: params.Params) -> Answer:
    return Answer(ledger_rows.total(await ledger_rows.gather(at.nats)))


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
