"""``check-drive FILE... | -``: verdicts on saved outputs of ``smartctl --json -x``, offline."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from daemon.smart import reading as smart
from daemon.smart.fields import decoded
from reader.health.smart import READ_AGAIN, Drive, SmartReason, Verdict, judge
from reader.health.smart_rules import SOURCE

OK, WARNING, CRITICAL, UNREADABLE = 0, 1, 2, 3
_EXIT = {"ok": OK, "warning": WARNING, "critical": CRITICAL, "unknown": UNREADABLE}
_COLOUR = {"ok": "green", "warning": "yellow", "critical": "red", "unknown": "magenta"}
_MOST_BYTES = 64 * 2**20
_MOST_GAPS = 3  # named
_PIPED_WIDTH = 160

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True, slots=True)
class Checked:
    """One file and the verdict on its drive."""

    file: str
    device_id: str | None
    model: str | None
    protocol: str | None
    verdict: Verdict


@app.command()
def check_drive(
    files: Annotated[list[str], typer.Argument(help="Outputs of smartctl --json -x; - for stdin.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per file.")] = False,
) -> None:
    """Will these drives fail? Exit code 0 ok, 1 warning, 2 critical, 3 one could not be read."""
    checked = [check(name, _bytes(name)) for name in files]
    if as_json:
        for each in checked:
            print(orjson.dumps(as_object(each)).decode())
    else:
        width = None if sys.stdout.isatty() else _PIPED_WIDTH
        Console(width=width).print(_table(checked))
    # A failing drive matters more than one that could not be read.
    states = {each.verdict.health for each in checked}
    raise typer.Exit(
        CRITICAL if "critical" in states else max((_EXIT[state] for state in states), default=OK)
    )


def check(name: str, content: bytes | OSError) -> Checked:
    """The verdict on what one file holds; whatever it holds, nothing is raised."""
    if isinstance(content, OSError):
        return _unreadable(name, f"the file cannot be read: {content.strerror or content}")
    if content.startswith(b"smartctl "):
        return _unreadable(name, "smartctl's text; it takes the output of smartctl --json -x")
    try:
        output = decoded(content)
    except orjson.JSONDecodeError as error:
        return _unreadable(
            name, f"not JSON: {error.msg}; it takes the output of smartctl --json -x"
        )
    found = smart.read(output)
    facts = found.facts
    said = found.device_id, facts.get("model"), facts.get("protocol")
    if found.asleep:
        why = f"asleep ({found.asleep}): it was not woken, and nothing was read"
        return _unreadable(name, why, *said, do="read it again with smartctl -x")
    if found.trouble:
        return _unreadable(name, f"nothing could be read: {found.trouble}", *said)
    drive = Drive(*(facts.get(each) for each in Drive._fields))
    verdict = judge(found.metrics, drive, gaps=found.gaps)
    return Checked(name, *said, verdict)


def _unreadable(name: str, why: str, *said: str | None, do: str = READ_AGAIN) -> Checked:
    device_id, model, protocol = said or (None, None, None)
    reason = SmartReason("", "", None, None, "unknown", why, do)
    return Checked(name, device_id, model, protocol, Verdict("unknown", None, (reason,)))


def as_object(checked: Checked) -> dict[str, Any]:
    """What ``--json`` prints; probabilities are of failing within a year, 0 to 1."""
    risk = checked.verdict.risk
    likely, low, high = (round(each, 4) for each in risk.probability) if risk else (None,) * 3
    return {
        "file": checked.file,
        "device_id": checked.device_id,
        "model": checked.model,
        "protocol": checked.protocol,
        "health": checked.verdict.health,
        "annual_failure_probability": likely,
        "annual_failure_interval": [low, high] if risk else None,
        "annual_failure_source": SOURCE if risk else None,
        "reasons": [
            {
                "metric_type": reason.metric or None,
                "attribute": reason.attribute or None,
                "value": reason.value,
                "severity": reason.severity,
                "message": reason.message,
                "do": reason.do,
            }
            for reason in checked.verdict.reasons
        ],
    }


def _table(checked: list[Checked]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("drive", overflow="fold")
    table.add_column("health")
    table.add_column("fails a year", justify="right")
    table.add_column("why, and what to do", overflow="fold")
    for each in checked:
        state = each.verdict.health
        names = filter(None, (each.model, each.device_id, each.file))
        table.add_row(  # as plain text: a model's name may look like markup
            Text("\n".join(names)), Text(state, _COLOUR[state]), _chance(each), Text(_why(each))
        )
    return table


def _chance(checked: Checked) -> str:
    if checked.verdict.risk is None:
        return "-"
    likely, low, high = (100 * part for part in checked.verdict.risk.probability)
    return f"{likely:.1f} %\n({low:.1f}-{high:.1f})"


def _why(checked: Checked) -> str:
    lines = [
        reason.message if reason.severity == "ok" else f"{reason.message}; {reason.do}"
        for reason in checked.verdict.reasons
    ]
    return "\n".join(lines) or "no counter of damage above zero"


def _bytes(name: str) -> bytes | OSError:
    try:
        if name == "-":
            return sys.stdin.buffer.read(_MOST_BYTES)
        with Path(name).open("rb") as file:
            return file.read(_MOST_BYTES)
    except OSError as error:
        return error
