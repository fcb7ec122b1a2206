"""Each device's health and score as readings, for the store to keep. Pure.

They are due when a device is first judged, when its state changes or its score changes much, and
again every quarter of an hour, each device at a time of its own.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from uuid import UUID, uuid5

from reader.detection.findings import RANK, State
from reader.health.evidence import Unit
from reader.watching.announcements import Announcement
from spindle import catalog, subjects
from spindle.models import DeviceMetric
from spindle.store.base import DeviceKey
from spindle.timestamps import NS

_IDS = UUID("b2f3e4a0-6d1b-4d3f-8a51-0c6a4f7f5e21")
AGAIN_NS = 900 * NS
SCORE_STEP = 5  #: a score moves with every reading of an ill device; this much is a change
_ENVELOPE = 250  # devices in one message: some 70 KB


class _Told(NamedTuple):
    state: State
    score: int
    time_ns: int


class Verdicts:
    """Remembers what was published of each device. Mutable."""

    def __init__(self) -> None:
        self._told: dict[DeviceKey, _Told] = {}

    def due(self, units: Sequence[Unit], now_ns: int) -> list[Unit]:
        """The devices of which something is to be published now."""
        return [unit for unit in units if self._is_due(unit, now_ns)]

    def _is_due(self, unit: Unit, now_ns: int) -> bool:
        told = self._told.get(unit.key)
        return (
            told is None
            or told.state != unit.state
            or abs(told.score - unit.score) >= SCORE_STEP
            or not 0 <= now_ns - told.time_ns < AGAIN_NS
        )

    def published(self, units: Sequence[Unit], due: Sequence[Unit], now_ns: int) -> None:
        """``due`` of all ``units`` were published; devices that are no more are forgotten."""
        gone = self._told.keys() - {unit.key for unit in units}
        for key in gone:
            del self._told[key]
        for unit in due:
            # The first time as if some while ago: a fleet that is judged at once is due in parts.
            age = 0 if unit.key in self._told else zlib.crc32("/".join(unit.key).encode()) * NS
            self._told[unit.key] = _Told(unit.state, unit.score, now_ns - age % AGAIN_NS)


def messages(units: Sequence[Unit], now_ns: int) -> Iterator[Announcement]:
    """The verdicts on these devices as envelopes of readings."""
    for place in range(0, len(units), _ENVELOPE):
        some = units[place : place + _ENVELOPE]
        payload = b",".join(
            DeviceMetric(
                timestamp=now_ns,
                source_device=unit.source_device,
                device_id=unit.device_id,
                array_id=unit.array_id or None,
                metric_type=name,
                value=float(value),
            ).to_json()
            for unit in some
            for name, value in (
                (catalog.HEALTH, RANK[unit.state]),
                (catalog.SCORE, unit.score),
            )
        )
        said = b"[" + payload + b"]"
        yield Announcement(subjects.VERDICTS, said, str(uuid5(_IDS, f"{now_ns}/{some[0].key}")))
