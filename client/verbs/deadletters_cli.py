"""``deadletters list | show | replay | purge`` on the command line."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import typer
from nats.js import JetStreamContext
from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich.text import Text

from client.settings import ClientSettings
from client.verbs import asking, query
from spindle.bus import deadletters
from spindle.bus.deadletters import DeadLetter
from spindle.errors import InvalidInput
from spindle.ledger.numbering import Claims
from spindle.service.program import EXIT_FAILED, tell
from spindle.settings import load
from spindle.text import printable

app = typer.Typer(
    help="What could not be stored, with the reason.", no_args_is_help=True, rich_markup_mode=None
)

CONNECT_SECONDS = 10.0

Numbers = Annotated[
    list[str] | None, typer.Argument(help="Such as 3 or 10-12", metavar="NUMBER...")
]
All = Annotated[bool, typer.Option("--all", help="All of them.")]


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option("-n", min=1, help="At most so many.")] = 50,
    start: Annotated[int, typer.Option("--from", min=1, help="From this number on.")] = 1,
    as_json: query.AsJson = False,
) -> None:
    """The oldest dead letters: number, time, subject, kind, reason; long payloads shortened."""

    async def work(js: JetStreamContext) -> tuple[int, list[DeadLetter]]:
        found: list[DeadLetter] = []
        async for letter in deadletters.letters(js, start):
            found.append(letter)
            if len(found) == limit:
                break
        return await deadletters.count(js), found

    total, found = _run(work)
    if as_json or not sys.stdout.isatty():
        asking.print_json({"total": total, "letters": [letter.listed() for letter in found]})
        return
    table = Table("number", "time", "subject", "kind", "reason", title=f"{total} dead letters")
    for letter in found:
        told = (str(letter.number), letter.time, letter.subject, letter.kind, letter.reason)
        table.add_row(*(Text(printable(each)) for each in told))
    Console().print(table if found else "There is no dead letter.")


@app.command()
def show(number: Annotated[int, typer.Argument(min=1)], as_json: query.AsJson = False) -> None:
    """One dead letter, whole."""
    letter = _run(lambda js: deadletters.one(js, number))
    if as_json or not sys.stdout.isatty():
        asking.print_json(letter.plain())
        return
    table = Table(show_header=False)
    for name, value in letter.plain().items():
        table.add_row(name, Text("" if value is None else printable(str(value))))
    Console().print(table)


@app.command()
def replay(numbers: Numbers = None, everything: All = False) -> None:
    """Publish dead letters again where they were published at first, and delete them here."""

    async def work(js: JetStreamContext) -> tuple[int, list[str]]:
        done, refused, claims = 0, [], Claims("deadletters")
        chosen = await _chosen(js, numbers, everything)
        for letter in track(chosen, "replaying", disable=not sys.stderr.isatty(), console=_ERR):
            try:
                await deadletters.replay(js, letter, claims)
                done += 1
            except InvalidInput as error:
                refused.append(str(error))
        await deadletters.claim(js, claims)
        return done, refused

    done, refused = _run(work)
    for sentence in refused:
        tell(sentence)
    print(f"{done} replayed")
    if refused:
        raise typer.Exit(EXIT_FAILED)


@app.command()
def purge(numbers: Numbers = None, everything: All = False) -> None:
    """Delete dead letters for good."""

    async def work(js: JetStreamContext) -> int:
        if everything and not numbers:
            total = await deadletters.count(js)
            await deadletters.purge(js, None)
            return total
        chosen = await _chosen(js, numbers, everything)
        for letter in chosen:
            await deadletters.purge(js, letter.number)
        return len(chosen)

    print(f"{_run(work)} deleted")


_ERR = Console(stderr=True)


async def _chosen(
    js: JetStreamContext, words: list[str] | None, everything: bool
) -> list[DeadLetter]:
    if bool(words) is everything:
        raise InvalidInput("say which: their numbers, such as 3 or 10-12, or --all")
    if everything:
        return [letter async for letter in deadletters.letters(js)]
    return [await deadletters.one(js, n) for n in deadletters.parse_numbers(words or [])]


def _run(work: Callable[[JetStreamContext], Awaitable[Any]]) -> Any:
    """Do the work on a connection; a mistake becomes one sentence and an exit code."""
    with asking.ends_in_a_sentence():
        return asyncio.run(_connected(work))


async def _connected(work: Callable[[JetStreamContext], Awaitable[Any]]) -> Any:
    async with asking.connected(load(ClientSettings), CONNECT_SECONDS) as client:
        return await work(deadletters.js_of(client))
