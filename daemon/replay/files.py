"""What files of the past say: our own export, Backblaze's drive statistics, or one series. Pure.

``.jsonl`` holds one object of the wire contract a line: a metric or an event. ``.csv`` is told by
its header: ``date,serial_number,model,...`` is a day of Backblaze's, ``timestamp,value`` one series
whose device and metric type are given beside it.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TextIO

import orjson

from daemon.messages import DISK
from daemon.replay import backblaze
from spindle import timestamps
from spindle.errors import InvalidInput
from spindle.models import DeviceFacts, DeviceMetric, Event, parse
from spindle.store.base import NO_ARRAY, Point, Series
from spindle.text import shown
from spindle.wire_metric import NOT_PLAIN, MetricReader

#: What one line may hold, in bytes; a longer one is no line of these forms.
LONGEST_LINE = 900_000
ENDINGS = (".csv", ".jsonl")
KEYS = ("device_id", "metric_type", "source_device", "array_id")

#: A reading, an event, or what a drive is.
Record = Point | Event | DeviceFacts


class Source(NamedTuple):
    """How files are read.

    :ivar given: ``device_id``, ``metric_type`` and so on for a file of ``timestamp,value``.
    :ivar latest_ns: what is later lies in the future.
    """

    given: Mapping[str, str]
    latest_ns: int


def found(paths: Sequence[Path]) -> list[Path]:
    """The files, and those in the folders, in the order of their names.

    :raises InvalidInput: one is not there, or nothing is in a folder.
    """
    files: list[Path] = []
    for path in paths:
        inside = sorted(each for each in path.rglob("*") if _is_past(each)) if path.is_dir() else []
        if not path.exists():
            raise InvalidInput(f"there is no {path}")
        if path.is_dir() and not inside:
            raise InvalidInput(f"there is no .csv or .jsonl in {path}")
        files += inside or [path]
    return files


def _is_past(path: Path) -> bool:
    hidden = path.name.startswith(".") or "__MACOSX" in path.parts  # Backblaze's archives have it
    return path.suffix.lower() in ENDINGS and path.is_file() and not hidden


def records(path: Path, source: Source) -> Iterator[Record]:
    """Everything a file says, in its order.

    :raises InvalidInput: with the file and the line, what is wrong and what is expected.
    """
    form = _lines if path.suffix.lower() == ".jsonl" else _table
    number = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for number, records_of_line in form(bounded(file), source):  # noqa: B007 - a mistake names it
                yield from records_of_line()
    except InvalidInput as error:
        raise InvalidInput(f"{path}, line {number}: {error}") from None
    except UnicodeDecodeError:
        raise InvalidInput(f"{path} cannot be read: it is no text in UTF-8") from None
    except (OSError, csv.Error) as error:
        why = getattr(error, "strerror", None) or error
        raise InvalidInput(f"{path} cannot be read: {why}") from None


def bounded(file: TextIO) -> Iterator[str]:
    """The lines of a file, none of which may have no end, as those of /dev/zero.

    :raises csv.Error: a line is longer than ``LONGEST_LINE``.
    """
    while line := file.readline(LONGEST_LINE + 1):
        if len(line) > LONGEST_LINE:
            raise csv.Error(f"a line is longer than {LONGEST_LINE:,} characters")
        yield line


#: A line's number, and what it says once that is asked for: a mistake then has its line.
_Lines = Iterator[tuple[int, Callable[[], Sequence[Record]]]]


def _lines(file: Iterator[str], source: Source) -> _Lines:
    reader = MetricReader(LONGEST_LINE)
    for number, line in enumerate(file, start=1):
        if line.strip():
            yield number, lambda line=line: _object(reader, line.encode(), source)  # type: ignore[misc]


def _object(reader: MetricReader, line: bytes, source: Source) -> Sequence[Record]:
    try:
        return reader.plain(line, source.latest_ns)
    except NOT_PLAIN:
        pass
    try:
        data = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise InvalidInput(
            f"given {shown(line.decode().strip())}, expected one JSON object"
        ) from None
    if isinstance(data, dict) and "eventType" in data:
        return [parse(Event, data, source.latest_ns)]
    return [reader.point(data, source.latest_ns)]


def _table(file: Iterator[str], source: Source) -> _Lines:
    rows = csv.reader(file)
    header = [name.strip().lower() for name in next(rows, [])]
    if set(backblaze.COLUMNS) <= set(header):
        day = backblaze.Day(header)
        for row in rows:
            yield rows.line_num, lambda row=row: day.records(row)  # type: ignore[misc]
        return
    yield 1, lambda: _no_records(header, source.given)
    series, at = _series(source), (header.index("timestamp"), header.index("value"))
    for row in rows:
        if row:
            yield rows.line_num, lambda row=row: _reading(series, at, row, source)  # type: ignore[misc]


def _no_records(header: Sequence[str], given: Mapping[str, str]) -> Sequence[Record]:
    """Nothing, once it is known that this is a series and whose it is."""
    if not {"timestamp", "value"} <= set(header):
        raise InvalidInput(
            f"the header is {shown(','.join(header))}, expected timestamp,value or Backblaze's "
            "date,serial_number,model,capacity_bytes,failure,smart_..."
        )
    for key in ("device_id", "metric_type"):
        if key not in given:
            raise InvalidInput(f"{key}= is needed for a file of timestamp,value")
    return ()


def _series(source: Source) -> Series:
    given = source.given
    metric = DeviceMetric(timestamp=0, value=0.0, **{"source_device": DISK, **given})
    return Series(
        metric.source_device, metric.metric_type, metric.device_id, metric.array_id or NO_ARRAY
    )


def _reading(
    series: Series, at: tuple[int, int], row: Sequence[str], source: Source
) -> Sequence[Record]:
    try:
        time_ns, value = _time(row[at[0]].strip()), row[at[1]].strip()
        number = float(value) if value else None
    except (IndexError, ValueError):
        raise InvalidInput(
            f"given {shown(','.join(row))}, expected a time (RFC 3339; UTC where it has no offset; "
            "or seconds since 1970) and a number"
        ) from None
    if number is not None and number - number != 0:
        raise InvalidInput(f"the value is {shown(value)}, expected a finite number")
    if time_ns > source.latest_ns:
        raise InvalidInput(f"{timestamps.format_ns(time_ns)} lies in the future")
    return [] if number is None else [(series, time_ns, number)]


def _time(text: str) -> int:
    """:raises ValueError: it is no time, or none that a database can hold."""
    if ":" in text:
        return timestamps.parse(text if text[-6:-5] in "+-" or text[-1] in "Zz" else f"{text}Z")
    if "-" in text:
        return timestamps.parse(f"{text}T00:00:00Z")
    time_ns = round(float(text) * timestamps.NS)
    if not 0 <= time_ns <= timestamps.LATEST_NS:
        raise ValueError("outside of what a database can hold")
    return time_ns
