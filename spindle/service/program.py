"""Programs that a person runs beside the services: how they end, and what they show meanwhile.

An error is one sentence on standard error, and an exit code: 0 done, 1 failed or refused, 2 wrong
usage or settings, 69 nobody answers (sysexits.h).
"""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from spindle.text import printable

if TYPE_CHECKING:
    import typer
    from rich.progress import Progress

EXIT_FAILED, EXIT_USAGE, EXIT_AWAY = 1, 2, 69


def commands() -> typer.Typer:
    """What commands are added to; their help is plain text, and their errors are ours to tell."""
    import typer  # noqa: PLC0415 - it takes 50 ms to load, and a question needs none

    return typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


def end(code: int, sentence: str) -> NoReturn:
    """End the command; of wrong settings each mistake has a line."""
    for line in sentence.splitlines():
        tell(line)
    raise SystemExit(code) from None


def tell(sentence: str) -> None:
    """A line on standard error, without anything that could steer a terminal."""
    text = printable(sentence)
    if sys.stderr.isatty():  # a terminal breaks lines within words
        columns = shutil.get_terminal_size().columns
        text = textwrap.fill(text, columns, break_long_words=False, break_on_hyphens=False)
    print(text, file=sys.stderr)


def bar() -> Progress:
    """How far it is, on standard error; nothing where that is no terminal."""
    from rich import progress  # noqa: PLC0415 - only where something takes long
    from rich.console import Console  # noqa: PLC0415

    return progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )


def called_from() -> Path:
    """The folder of whoever called run.sh, which itself works in the checkout's, where .env is."""
    return Path(os.environ.get("SPINDLE_CALLED_FROM") or Path.cwd())
