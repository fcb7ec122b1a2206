"""Ask, and print the answer or, on standard error, a sentence.

It loads no pydantic, and no typer, which loads it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import orjson
from nats.aio.client import Client

from client import answer_text
from client.ask import TIMEOUT_SECONDS, ReaderAway, ReaderSilent, ask, questions
from spindle import bus, subjects
from spindle.errors import BusUnavailable, InvalidInput, SpindleError
from spindle.service.program import EXIT_AWAY, EXIT_FAILED, EXIT_USAGE, end, tell
from spindle.text import shown

if TYPE_CHECKING:
    from client.settings import ClientSettings


_NAME = re.compile(r"[\w.:-]{1,64}")  # may be a device's
PAUSE_SECONDS = 0.25  # between two tries while no reader answers

#: How an answer is printed; wide: every column of a table.
Form = Literal["table", "wide", "json", "csv"]
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Way(bus.Way):
    """The way to the reader for who has no ``ClientSettings`` at hand.

    :ivar nats_subject_request: on which the reader is asked.
    """

    nats_subject_request: str = subjects.READER_QUERY


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
    settings: ClientSettings | Way,
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
    :raises SystemExit: see ``ends_in_a_sentence``.
    """
    with ends_in_a_sentence():
        reply = asyncio.run(ask_reader(settings, query_type, params, wait_seconds, tell))
    if form == "csv":
        sys.stdout.write(answer_text.csv_of(reply["data"]))
        for note in answer_text.notes(reply):
            tell(note)
    elif form == "json" or not sys.stdout.isatty():
        print_json(reply)
    else:
        from rich.console import Console  # noqa: PLC0415 - only where somebody looks

        from client.verbs import report  # noqa: PLC0415

        Console().print(report.render(reply, wide=form == "wide"))
    if not check(reply):
        sys.exit(EXIT_FAILED)


async def ask_reader(
    settings: ClientSettings | Way,
    query_type: str,
    params: Mapping[str, Any],
    wait_seconds: float,
    tell: Tell,
) -> dict[str, Any]:
    """The reader's reply; asked again while nobody answers, for ``wait_seconds``.

    :raises ReaderAway: no reply came.
    :raises Refused: it is an error.
    """
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
    settings: ClientSettings | Way, wait_seconds: float, tell: Tell = tell
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


def _without_password(settings: ClientSettings | Way) -> str:
    return ", ".join(url.rpartition("@")[2] for url in settings.nats_url.split(","))


class Asker:
    """Asks the reader.

    :ivar client: the connection.
    """

    def __init__(self, client: Client, subject: str) -> None:
        self.client = client
        self._subject = subject

    async def ask(self, query_type: str, **params: object) -> dict[str, Any]:
        """The whole reply; parameters that are None are not given.

        :raises ReaderAway: nobody answers, or not in time.
        :raises Refused: the reader's answer is an error.
        """
        given = {name: value for name, value in params.items() if value is not None}
        return await ask(self.client, self._subject, query_type, given, TIMEOUT_SECONDS)


@contextlib.asynccontextmanager
async def opened(settings: ClientSettings, wait_seconds: float) -> AsyncIterator[Asker]:
    """A connection, closed in the end.

    :raises ReaderAway: NATS does not answer within ``wait_seconds``.
    """
    async with connected(settings, wait_seconds) as client:
        yield Asker(client, settings.nats_subject_request)
