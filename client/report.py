"""A reader's reply as tables for a terminal. Knows no query type: the shape of ``data`` decides."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

_STATES = {
    "ok": "green",
    "unknown": "magenta",
    "warning": "yellow",
    "critical": "bold red",
}
_STATE_KEYS = ("health", "state", "severity", "status")
_LONG_FRACTION = re.compile(r"(\.\d{3})\d+(?=Z$)")


def render(reply: Mapping[str, Any]) -> RenderableType:
    """``data`` as a table, what is nested in it and beside it as further tables."""
    parts: list[RenderableType] = list(_parts("", reply["data"]))
    for name, value in reply.items():
        if name not in ("status", "data", "truncated"):
            parts += _parts(name, value)
    if reply.get("truncated"):
        parts.append(Text("There is more than this: ask for less, or for the next page.", "yellow"))
    return Group(*parts)


def _parts(title: str, value: Any) -> Iterator[RenderableType]:
    if isinstance(value, Mapping):
        yield from _object(title, value)
    elif _is_rows(value):
        yield _table(title, value)
    elif isinstance(value, list) and not value:
        if not title:
            yield Text("Nothing found.", "dim")
    else:
        yield Text.assemble((f"{title} " if title else "", "bold"), cell(title, value))


def _is_rows(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, Mapping) for v in value)


def _object(title: str, value: Mapping[str, Any]) -> Iterator[RenderableType]:
    """Plain values as a table of keys and values, lists of objects as tables after it."""
    table = _new_table(title, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    nested = {name: item for name, item in value.items() if _is_rows(item)}
    for name, item in value.items():
        if name not in nested and item not in (None, []):
            table.add_row(_plain(name), cell(name, item))
    yield table
    for name, item in nested.items():
        yield _table(name, item)


def _table(title: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    """One line per object; a column that is empty in all of them is left out."""
    columns = [
        name
        for name in dict.fromkeys(name for row in rows for name in row)
        if any(row.get(name) not in (None, "", [], {}) for row in rows)
    ]
    table = _new_table(title)
    for name in columns:
        numbers = all(_is_number(row.get(name)) for row in rows)
        table.add_column(_plain(name), justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(cell(name, row.get(name)) for name in columns))
    return table


def _new_table(title: str, *, show_header: bool = True) -> Table:
    return Table(
        title=_plain(title) or None,
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
    text = Text(_words(value))
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
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return _object_words(value)
    if isinstance(value, list):
        return ", ".join(_words(item) for item in value)
    return _LONG_FRACTION.sub(r"\1", _plain(str(value)))


def _object_words(value: Mapping[str, Any]) -> str:
    if "value" in value and "unit" in value:  # a reading
        return f"{_words(value['value'])} {_plain(str(value['unit']))}".rstrip()
    return ", ".join(f"{_plain(name)} {_words(item)}" for name, item in value.items())


def _plain(text: str) -> str:
    """Without anything that could steer a terminal."""
    return "".join(c if c.isprintable() else " " for c in text)
