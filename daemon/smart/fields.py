"""Take values out of smartctl's output, whatever is missing, null, or of another type; and say what
a damaged output lacks. Pure.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

_MOST_GAPS = 3  # named
SWITCHED_OFF = "its SMART is switched off (smartctl -s on switches it on)"
#: What every NVMe drive has counted once it has been started.
_NEVER_ZERO = ("AvailableSpare", "PowerCycles", "LifetimeRead", "LifetimeWritten")
MOST = 1e20  # no drive counts as far; infinity and no number at all are beyond it too
MOST_STATUS = 255
MOST_HOURS = 1_000_000  # 114 years
COLDEST, HOTTEST = -60, 200  # degC; beyond them a sensor says that it has nothing to say


def decoded(content: bytes) -> Any:
    """The JSON in an output, in UTF-8 or as Windows redirects it (UTF-16), with damaged letters.

    :raises orjson.JSONDecodeError: it is none.
    """
    utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return orjson.loads(content.decode("utf-16" if utf16 else "utf-8-sig", errors="replace"))


def status(output: Mapping[str, Any]) -> int:
    """smartctl's exit status; 0 where the output has none, or one that no program can have."""
    said = number(at(output, "smartctl", "exit_status"))
    return int(said) if said is not None and 0 <= said <= MOST_STATUS else 0


def at(output: Any, *path: str) -> Any:
    """The value at a path of keys, or None."""
    for key in path:
        output = output.get(key) if isinstance(output, dict) else None
    return output


def number(value: Any) -> float | None:
    """The value as a finite number, also where it is written as text; else None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if abs(found) <= MOST else None


def text(value: Any) -> str | None:
    """Printable text on one line, else None."""
    if not isinstance(value, str):
        return None
    line = " ".join(part for part in value.split() if part.isprintable())[:256]
    return None if line in ("", "REDACTED") else line


def version(output: Mapping[str, Any]) -> tuple[int, int]:
    """smartctl's version; (0, 0) where the output has none."""
    said = at(output, "smartctl", "version")
    parts = [number(each) for each in said[:2]] if isinstance(said, list) else []
    return (int(parts[0] or 0), int(parts[1] or 0)) if len(parts) == 2 else (0, 0)


def gaps_of(output: Mapping[str, Any], metrics: Mapping[str, float]) -> list[str]:
    """What a whole output says and this one lacks; such a drive is never called ok."""
    found = []
    if metrics.get("SmartFailing") is None:
        off = at(output, "smart_support", "enabled") is False
        found.append(SWITCHED_OFF if off else "no word of its overall health")
    said = number(at(output, "smartctl", "exit_status"))
    if said is None or not 0 <= said <= MOST_STATUS:
        found.append("no exit status of smartctl")
    if at(output, "device", "protocol") == "NVMe" and "SpareBelowThreshold" not in metrics:
        found.append("no critical warnings")
    if at(output, "device", "protocol") == "NVMe" and "MediaErrors" not in metrics:
        found.append("no count of media errors")
    if "MediaErrors" in metrics and not any(metrics.get(name) for name in _NEVER_ZERO):
        found.append("a health log of zeros")
    rows = at(output, "ata_smart_attributes", "table")
    for row in rows if isinstance(rows, list) else ():
        raw, failed = number(at(row, "raw", "value")), at(row, "when_failed")
        if number(at(row, "id")) is None or raw is None or not isinstance(failed, str):
            found.append(f"attribute {at(row, 'id') or 'without a number'} is incomplete")
    found += [f"{path} is null" for path in _nulls(output, "")]
    return found[:_MOST_GAPS]


def _nulls(value: object, path: str) -> Iterator[str]:
    """Places of nulls; smartctl writes none, so that something was lost there."""
    if value is None:
        yield path
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _nulls(each, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list):
        for each in value:
            yield from _nulls(each, f"{path}[]")
