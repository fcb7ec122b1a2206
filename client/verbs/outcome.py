"""How a command ends: its answer on standard output, or one sentence on standard error; its code.

Exit codes: 0 done, 1 refused, 2 wrong usage or settings, 69 nobody answers (sysexits.h).
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import sys
import textwrap
from collections.abc import Iterator
from typing import Annotated, Any, NoReturn

import orjson
import typer

from client.ask import ReaderAway
from spindle.errors import BusUnavailable, InvalidInput, SpindleError
from spindle.models import printable

EXIT_REFUSED, EXIT_USAGE, EXIT_AWAY = 1, 2, 69

#: The option of every command that prints a table on a terminal.
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, as is always done into a pipe.")]


@contextlib.contextmanager
def ends_in_a_sentence() -> Iterator[None]:
    """End the command with the sentence and the exit code of any error of ours."""
    logging.getLogger("spindle").setLevel(logging.CRITICAL)  # what matters is told here
    try:
        yield
    except InvalidInput as error:
        end(EXIT_USAGE, str(error))
    except (ReaderAway, BusUnavailable) as error:
        end(EXIT_AWAY, str(error))
    except SpindleError as error:
        end(EXIT_REFUSED, str(error))


def end(code: int, sentence: str) -> NoReturn:
    """End the command; of wrong settings each mistake has a line."""
    for line in sentence.splitlines():
        tell(line)
    raise typer.Exit(code) from None


def tell(sentence: str) -> None:
    """A line on standard error, without anything that could steer a terminal."""
    text = printable(sentence)
    if sys.stderr.isatty():  # a terminal breaks lines within words
        columns = shutil.get_terminal_size().columns
        text = textwrap.fill(text, columns, break_long_words=False, break_on_hyphens=False)
    print(text, file=sys.stderr)


def print_json(data: Any) -> None:
    """Indented JSON on standard output."""
    sys.stdout.buffer.write(orjson.dumps(data, option=orjson.OPT_INDENT_2) + b"\n")
