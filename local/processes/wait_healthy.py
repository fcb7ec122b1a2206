"""Wait until services are healthy, and say what happens meanwhile."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.markup import escape

from local import output
from local.processes import status
from local.processes.pipeline import Pipeline
from local.processes.status import Row
from local.processes.supervisor import Control, ProcessState
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
