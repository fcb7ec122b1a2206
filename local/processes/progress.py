"""What a person sees of the local processes: while they start, after that, and as their status."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from rich.markup import escape
from rich.table import Table

from local import output
from local.nats.server import Broker
from local.processes import status
from local.processes.pipeline import Pipeline, without_password
from local.processes.status import Row
from local.processes.supervisor import Control, ProcessState
from local.services import GATEWAY, NATS
from spindle.errors import SpindleError

_PAUSE_SECONDS = 0.2
_PATIENCE_SECONDS = 3.0


class Stopped(SpindleError):
    """The services that were waited for have been stopped."""


def _was_stopped(process: ProcessState) -> bool:
    """Whether a command stopped it; a program that was not started yet is STOPPED too."""
    return process.state == "STOPPING" or (process.state == "STOPPED" and process.since > 0)


def _said(waiting: Sequence[str], reason: str, waited: float) -> str:
    """The waiting line, not longer than the terminal; with a reason when it takes long."""
    text = f"waiting for {', '.join(waiting)}"
    if waited > _PATIENCE_SECONDS:
        text += f" ({waiting[0]}: {reason})"
    room = output.out.width - 4
    return text if len(text) <= room else f"{text[: room - 1]}\N{HORIZONTAL ELLIPSIS}"


def until_healthy(
    pipeline: Pipeline, control: Control, names: Sequence[str], seconds: float
) -> dict[str, Row]:
    """The services' rows: as soon as all of ``names`` are healthy, else after ``seconds``.

    :raises Stopped: another command ended them meanwhile.
    """
    began = time.monotonic()
    told: set[str] = set()
    pages = pipeline.pages()
    with output.out.status("starting") as line:
        while True:
            states = control.states()
            if not states or any(_was_stopped(states[name]) for name in names if name in states):
                raise Stopped("another ./run.sh stopped it meanwhile")
            known = {name: states[name] for name in pipeline.names if name in states}
            rows = {row.service: row for row in status.rows(known, pages)}
            rows |= {
                name: Row(name, "stopped", "", 0, "supervisord does not run it")
                for name in names
                if name not in rows
            }
            waited = time.monotonic() - began
            for name in names:
                if rows[name].healthy and name not in told:
                    told.add(name)
                    output.plain(f"{name} is healthy ({waited:.1f} s)")
            waiting = [name for name in names if not rows[name].healthy]
            if not waiting or waited >= seconds:
                return rows
            line.update(escape(_said(waiting, rows[waiting[0]].health, waited)))
            time.sleep(_PAUSE_SECONDS)


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
