"""What a person sees: lines, tables, times."""

from __future__ import annotations

import time
from datetime import datetime

from rich.console import Console
from rich.table import Table

from spindle.timestamps import duration

_PIPE_WIDTH = 240  # nothing is folded for a program


def _console(*, stderr: bool) -> Console:
    console = Console(highlight=False, stderr=stderr)
    if not console.is_terminal:
        console.soft_wrap, console.width = True, _PIPE_WIDTH
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
        plain(f"  {command:<28} {what}")
