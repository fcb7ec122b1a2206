"""A reader's answer as text: CSV (RFC 4180) that a spreadsheet takes for what it is, and notes."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

#: How a cell begins that a spreadsheet takes for a formula, also in the wide forms of East Asia.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def harmless(cell: str) -> str:
    """The cell with an apostrophe before it where it would be a formula, or has one already.

    So whoever takes one apostrophe away from each cell that begins with one has what was there.
    """
    return f"'{cell}" if cell.startswith(("'", *_FORMULA)) else cell


def csv_of(data: Any) -> str:
    """One line for each row, under a heading; an answer that is one object is one row.

    What is nested becomes columns, such as ``facts.model``; lists stay JSON. A cell that a
    spreadsheet would take for a formula is marked as ``harmless`` does.
    """
    rows = [dict(_flat("", row)) for row in (data if isinstance(data, list) else [data])]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    file = io.StringIO()
    writer = csv.DictWriter(file, columns, restval="", lineterminator="\r\n")
    if columns:
        writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _flat(f"{prefix}.{name}" if prefix else name, item)
    elif isinstance(value, str):
        yield prefix or "value", harmless(value)
    else:
        yield prefix or "value", "" if value is None else orjson.dumps(value).decode()


def notes(reply: Mapping[str, Any]) -> list[str]:
    """What a person has to know of an answer besides its rows, in sentences."""
    found = [str(reply["note"])] if reply.get("note") else []
    if reply.get("truncated"):
        found.append("There is more than this: ask for less, or for the next page.")
    return found
