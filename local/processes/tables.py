"""What a person sees of the local processes: after a start, and as their status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.markup import escape
from rich.table import Table

from local import output
from local.nats.server import Broker
from local.processes.pipeline import Pipeline, without_password
from local.processes.status import Row
from local.services import GATEWAY, NATS


def status_table(rows: Sequence[Row], now: float) -> Table:
    """Service, state, since, health."""
    made = output.table("service", "state", "since", "health")
    for row in rows:
        colour = "green" if row.healthy else "red"
        since, health = output.since(row.since, now), f"[{colour}]{escape(row.health)}[/]"
        made.add_row(row.service, row.state, since, health)
    return made


def broker_line(broker: Broker) -> str:
    """``NATS 2.15.1, broker_fsync=always, auth=users``."""
    return f"NATS {broker.version}, broker_fsync={broker.fsync}, auth={broker.auth}"


def started(pipeline: Pipeline, rows: Mapping[str, Row]) -> None:
    """What runs, where it answers, and what to try next."""
    if GATEWAY in pipeline.names:
        output.plain(f"The page: {pipeline.pages()[GATEWAY].removesuffix('healthz')}")
        output.plain("")
    made = output.table("service", "health", "answers at")
    for name in pipeline.names:
        made.add_row(name, rows[name].health, _address(pipeline, name))
    if not pipeline.runs_nats:
        made.add_row(NATS, "elsewhere", without_password(pipeline.settings.nats_url))
    made.add_row("store", "", pipeline.shown_store)
    output.out.print(made)
    output.plain("")
    output.try_next()


def _address(pipeline: Pipeline, name: str) -> str:
    page = pipeline.pages()[name].removesuffix("/healthz")
    if name == NATS:
        return f"nats://127.0.0.1:{pipeline.settings.nats_port}, monitoring {page}"
    return f"{page}/{'docs, /' if name == GATEWAY else ''}healthz, /metrics"
