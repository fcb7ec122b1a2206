"""How a command ends: its answer on standard output, or a sentence on standard error; its code."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from typing import Any

import orjson

from client.ask import ReaderAway
from spindle.errors import BusUnavailable, InvalidInput, SpindleError
from spindle.service.program import EXIT_AWAY, EXIT_FAILED, EXIT_USAGE, end


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
        end(EXIT_FAILED, str(error))


def print_json(data: Any) -> None:
    """Indented JSON on standard output."""
    sys.stdout.buffer.write(orjson.dumps(data, option=orjson.OPT_INDENT_2) + b"\n")
