"""``acknowledge`` and ``devices`` on the command line: what people decide about devices."""

from __future__ import annotations

import time
from typing import Annotated, NoReturn

import typer

from client.settings import ClientSettings
from client.verbs import asking, query
from spindle import durations, timestamps
from spindle.errors import InvalidInput
from spindle.service.program import EXIT_USAGE, end
from spindle.settings import load

Noted = Annotated[str, typer.Option("--note", help="What is done about it.")]

Words = Annotated[
    list[str] | None,
    typer.Argument(
        help="PendingSectors, DriveFailure, Silence, ...; all that it has where none is named. "
        "Where several devices have this id: array_id=... or source_device=...",
        metavar="[REASON] [KEY=VALUE]...",
    ),
]

_KEYS = ("array_id", "source_device")
MOST_SECONDS = 200 * 366 * 86_400.0  # until when a time can be written


def acknowledge(
    device: Annotated[str, typer.Argument(help="Its device id.", show_default=False)] = "",
    words: Words = None,
    until: Annotated[
        str, typer.Option("--until", help="When it alarms again in any case: a time, or 12h, 7d.")
    ] = "",
    note: Noted = "",
    listed: Annotated[bool, typer.Option("--list", help="Show what is acknowledged.")] = False,
    revoke: Annotated[bool, typer.Option("--revoke", help="Let it alarm again.")] = False,
    as_json: query.AsJson = False,
) -> None:
    """A known reason stops alarming until it gets worse: DEVICE [REASON], or --list.

    Example: ./run.sh acknowledge naa.5000c500a1b2c3d4 PendingSectors --note "a spare is ordered"

    Exit codes: 0 done, 1 refused by the reader, 2 wrong usage or settings, 69 no answer.
    """
    which = _which(device, words or [])
    if listed:
        _ask("acknowledged", as_json=as_json, **which)
    if not device:
        _usage("of which device? such as: ./run.sh acknowledge array1-disk3 DiskTemp; or --list")
    if revoke:
        _ask("revoke", as_json=as_json, **which)
    _ask("acknowledge", as_json=as_json, **which, until=_time(until), note=note)


devices = typer.Typer(
    help="Which devices there are, and which are gone for good.",
    invoke_without_command=True,
    rich_markup_mode=None,
)
Device = Annotated[str, typer.Argument(help="Its device id.", show_default=False)]
Places = Annotated[
    list[str] | None,
    typer.Argument(
        help="Where several devices have this id: array_id=... or source_device=...",
        metavar="[KEY=VALUE]...",
    ),
]


@devices.callback()
def list_devices(context: typer.Context) -> None:
    """Which devices there are, and which are gone for good."""
    if context.invoked_subcommand is None:
        _ask("devices", as_json=False)


@devices.command()
def retire(
    device: Device, where: Places = None, note: Noted = "", as_json: query.AsJson = False
) -> None:
    """A device is gone for good: no answer names it from now on.

    Example: ./run.sh devices retire naa.5000c500a1b2c3d4 --note "sent back to its maker"
    """
    _ask("retire", as_json=as_json, **_which(device, where or [], "array_id=..."), note=note)


@devices.command()
def unretire(device: Device, where: Places = None, as_json: query.AsJson = False) -> None:
    """A device is not gone after all: answers name it again, with its past."""
    _ask("unretire", as_json=as_json, **_which(device, where or [], "array_id=..."))


@devices.command()
def retired(as_json: query.AsJson = False) -> None:
    """Which devices are retired."""
    _ask("retired", as_json=as_json)


def _which(device: str, words: list[str], no_reason: str = "") -> dict[str, str]:
    """The parameters that name a device, and a reason where a word has no ``=``.

    :param no_reason: what is expected instead of one, where none is.
    """
    found = {"device_id": device}
    for word in words:
        key, equals, value = word.rpartition("=")
        if not equals and no_reason:
            _usage(f"given {word}, expected {no_reason}")
        if (key and key not in _KEYS) or (equals and not key):
            _usage(f"there is no {key or word}; expected {' or '.join(f'{k}=...' for k in _KEYS)}")
        if found.setdefault(key or "reason", value) != value:
            _usage(f"{key or 'a reason'} is given twice")
    return found


def _time(text: str) -> str:
    """A time as it was given; a length of time counts from now."""
    if text[-1:].isdigit():  # the end of a date, and no number of seconds
        return text
    try:
        seconds = int(durations.parse(text, 60.0, MOST_SECONDS))
    except InvalidInput:
        return text
    return timestamps.format_ns((time.time_ns() // timestamps.NS + seconds) * timestamps.NS)


def _ask(question: str, *, as_json: bool, **params: str) -> NoReturn:
    with asking.ends_in_a_sentence():
        settings = load(ClientSettings)
    given = {name: value for name, value in params.items() if value}
    asking.run(settings, question, given, "json" if as_json else "table", wait_seconds=10.0)
    raise typer.Exit


def _usage(sentence: str) -> NoReturn:
    end(EXIT_USAGE, sentence)
