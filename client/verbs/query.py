"""``query`` and ``audit``: one question from the command line."""

from __future__ import annotations

import asyncio
import logging
from typing import Annotated

import typer

from client.settings import ClientSettings
from client.verbs import asking
from spindle.errors import InvalidInput, SpindleError
from spindle.settings import load

#: The option of every command that prints a table on a terminal.
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, as is always done into a pipe.")]


def names(incomplete: str) -> list[str]:
    """The questions that begin so, for a shell that completes; none where nobody answers."""
    logging.getLogger("spindle").setLevel(logging.CRITICAL)
    try:
        reply = asyncio.run(asking.ask_reader(load(ClientSettings), "", {}, 0.0, lambda _: None))
    except SpindleError:
        return []
    return [row["question"] for row in reply["data"] if row["question"].startswith(incomplete)]


def query(
    query_type: Annotated[
        str,
        typer.Argument(
            help="fleet_health, devices, ...; none lists them",
            show_default=False,
            autocompletion=names,
        ),
    ] = "",
    params: Annotated[
        list[str] | None,
        typer.Argument(help="Such as source_device=DiskUnit", metavar="[KEY=VALUE]..."),
    ] = None,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the rows as CSV.")] = False,
    wide: Annotated[bool, typer.Option("--wide", help="Every column of a table.")] = False,
    wait: Annotated[
        float, typer.Option(min=0, max=3600, help="Seconds to wait for NATS and the reader.")
    ] = 10.0,
) -> None:
    """Ask one question: a table on a terminal, JSON into a pipe.

    Exit codes: 0 answered, 1 refused by the reader, 2 wrong usage or settings, 69 no answer.
    """
    with asking.ends_in_a_sentence():
        given = asking.parse_params(params or [])
        settings = load(ClientSettings)
        if as_json and as_csv:
            raise InvalidInput("--json and --csv: one of the two")
    form: asking.Form = "csv" if as_csv else "json" if as_json else "wide" if wide else "table"
    asking.run(settings, query_type, given, form, wait_seconds=wait)


def audit(
    params: Annotated[
        list[str] | None,
        typer.Argument(help="window_minutes=60, or since=... until=...", metavar="[KEY=VALUE]..."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Is everything that was acknowledged stored? Names what is missing.

    Exit codes: 0 nothing is missing, 1 something is (or the reader refused), 2 wrong usage or
    settings, 69 no answer.
    """
    with asking.ends_in_a_sentence():
        given = asking.parse_params(params or [])
        settings = load(ClientSettings)
    asking.run(
        settings,
        "audit",
        given,
        "json" if as_json else "table",
        wait_seconds=10.0,
        check=lambda reply: bool(reply["data"]["complete"]),
    )
