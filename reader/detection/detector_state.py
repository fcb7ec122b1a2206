"""Detector state to bytes and back, exactly: a JSON head and the arrays' raw doubles.

Read with care: a snapshot may be old, cut short or not ours, and then one sentence says so.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Mapping
from typing import Any

from spindle.errors import InvalidInput

MAGIC = b"spindle-detector-17\n"
DAMAGED = "This detector state is damaged; start a fresh detector."


def dump(parts: Mapping[str, object]) -> bytes:
    """The slots of each part; floats keep every bit (JSON writes the shortest exact digits)."""
    head: dict[str, dict[str, Any]] = {}
    body = bytearray()
    for name, part in parts.items():
        fields = head[name] = {}
        for slot in slots(part):
            value = getattr(part, slot)
            if isinstance(value, array):
                fields[slot] = {"doubles": len(value)}
                body += value.tobytes()
            else:
                fields[slot] = value
    text = json.dumps(head, separators=(",", ":")).encode()
    return MAGIC + len(text).to_bytes(4, "little") + text + bytes(body)


def load(data: bytes, parts: Mapping[str, object]) -> None:
    """Fill the parts' slots.

    :raises InvalidInput: not written by this version of ``dump``, or damaged.
    """
    if not data.startswith(MAGIC):
        raise InvalidInput("This is no detector state of this version; start a fresh detector.")
    try:
        at = len(MAGIC) + 4
        end = at + int.from_bytes(data[len(MAGIC) : at], "little")
        head = json.loads(data[at:end])
        for name, part in parts.items():
            for slot in slots(part):
                value = head[name][slot]
                if isinstance(value, dict):
                    value, end = _array(value, data, end)
                elif isinstance(value, list):
                    value = [tuple(item) for item in value]
                setattr(part, slot, value)
            if hasattr(part, "rebuild"):
                part.rebuild()
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise InvalidInput(DAMAGED) from error
    if end != len(data):
        raise InvalidInput(DAMAGED)


def slots(part: object) -> list[str]:
    """Names of a part's slots that are saved; the others are computed again from them."""
    left_out = (*PARTS, *WITHIN, *getattr(part, "DERIVED", ()))
    return [slot for slot in type(part).__slots__ if slot not in left_out]  # type: ignore[attr-defined]


def _array(shape: dict[str, int], data: bytes, at: int) -> tuple[array[float], int]:
    end = at + 8 * shape["doubles"]
    return array("d", data[at:end]), end


PARTS = ("novelty", "surge", "rhythm", "stuck", "departure", "news")
WITHIN = ("window", "remembered")
"""Slots of the detector that are parts themselves, and of its departure ``WITHIN``."""
