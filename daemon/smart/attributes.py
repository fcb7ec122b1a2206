"""What the ATA attributes in one output of smartctl mean. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from daemon.smart import table
from daemon.smart.fields import HOTTEST, at, number, text
from daemon.smart.table import Attribute

#: A raw value beyond this is several counters in one, whatever its text says: no drive counts as
#: far. Fujitsu's 196 is 484,442,112 when it is new.
MOST_COUNT = 2**24
_LEADING = re.compile(r"\s*(\d+) ?\(")  # "3 (0 1)" is 3: what follows are other counters
_MIN_MAX = re.compile(r"Min/Max (-?\d+)/(-?\d+)")


def attributes_of(output: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """What its ATA attributes mean; later ones win over earlier ones of the same name."""
    rows = at(output, "ata_smart_attributes", "table")
    maker = f"{text(output.get('model_family'))} {text(output.get('model_name'))}"
    sector = number(output.get("logical_block_size")) or 512
    known = output.get("in_smartctl_database") is not False or output.get("rotation_rate") != 0
    for row in rows if isinstance(rows, list) else ():
        name, raw = text(at(row, "name")) or "", number(at(row, "raw", "value"))
        if not known and _is_guessed(row):
            continue
        if number(at(row, "id")) in table.TEMPERATURE_ATTRIBUTES:
            yield from _temperature(row, raw)
        for pattern, metric in ((table.WRITTEN, "LifetimeWritten"), (table.READ, "LifetimeRead")):
            found = pattern.fullmatch(name)
            if found and raw is not None and (found[1] or "") in table.SIZES:
                yield metric, raw * (table.SIZES[found[1] or ""] or sector)
        wanted = _wanted(row, name, maker)
        value = None if wanted is None else _value(row, raw, wanted)
        if wanted is not None and value is not None:
            yield wanted.metric, value
            if wanted.form == "left":
                yield "AvailableSpareThreshold", number(at(row, "thresh")) or 0.0


def _is_guessed(row: Any) -> bool:
    """Whether flash that smartctl does not know has this under a disk's name, and is well by it."""
    return number(at(row, "id")) in table.OF_DISKS and (number(at(row, "value")) or 0) >= 100


def _wanted(row: Any, name: str, maker: str) -> Attribute | None:
    wanted = table.BY_ID.get(int(number(at(row, "id")) or 0))
    if wanted is None or not (wanted.names is None or wanted.names.search(name)):
        return None
    return wanted if wanted.makers is None or wanted.makers.search(maker) else None


def _value(row: Any, raw: float | None, wanted: Attribute) -> float | None:
    if wanted.form == "left":
        left, least = number(at(row, "value")), number(at(row, "thresh"))
        return left if left is not None and 0 <= left <= 100 and least else None
    if wanted.form == "used":
        left = number(at(row, "value"))
        if wanted.id == 231 and left == 0 and raw is not None and 0 < raw <= 100:
            left = raw  # Phison's firmware writes it there alone
        return 100 - left if left is not None and 0 <= left <= 100 else None
    if raw is None or raw < 0:
        return None
    match wanted.form:
        case "high16":
            return float(int(raw) >> 32 & 0xFFFF)
        case "low16":
            return float(int(raw) & 0xFFFF)
    leading = _LEADING.match(text(at(row, "raw", "string")) or "")
    value = float(leading[1]) if leading else raw
    return value if value < MOST_COUNT else None


def _temperature(row: Any, raw: float | None) -> Iterator[tuple[str, float]]:
    """degC are in the lowest byte; the lowest and highest of its life may stand beside it."""
    if raw is not None and 0 < int(raw) & 0xFF < HOTTEST:
        yield "DiskTemp", float(int(raw) & 0xFF)
    limits = _MIN_MAX.search(text(at(row, "raw", "string")) or "")
    if limits:
        yield "TempLifetimeMin", float(limits[1])
        yield "TempLifetimeMax", float(limits[2])
