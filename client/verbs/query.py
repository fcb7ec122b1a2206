"""One question from the command line: wait for the reader, ask, show."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import typer
from nats.aio.client import Client

from client import csv_text
from client.ask import TIMEOUT_SECONDS, ReaderAway, ReaderSilent, ask, questions
from client.settings import ClientSettings
from client.verbs import commands
from spindle import bus
from spindle.errors import InvalidInput, SpindleError
from spindle.models import shown
from spindle.settings import load

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
            raise InvalidInput(f"given {shown(word)}, expected key=value, such as device_id=disk-7")
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
    :raises typer.Exit: see ``commands``.
    """
    with commands.ends_in_a_sentence():
        reply = asyncio.run(_ask(settings, query_type, params, wait_seconds, commands.tell))
    if form == "csv":
        sys.stdout.write(csv_text.csv_of(reply["data"]))
    elif form == "json" or not sys.stdout.isatty():
        commands.print_json(reply)
    else:
        from rich.console import Console  # noqa: PLC0415 - only where somebody looks

        from client.verbs import report  # noqa: PLC0415

        Console().print(report.render(reply, wide=form == "wide"))
    if not check(reply):
        raise typer.Exit(commands.EXIT_REFUSED)


async def _ask(
    settings: ClientSettings,
    query_type: str,
    params: Mapping[str, Any],
    wait_seconds: float,
    tell: Tell,
) -> dict[str, Any]:
    deadline = time.monotonic() + wait_seconds
    client = await connect(settings, wait_seconds, tell)
    try:
        told = False
        while True:
            try:
                if not query_type:
                    return await questions(client, TIMEOUT_SECONDS)
                return await ask(
                    client,
                    settings.nats_subject_request,
                    query_type,
                    params,
                    TIMEOUT_SECONDS,
                )
            except ReaderSilent:
                raise
            except ReaderAway as error:
                if time.monotonic() >= deadline:
                    raise ReaderAway(f"{error}; is it started?") from None
                if not told:
                    tell(f"{error}; waiting up to {wait_seconds:g} s")
                    told = True
            await asyncio.sleep(PAUSE_SECONDS)
    finally:
        await bus.close(client)


async def connect(settings: ClientSettings, wait_seconds: float, tell: Tell) -> Client:
    def changed(connected: bool) -> None:
        if not connected:
            tell(f"NATS does not answer; waiting up to {wait_seconds:g} s")

    try:
        async with asyncio.timeout(max(wait_seconds, 1.0)):
            return await bus.connect(settings, "query", changed)
    except TimeoutError:
        where = _without_password(settings)
        raise ReaderAway(f"NATS does not answer at {where}; is it started?") from None


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
