"""Devices that were silent and are back: remembered for hours, so that it leaves a trace. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from reader.health.evidence import Unit
from spindle.store.base import DeviceKey
from spindle.timestamps import NS

REMEMBERED_NS = 4 * 3600 * NS  # half a shift, as critical events that are over
_MOST = 10_000  # devices


class Silence(NamedTuple):
    """The readings before and after a silence, in nanoseconds since the epoch."""

    from_ns: int
    to_ns: int


class Silences:
    """Which devices are silent, and which were: the mutable state of one reader.

    :ivar over: the last silence of each device that is back.
    """

    def __init__(self) -> None:
        self.over: dict[DeviceKey, Silence] = {}
        self._silent: dict[DeviceKey, int] = {}  # last reading of those that are silent

    def note(self, units: Iterable[Unit], now_ns: int) -> None:
        """Take in the newest judgement of some devices."""
        for unit in units:
            key = unit.key
            last = self._silent.get(key)
            if last is not None and unit.last_read_ns > last:
                del self._silent[key]
                self.over[key] = Silence(last, unit.last_read_ns)
            if unit.silent and len(self._silent) < _MOST:
                self._silent[key] = unit.last_read_ns
        oldest = now_ns - REMEMBERED_NS
        if any(silence.to_ns < oldest for silence in self.over.values()):
            self.over = {key: each for key, each in self.over.items() if each.to_ns >= oldest}
