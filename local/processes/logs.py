"""``./run.sh logs``: the services' log files as one stream, followed like ``tail -F``."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from rich.markup import escape

from local import output

POLL_SECONDS = 0.2
_NATS_LINE = re.compile(r"^\[\d+\] (\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d+) \[(\w+)\] (.*)$")
_NATS_LEVELS = {"INF": "info", "WRN": "warning", "ERR": "error", "DBG": "debug", "FTL": "error"}
_COLOURS = {"warning": "yellow", "error": "red", "debug": "dim"}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a log.

    :ivar moment: seconds since the epoch; that of the line before, where a line says none.
    :ivar level: empty where a line says none.
    :ivar message: the whole line, where it could not be taken apart.
    """

    service: str
    raw: str
    moment: float
    level: str
    message: str


def parse(service: str, raw: str, previous: float) -> Line:
    """A line of JSON, one of nats-server's, or any other text."""
    if raw.startswith("{"):
        try:
            found = json.loads(raw)
            moment = datetime.fromisoformat(str(found["time"])).timestamp()
            message = str(found["message"])
            if found.get("exception"):
                message += "\n" + str(found["exception"])
            return Line(service, raw, moment, str(found.get("level", "")), message)
        except (ValueError, KeyError, TypeError):
            return Line(service, raw, previous, "", raw)
    if nats := _NATS_LINE.match(raw):
        moment = datetime.strptime(nats[1], "%Y/%m/%d %H:%M:%S.%f").astimezone().timestamp()
        return Line(service, raw, moment, _NATS_LEVELS.get(nats[2], "info"), nats[3])
    return Line(service, raw, previous, "", raw)


def for_people(line: Line) -> str:
    """Time, level, service, message, with rich's markup."""
    clock = datetime.fromtimestamp(line.moment, UTC).astimezone().strftime("%H:%M:%S")
    colour = _COLOURS.get(line.level)
    text = f"{clock} {line.level:7} [bold]{line.service:6}[/] {escape(line.message)}"
    return f"[{colour}]{text}[/]" if colour else text


class Tail:
    """One log file, read on as it grows, is rotated or is cut."""

    def __init__(self, service: str, path: Path) -> None:
        self._service = service
        self._path = path
        self._file: BinaryIO | None = None  # None while there is no such file
        self._rest = b""  # of a line whose end is not written yet
        self._previous = 0.0  # the time of the last line that said one

    def last(self, count: int) -> list[Line]:
        """The last lines there are, rotated files included; from here on ``more`` reads."""
        self._file = _opened(self._path)
        lines = _split(self._file.read()) if self._file else []
        number = 1
        while len(lines) < count:
            older = self._path.with_name(f"{self._path.name}.{number}")
            if not older.is_file():
                break
            lines = _split(older.read_bytes()) + lines
            number += 1
        return self._parsed(lines)[-count:] if count else []

    def more(self) -> list[Line]:
        """What was written since the last call."""
        self._file = self._file or _opened(self._path)
        if self._file is None:
            return []
        lines = self._read(self._file)
        if _is_replaced(self._path, self._file):
            lines += self._read(self._file)  # what came between reading and rotation
            self._file.close()
            self._rest = b""
            self._file = _opened(self._path)
            lines += self._read(self._file) if self._file else []
        elif os.fstat(self._file.fileno()).st_size < self._file.tell():
            self._file.seek(0)
            self._rest = b""
        return self._parsed(lines)

    def _read(self, file: BinaryIO) -> list[str]:
        *lines, self._rest = (self._rest + file.read()).split(b"\n")
        return [line.decode(errors="replace") for line in lines]

    def _parsed(self, lines: Sequence[str]) -> list[Line]:
        found = []
        for raw in lines:
            line = parse(self._service, raw, self._previous)
            self._previous = line.moment
            found.append(line)
        return found


def _opened(path: Path) -> BinaryIO | None:
    try:
        return path.open("rb")
    except FileNotFoundError:
        return None


def _is_replaced(path: Path, file: BinaryIO) -> bool:
    try:
        return not os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False  # in the middle of a rotation


def _split(content: bytes) -> list[str]:
    return content.decode(errors="replace").splitlines()


def last_message(path: Path, service: str) -> str:
    """The newest line of a log, without its time; empty when there is none."""
    lines = Tail(service, path).last(1)
    return lines[0].message if lines else ""


def merged(tails: Sequence[Tail], read: Callable[[Tail], list[Line]]) -> list[Line]:
    """Lines of all files in the order of their times; lines of one file keep their order."""
    return sorted((line for tail in tails for line in read(tail)), key=lambda line: line.moment)


def stream(files: Mapping[str, Path], count: int, *, follow: bool) -> Iterator[Line]:
    """The last ``count`` lines of all files together, then what comes."""
    tails = [Tail(service, path) for service, path in files.items()]
    yield from merged(tails, lambda tail: tail.last(count))[-count:] if count else ()
    while follow:
        yield from merged(tails, Tail.more)
        time.sleep(POLL_SECONDS)


def run(files: Mapping[str, Path], count: int, *, follow: bool) -> int:
    """Print logs until the end or Ctrl-C: for people on a terminal, as written to a pipe."""
    if not any(path.exists() for path in files.values()):
        output.complain("there are no logs yet; ./run.sh start makes some")
        return 1
    human = sys.stdout.isatty()
    try:
        for line in stream(files, count, follow=follow):
            if human:
                output.out.print(for_people(line))
            else:
                print(line.raw, flush=True)
    except BrokenPipeError:  # the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
