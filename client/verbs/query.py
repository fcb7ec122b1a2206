"""``query`` and ``audit``: one question from the command line; it loads nothing of the others."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

import typer
from nats.aio.client import Client

from client import answer_text
from client.ask import TIMEOUT_SECONDS, ReaderAway, ReaderSilent, ask, questions
from client.settings import ClientSettings
from client.verbs import outcome
from spindle import bus
from spindle.errors import InvalidInput, SpindleError
from spindle.models import shown
from spindle.service.program import EXIT_FAILED, tell
from spindle.settings import load

_NAME = re.compile(r"[\w.:-]{1,64}")  # may be a device's
PAUSE_SECONDS = 0.25  # between two tries while no reader answers

#: How an answer is printed; wide: every column of a table.
Form = Literal["table", "wide", "json", "csv"]
Tell = Callable[[str], None]


def parse_params(words: Sequence[str]) -> dict[str, str]:
    """``key=value ...`` as params; the reader knows what is a number.

    :raises InvalidInput: a word is not ``key=value``, or a key comes twice.
    """
    params: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not (key and equals):
            example = word if _NAME.fullmatch(word) else "disk-7"
            raise InvalidInput(
                f"given {shown(word)}, expected key=value, such as device_id={example}"
            )
        if key in params:
            raise InvalidInput(f"{key} is given twice")
        params[key] = value
    return params


def run(
    settings: ClientSettings,
    query_type: str,
    params: Mapping[str, Any],
    form: Form,
    *,
    wait_seconds: float,
    check: Callable[[Mapping[str, Any]], bool] = lambda _: True,
) -> None:
    """Ask, and print the answer to standard output.

    :param query_type: empty for what can be asked.
    :param form: a table becomes JSON when standard output is no terminal.
    :param wait_seconds: how long to wait for NATS and the reader to be there.
    :param check: whether the answer is a good one; else the exit code is 1.
    :raises typer.Exit: see ``outcome``.
    """
    with outcome.ends_in_a_sentence():
        reply = asyncio.run(_ask(settings, query_type, params, wait_seconds, tell))
    if form == "csv":
        sys.stdout.write(answer_text.csv_of(reply["data"]))
        for note in answer_text.notes(reply):
            tell(note)
    elif form == "json" or not sys.stdout.isatty():
        outcome.print_json(reply)
    else:
        from rich.console import Console  # noqa: PLC0415 - only where somebody looks

        from client.verbs import report  # noqa: PLC0415

        Console().print(report.render(reply, wide=form == "wide"))
    if not check(reply):
        raise typer.Exit(EXIT_FAILED)


async def _ask(
    settings: ClientSettings,
    query_type: str,
    params: Mapping[str, Any],
    wait_seconds: float,
    tell: Tell,
) -> dict[str, Any]:
    deadline, told = time.monotonic() + wait_seconds, False
    async with connected(settings, wait_seconds, tell) as client:
        while True:
            try:
                if not query_type:
                    return await questions(client, TIMEOUT_SECONDS)
                subject = settings.nats_subject_request
                return await ask(client, subject, query_type, params, TIMEOUT_SECONDS)
            except ReaderSilent:
                raise
            except ReaderAway as error:
                if time.monotonic() >= deadline:
                    raise ReaderAway(f"{error}; is it started?") from None
                if not told:
                    tell(f"{error}; waiting up to {wait_seconds:g} s")
                    told = True
            await asyncio.sleep(PAUSE_SECONDS)


@contextlib.asynccontextmanager
async def connected(
    settings: ClientSettings, wait_seconds: float, tell: Tell = tell
) -> AsyncIterator[Client]:
    """A connection to NATS, closed in the end.

    :param tell: is told when it has to be waited for.
    :raises ReaderAway: NATS does not answer within ``wait_seconds``.
    """

    def changed(connected: bool) -> None:
        if not connected:
            tell(f"NATS does not answer; waiting up to {wait_seconds:g} s")

    try:
        async with asyncio.timeout(max(wait_seconds, 1.0)):
            client = await bus.connect(settings, "query", changed)
    except TimeoutError:
        where = _without_password(settings)
        raise ReaderAway(f"NATS does not answer at {where}; is it started?") from None
    try:
        yield client
    finally:
        await bus.close(client)


def _without_password(settings: ClientSettings) -> str:
    return ", ".join(url.rpartition("@")[2] for url in settings.nats_url.split(","))


def names(incomplete: str) -> list[str]:
    """The questions that begin so, for a shell that completes; none where nobody answers."""
    logging.getLogger("spindle").setLevel(logging.CRITICAL)
    try:
        reply = asyncio.run(_ask(load(ClientSettings), "", {}, 0.0, lambda _: None))
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
    as_json: outcome.AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the rows as CSV.")] = False,
    wide: Annotated[bool, typer.Option("--wide", help="Every column of a table.")] = False,
    wait: Annotated[
        float, typer.Option(min=0, max=3600, help="Seconds to wait for NATS and the reader.")
    ] = 10.0,
) -> None:
    """Ask one question: a table on a terminal, JSON into a pipe.

    Exit codes: 0 answered, 1 refused by the reader, 2 wrong usage or settings, 69 no answer.
    """
    with outcome.ends_in_a_sentence():
        given = parse_params(params or [])
        settings = load(ClientSettings)
        if as_json and as_csv:
            raise InvalidInput("--json and --csv: one of the two")
    form: Form = "csv" if as_csv else "json" if as_json else "wide" if wide else "table"
    run(settings, query_type, given, form, wait_seconds=wait)


def audit(
    params: Annotated[
        list[str] | None,
        typer.Argument(help="window_minutes=60, or since=... until=...", metavar="[KEY=VALUE]..."),
    ] = None,
    as_json: outcome.AsJson = False,
) -> None:
    """Is everything that was acknowledged stored? Names what is missing.

    Exit codes: 0 nothing is missing, 1 something is (or the reader refused), 2 wrong usage or
    settings, 69 no answer.
    """
    with outcome.ends_in_a_sentence():
        given = parse_params(params or [])
        settings = load(ClientSettings)
    run(
        settings,
        "audit",
        given,
        "json" if as_json else "table",
        wait_seconds=10.0,
        check=lambda reply: bool(reply["data"]["complete"]),
    )
