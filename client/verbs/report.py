"""A reader's reply as tables for a terminal. Knows no query type: the shape of ``data`` decides."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from client.answer_text import notes
from spindle.text import printable

_STATES = {
    "ok": "green",
    "unknown": "magenta",
    "warning": "yellow",
    "critical": "bold red",
}
_STATE_KEYS = ("health", "state", "severity", "status")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(\.\d{1,3})?\d*Z")
_ENOUGH_ROWS = 3  # from here on a column that says the same in every row becomes a line above,
_SHORT = 24  # if it says no more than so many characters, or is a sentence
_LONG_ID, _SHOWN_OF_ID = 13, 8
# Left out, in this order, where a terminal is too narrow for all; the JSON has them.
_LEFT_OUT = (
    "event_id",
    "facts",
    "array_id",
    "source_device",
    "last_seen",
    "score",
    "since",
    "model",
    *("stream_bytes", "stream_messages", "unacknowledged", "latency_p50_seconds"),
    *("pending", "oldest_seconds", "latency_p99_seconds"),
)
_FOLDED_AT = 32  # a longer cell takes more lines
_SENTENCE_FOLDED_AT = 24
#: Of the latest readings a row shows so many, these before others.
_SHOWN_FIRST = ("DiskTemp", "CapacityUsed", "Latency", "IOPs", "PowerOnHours", "PercentageUsed")
_SHOWN_READINGS = 4
#: What says in one sentence what a row is about; with it, these columns alone are shown.
_SENTENCES = ("message", "explanation", "event_message", "reasons")
_BESIDE_A_SENTENCE = (
    *("time", "device", "device_id", "array_id", "model"),
    *("health", "severity", "verdict", "simulated"),
)
_BYTES = ("B", "kB", "MB", "GB", "TB", "PB")
_TOO_SMALL, _TOO_LARGE = 1e-4, 1e15  # of a number that is written without an exponent


def render(reply: Mapping[str, Any], *, wide: bool = False) -> RenderableType:
    """``data`` as a table, what is nested in it and beside it as further tables.

    :param wide: every column, where else a row is a device, its state and one sentence.
    """
    data = reply["data"]
    if not wide:
        data = _in_a_sentence(data)
    parts: list[RenderableType] = [] if not data and "learning" in reply else [*_parts("", data)]
    for name, value in reply.items():
        if name not in ("status", "data", "truncated", "ignored", "note"):
            parts += _parts(name, value)
    parts += [Text(printable(note), "yellow") for note in notes(reply)]
    return Group(*parts)


def _in_a_sentence(data: Any) -> Any:
    """Rows that have a sentence, without the columns whose content it repeats."""
    if isinstance(data, Mapping):
        return {
            name: _in_a_sentence(value) if _is_rows(value) else value
            for name, value in data.items()
        }
    if not _is_rows(data):
        return data
    sentence = next((name for name in _SENTENCES if name in data[0]), None)
    if sentence is None and isinstance(data[0].get("metrics"), Mapping):
        sentence = "metrics"
    if sentence is None:
        return data
    beside = [*_BESIDE_A_SENTENCE, *(["last_seen"] if sentence == "metrics" else [])]
    named = "device" in data[0] or "device_id" in data[0]
    kept = [name for name in beside if name != "array_id" or not named or _array_tells_apart(data)]
    return [
        {name: _brief(row, name) for name in kept} | {sentence: _one(row, sentence)} for row in data
    ]


def _brief(row: Mapping[str, Any], name: str) -> Any:
    """A value beside a sentence: the time to the second; a simulated model says nothing new."""
    value = row.get(name)
    if name == "model" and row.get("simulated"):
        return None
    time = _TIME.fullmatch(value) if name == "time" and isinstance(value, str) else None
    return f"{time[1]}T{time[2]}Z" if time else value


def _array_tells_apart(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a device of the same name is there under two arrays: two hosts' ``sda``."""
    names = [(row.get("source_device"), row.get("device") or row.get("device_id")) for row in rows]
    arrays = {(*name, row.get("array_id")) for name, row in zip(names, rows, strict=True)}
    return len(arrays) > len(set(names))


def _one(row: Mapping[str, Any], sentence: str) -> Any:
    said = row.get(sentence)
    if isinstance(said, Mapping):
        return _few(said)
    if not isinstance(said, list):
        return said or row.get("event_type")
    if not said:
        return ""
    more = f" (and {len(said) - 1} more)" if len(said) > 1 else ""
    return f"{_words(said[0])}{more}"


def _few(readings: Mapping[str, Any]) -> str:
    """Some of a device's latest readings."""
    names = [name for name in _SHOWN_FIRST if name in readings] or list(readings)
    shown = ", ".join(f"{printable(n)} {_words(readings[n])}" for n in names[:_SHOWN_READINGS])
    more = len(readings) - min(len(names), _SHOWN_READINGS)
    return f"{shown} (and {more} more)" if more > 0 else shown


def _parts(title: str, value: Any) -> Iterator[RenderableType]:
    if isinstance(value, Mapping):
        yield from _object(title, value)
    elif _is_rows(value):
        yield from _rows(title, value)
    elif isinstance(value, list) and not value:
        if not title:
            yield Text("Nothing found.", "dim")
    else:
        yield Text.assemble((f"{_label(title)} " if title else "", "bold"), cell(title, value))


def _is_rows(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, Mapping) for v in value)


def _object(title: str, value: Mapping[str, Any]) -> Iterator[RenderableType]:
    """Plain values as a table of keys and values, lists of objects as tables after it."""
    if value.get("matching") == value.get("listed"):  # those of so many; of all of them it is clear
        yield from _all_well(value)
        value = {name: item for name, item in value.items() if name not in ("matching", "listed")}
    table = _new_table(title, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    nested = {name: item for name, item in value.items() if _is_rows(item)}
    for name, item in value.items():
        if name not in nested and _words(item):
            table.add_row(_label(name), cell(name, item))
    yield table
    for name, item in nested.items():
        yield from _rows(name, item)


def _all_well(fleet: Mapping[str, Any]) -> Iterator[RenderableType]:
    """A sentence about a fleet of which every device is ok."""
    real, simulated = fleet.get("devices_known", 0), 0
    ok = fleet.get("counts", {}).get("ok", 0)
    if isinstance(invented := fleet.get("simulated"), Mapping):
        simulated = invented["devices_known"]
        ok += invented["counts"]["ok"]
    if 0 < ok == real + simulated:
        what = "The one device is well" if ok == 1 else f"All {ok} devices are well"
        yield Text(f"{what}{f', {simulated} of them simulated' if simulated else ''}.", "green")


def _rows(title: str, rows: Sequence[Mapping[str, Any]]) -> Iterator[RenderableType]:
    """One line per object. What is empty in all of them is left out, what is the same said once."""
    columns = [
        name
        for name in dict.fromkeys(name for row in rows for name in row)
        if any(_words(row.get(name)) for row in rows)
    ]
    same = [name for name in columns if len(rows) >= _ENOUGH_ROWS and _is_same(name, rows)]
    if 0 < len(same) < len(columns):
        columns = [name for name in columns if name not in same]
        heading = [Text(_label(title), "bold")] if title else []
        yield Text("   ").join(
            heading + [Text.assemble(_label(name), " ", cell(name, rows[0][name])) for name in same]
        )
        title = ""
    yield _Fitted(title, columns, rows)


class _Fitted:
    """A table of as many of its columns as the terminal has room for."""

    def __init__(
        self, title: str, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]
    ) -> None:
        self._title = title
        self._columns = columns
        self._rows = rows

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        table = _new_table(self._title)
        columns = self._fitting(options.max_width)
        if sum(self._width(name) + 2 for name in columns) - 2 > options.max_width:
            for row in self._rows:  # nothing is folded into columns of a few letters
                yield from _object("", row)
                yield Text("")
            return
        wide = sum(max(len(_label(name)), self._width(name)) + 2 for name in columns) - 2
        for name in columns:
            # Rich cuts a heading that is too long, and breaks it only where it is told to.
            heading = _label(name).replace(" ", "\n" if wide > options.max_width else " ")
            numbers = all(_is_number(row.get(name)) for row in self._rows)
            table.add_column(
                heading,
                justify="right" if numbers else "left",
                overflow="fold",
                min_width=self._width(name),  # a heading breaks rather than a name
            )
        for row in self._rows:
            table.add_row(*(cell(name, row.get(name)) for name in columns))
        yield table

    def _fitting(self, width: int) -> list[str]:
        wide = {name: self._width(name) + 2 for name in self._columns}
        apart = "array_id" if _array_tells_apart(self._rows) else ""
        for name in _LEFT_OUT:
            if name not in (self._columns[0], apart) and sum(wide.values()) > width:
                wide.pop(name, None)
        return list(wide)

    def _width(self, name: str) -> int:
        heading = max(map(len, _label(name).split()), default=0)
        cells = (len(cell(name, row.get(name))) for row in self._rows)
        most = _SENTENCE_FOLDED_AT if name in _SENTENCES else _FOLDED_AT
        return max(heading, min(most, max(cells, default=0)))


def _is_same(name: str, rows: Sequence[Mapping[str, Any]]) -> bool:
    first = rows[0].get(name)
    short = isinstance(first, str) and (len(first) <= _SHORT or name in _SENTENCES)
    return short and all(row.get(name) == first for row in rows)


def _label(name: str) -> str:
    """A key as a heading: its words apart, so that a narrow column breaks between them."""
    return printable(name).replace("_", " ")


def _new_table(title: str, *, show_header: bool = True) -> Table:
    return Table(
        title=_label(title) or None,
        title_justify="left",
        title_style="bold",
        show_header=show_header,
        header_style="bold",
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def cell(name: str, value: Any) -> Text:
    """One value as text, coloured where it says how well something is."""
    words = _words(value)
    if name == "event_id" and len(words) > _LONG_ID:
        words = words[:_SHOWN_OF_ID] + "…"  # whole in the JSON
    text = Text(words)
    if name in _STATE_KEYS and isinstance(value, str):
        text.stylize(_STATES.get(value, ""))
    elif name == "anomaly" and isinstance(value, bool):
        text.stylize(_STATES["critical"] if value else _STATES["ok"])
    return text


def _words(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, Mapping):
        return _object_words(value)
    if isinstance(value, list):
        return ", ".join(_words(item) for item in value if not _says_nothing(item))
    text = printable(str(value))
    time = _TIME.fullmatch(text)
    return f"{time[1]} {time[2]}{time[3] or ''}Z" if time else text


def _says_nothing(item: object) -> bool:
    """Whether of several values only what they would be of is known: a level, and not when."""
    return (
        isinstance(item, Mapping)
        and len(item) > 1
        and [*item.values()].count(None) >= len(item) - 1
    )


def _object_words(value: Mapping[str, Any]) -> str:
    if isinstance(value.get("message"), str):  # a reason says it in a sentence
        return printable(value["message"])
    if "value" in value and "unit" in value:  # a reading
        return measured(value["value"], printable(str(value["unit"])))
    known = ((name, item) for name, item in value.items() if item is not None)
    return ", ".join(f"{_label(name)} {_words(item)}" for name, item in known)


def _number(value: float) -> str:
    if value and not _TOO_SMALL <= abs(value) < _TOO_LARGE:
        return f"{value:.4g}"
    digits = max(0, 3 - math.floor(math.log10(abs(value)))) if value else 0
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def measured(value: Any, unit: str) -> str:
    """A reading as people say it: ``327.1 MB/s``."""
    if not _is_number(value):
        return f"{_words(value)} {unit}".rstrip()
    if unit in ("B", "B/s", "bytes"):
        step = 0
        while abs(value) >= 1000 and step < len(_BYTES) - 1:
            value, step = value / 1000, step + 1
        unit = _BYTES[step] + ("/s" if unit == "B/s" else "")
    return f"{_number(float(value))} {unit}".rstrip()
