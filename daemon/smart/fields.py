"""Take values out of smartctl's output, whatever is missing, null, or of another type. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MOST = 1e20  # no drive counts as far; infinity and no number at all are beyond it too


def status(output: Mapping[str, Any]) -> int:
    """smartctl's exit status; 0 where the output has none."""
    return int(number(at(output, "smartctl", "exit_status")) or 0)


def at(output: Any, *path: str) -> Any:
    """The value at a path of keys, or None."""
    for key in path:
        output = output.get(key) if isinstance(output, Mapping) else None
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
