"""Lengths of time as people type them: ``90``, ``90s``, ``5m``, ``2h``, ``1d``, ``1w``. Pure."""

from __future__ import annotations

import re

from spindle.errors import InvalidInput
from spindle.text import shown

SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
SHORTEST, LONGEST = 1.0, 30 * 86_400.0
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)([smhdw]?)", re.ASCII)


def parse(given: object, least: float = SHORTEST, most: float = LONGEST) -> float:
    """Seconds, from a number or from text such as ``90``, ``5m``, ``2h``.

    :raises InvalidInput: it is neither, or less than ``least``, or more than ``most``.
    """
    text = str(given) if isinstance(given, int | float | str) else ""
    found = _DURATION.fullmatch(text)
    seconds = float(found[1]) * SECONDS[found[2]] if found else -1.0
    if isinstance(given, bool) or not least <= seconds <= most:
        raise InvalidInput(
            f"given {shown(given)}, expected a duration of {least:g} s to {most / 86_400:g} "
            "days, such as 90, 90s, 5m, 2h or 1d"
        )
    return seconds
