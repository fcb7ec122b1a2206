"""How often the same has begun lately, for the sentence that tells of it again. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from reader.detection import wording
from reader.detection.episode import Episode

REMEMBERED = 7 * 86_400.0  #: seconds for which an anomaly is a precedent


@dataclass(slots=True)
class _Precedent:
    """When the same began first and last, in seconds since the epoch."""

    times: int
    first: float
    last: float


class Precedents:
    """What has begun in one series lately, by kind and direction. Mutable."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[str, _Precedent] = {}

    def counted(self, found: Episode) -> Episode:
        """Note the episode; it, with its precedents named in its sentence."""
        start = found.start
        for name in [n for n, each in self._known.items() if start - each.last > REMEMBERED]:
            del self._known[name]
        known = self._known.get(found.likeness)
        if known is None:
            self._known[found.likeness] = _Precedent(1, start, start)
            return found
        known.times += 1
        again = wording.again(known.times, start - known.first, known.last, start)
        known.last = start
        return replace(found, text=f"{found.text}; {again}", times=known.times)

    def state(self) -> dict[str, Any]:
        """The state as JSON values, for a snapshot."""
        return {name: asdict(each) for name, each in self._known.items()}

    @classmethod
    def restored(cls, state: Mapping[str, Mapping[str, Any]]) -> Precedents:
        """From a saved ``state``."""
        made = cls()
        made._known = {name: _Precedent(**each) for name, each in state.items()}
        return made
