"""``python -m reader.export``: what is stored, as JSON lines of the wire contract, oldest first.

What it writes, ``replay`` reads.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Annotated, BinaryIO, TypeVar

import orjson
import typer

from reader.lookups.stored.shown_store import readings_of
from spindle import timestamps
from spindle.errors import InvalidInput, StoreError
from spindle.service.program import EXIT_FAILED, EXIT_USAGE, called_from, commands, end
from spindle.settings import Settings, load
from spindle.store.base import Bucket, EventRow, Selection, Store
from spindle.store.registry import open_store
from spindle.text import shown

KEYS = ("from", "to", "device_id", "source_device", "array_id", "metric_type")
#: Asked for at once. A span that holds as many is halved.
ROWS = 100_000
HOUR_NS = 3600 * timestamps.NS
MOST_ROWS = 10_000_000
LONGEST_SPAN_NS, SHORTEST_SPAN_NS = 24 * HOUR_NS, timestamps.NS

R = TypeVar("R")

app = commands()


@app.command()
def export(
    words: Annotated[
        list[str] | None,
        typer.Argument(help="from=... to=... device_id=...", metavar="[KEY=VALUE]..."),
    ] = None,
    output: Annotated[
        str, typer.Option("-o", "--output", help="A file; - for standard output.")
    ] = "-",
) -> None:
    """Write what is stored as JSON lines: metrics and events as publishers send them.

    Example: ./run.sh export device_id=disk-7 -o disk-7.jsonl

    Exit codes: 0 written, 1 the store or the file cannot be used, 2 wrong usage or settings.
    """
    try:
        settings = load(Settings)
        given = _given(words or [])
        now_ns = time.time_ns()
        kept_ns = int(settings.retention_hours * HOUR_NS) or now_ns
        start_ns = _time(given.pop("from", None), "from", now_ns - kept_ns)
        future_ns = int((settings.max_future_seconds + 1) * timestamps.NS)
        end_ns = _time(given.pop("to", None), "to", now_ns + future_ns)
        counted = _export(settings, _selection(given), (start_ns, end_ns), output)
    except InvalidInput as error:  # all mistakes of the settings, too
        end(EXIT_USAGE, str(error))
    except BrokenPipeError:  # whoever read it has seen enough, which typer ends for without a word
        raise
    except OSError as error:
        end(EXIT_FAILED, f"{output} could not be written: {error.strerror or error}")
    except StoreError as error:
        end(EXIT_FAILED, f"nothing more could be written: {error}")
    print(f"{counted[0]:,} readings and {counted[1]:,} events", file=sys.stderr)


def _given(words: Sequence[str]) -> dict[str, str]:
    given = {}
    for word in words:
        key, _, value = word.partition("=")
        if key not in KEYS or not value:
            expected = ", ".join(f"{each}=..." for each in KEYS)
            raise InvalidInput(f"given {shown(word)}, expected {expected}")
        given[key] = value
    return given


def _selection(given: Mapping[str, str]) -> Selection:
    return Selection(
        given.get("source_device"),
        given.get("device_id"),
        given.get("array_id"),
        given.get("metric_type"),
    )


def _time(text: str | None, key: str, otherwise: int) -> int:
    try:
        return otherwise if text is None else timestamps.parse(text)
    except ValueError as error:
        raise InvalidInput(f"{key} is {shown(text)}: {error}") from None


def _export(
    settings: Settings, which: Selection, span: tuple[int, int], output: str
) -> tuple[int, int]:
    """How many readings and events were written; a file is there once it is whole."""
    if output == "-":
        return asyncio.run(_write(settings, which, span, sys.stdout.buffer))
    path = called_from() / output
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as file:
            counted = asyncio.run(_write(settings, which, span, file))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return counted


async def _write(
    settings: Settings, which: Selection, span: tuple[int, int], file: BinaryIO
) -> tuple[int, int]:
    store = open_store(settings)
    try:
        await store.ping()
        return await _written(store, which, span, file)
    finally:
        await store.close()


async def _written(
    store: Store, which: Selection, span: tuple[int, int], file: BinaryIO
) -> tuple[int, int]:
    readings = events = 0

    def points_in(start_ns: int, end_ns: int, limit: int) -> Awaitable[list[Bucket]]:
        return store.series(readings_of(which), start_ns, end_ns, None, limit)

    def events_in(start_ns: int, end_ns: int, limit: int) -> Awaitable[list[EventRow]]:
        return store.events(which, start_ns, 1, limit, end_ns)

    async for rows in _spans(points_in, *span):
        readings += len(rows)
        file.writelines(_lines(map(_metric, sorted(rows, key=lambda row: row.time_ns))))
    if which.metric_type is None:
        async for told in _spans(events_in, *span):
            events += len(told)
            file.writelines(_lines(map(_event, reversed(told))))
    return readings, events


def _lines(objects: Iterator[dict[str, object]]) -> Iterator[bytes]:
    return (orjson.dumps(each, option=orjson.OPT_APPEND_NEWLINE) for each in objects)


async def _spans(
    fetch: Callable[[int, int, int], Awaitable[list[R]]], start_ns: int, end_ns: int
) -> AsyncIterator[list[R]]:
    """Everything in ``[start_ns, end_ns)``, in spans that hold some ``ROWS`` at most.

    :param fetch: rows of a span that begins and ends so, at most so many.
    """
    span_ns = LONGEST_SPAN_NS
    while start_ns < end_ns:
        until_ns = min(end_ns, start_ns + span_ns)
        # A whole fleet may have one timestamp; that cannot be halved.
        limit = ROWS if span_ns > SHORTEST_SPAN_NS else MOST_ROWS
        rows = await fetch(start_ns, until_ns, limit)
        if len(rows) >= limit and limit == ROWS:
            span_ns = max(SHORTEST_SPAN_NS, span_ns // 2)
            continue
        yield rows
        start_ns = until_ns
        if len(rows) < ROWS // 4:
            span_ns = min(LONGEST_SPAN_NS, span_ns * 2)


def _metric(row: Bucket) -> dict[str, object]:
    return {
        "timestamp": timestamps.format_ns(row.time_ns),
        "sourceDevice": row.source_device,
        "metricType": row.metric_type,
        "value": row.mean,
        "deviceId": row.device_id,
        **({"arrayId": row.array_id} if row.array_id else {}),
    }


def _event(row: EventRow) -> dict[str, object]:
    return {
        "id": row.event_id,
        "criticality": row.criticality,
        "timestamp": timestamps.format_ns(row.time_ns),
        "sourceDevice": row.source_device,
        "eventType": row.event_type,
        "deviceId": row.device_id,
        **({"arrayId": row.array_id} if row.array_id else {}),
        **({"eventMessage": row.message} if row.message else {}),
    }


if __name__ == "__main__":
    app(prog_name="./run.sh export")
