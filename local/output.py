"""What a person sees: consoles, tables, the waiting line."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import urlsplit, urlunsplit

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from local.nats import Broker
from local.pipeline import Pipeline
from local.services import GATEWAY, NATS
from local.status import Row
from spindle.timestamps import duration

_PIPE_WIDTH = 240  # nothing is folded for a program


def _console(*, stderr: bool) -> Console:
    console = Console(highlight=False, soft_wrap=True, stderr=stderr)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    return console


out = _console(stderr=False)
err = _console(stderr=True)


def plain(text: str) -> None:
    """A line on standard output, taken as it is."""
    out.print(text, markup=False)


def complain(text: str) -> None:
    """A line on standard error, taken as it is."""
    err.print(text, markup=False, style="red" if err.is_terminal else None)


def table(*columns: str) -> Table:
    """A table without lines, so that it can be read and piped alike."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


def since(stamp: str, now: float) -> str:
    """``14:02:11 (3 min)`` in local time from RFC 3339; empty for nothing."""
    if not stamp:
        return ""
    moment = datetime.fromisoformat(stamp).timestamp()
    form = "%H:%M:%S" if now - moment < 86_400 else "%Y-%m-%d %H:%M"
    return f"{time.strftime(form, time.localtime(moment))} ({duration(now - moment)})"


def status_table(rows: Sequence[Row], now: float) -> Table:
    """Service, state, since, health."""
    made = table("service", "state", "since", "health")
    for row in rows:
        colour = "green" if row.healthy else "red"
        made.add_row(
            row.service, row.state, since(row.since, now), f"[{colour}]{escape(row.health)}[/]"
        )
    return made


def broker_line(broker: Broker) -> str:
    """``NATS 2.15.1, broker_fsync=always``."""
    return f"NATS {broker.version}, broker_fsync={broker.fsync}"


def started(pipeline: Pipeline, rows: Mapping[str, Row]) -> None:
    """What runs, where it answers, and what to try next."""
    if GATEWAY in pipeline.names:
        plain(f"The page: {pipeline.pages()[GATEWAY].removesuffix('healthz')}")
        plain("")
    made = table("service", "health", "answers at")
    for name in pipeline.names:
        made.add_row(name, rows[name].health, _address(pipeline, name))
    if not pipeline.runs_nats:
        made.add_row(NATS, "elsewhere", _without_password(pipeline.settings.nats_url))
    made.add_row("store", "", _without_password(pipeline.settings.store))
    out.print(made)
    plain("")
    try_next()


def try_next() -> None:
    """What a newcomer may type after a start."""
    plain("Try next:")
    for command, what in (
        ("./run.sh query fleet_health", "which drives are in trouble, and why"),
        ("./run.sh query devices", "every device, and when it was last seen"),
        ("./run.sh query", "all that can be asked"),
        ("./run.sh start --real", "real drives alone, nothing simulated"),
        ("./run.sh start --demo", "the simulated fleet beside them again"),
    ):
        plain(f"  {command:<27} {what}")


def _address(pipeline: Pipeline, name: str) -> str:
    page = pipeline.pages()[name].removesuffix("/healthz")
    if name == NATS:
        return f"nats://127.0.0.1:{pipeline.settings.nats_port}, monitoring {page}"
    return f"{page}/{'docs, /' if name == GATEWAY else ''}healthz, /metrics"


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
