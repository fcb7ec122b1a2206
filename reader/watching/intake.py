"""A metrics payload as readings. Pure.

What the contract refuses is passed over here: the writer keeps it as a dead letter and says why.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from spindle import timestamps
from spindle.models import NAME_PATTERN
from spindle.store.base import SeriesKey
from spindle.wire_metric import PlainMetric

_MOST = 100_000  # series remembered; past it the memory starts anew


class Reading(NamedTuple):
    """One value of one series."""

    key: SeriesKey
    time_ns: int
    value: float


class Intake:
    """Remembers which names are valid, so that each series is checked once."""

    def __init__(self, max_payload: int) -> None:
        self._max_payload = max_payload
        self._one = msgspec.json.Decoder(PlainMetric)
        self._many = msgspec.json.Decoder(list[PlainMetric])
        self._keys: dict[tuple[str, str, str | None, str | None], SeriesKey | None] = {}

    def readings(self, payload: bytes, latest_ns: int) -> list[Reading]:
        """Those that can be scored.

        :param latest_ns: timestamps after this lie in the future.
        """
        if len(payload) > self._max_payload:
            return []
        try:
            one = payload[:1] == b"{"
            metrics = [self._one.decode(payload)] if one else self._many.decode(payload)
        except (msgspec.DecodeError, ValueError, RecursionError):
            return []
        found = []
        for metric in metrics:
            given = metric.source_device, metric.metric_type, metric.device_id, metric.array_id
            key = self._keys[given] if given in self._keys else self._known(given)
            if key is None:
                continue
            try:
                time_ns = timestamps.parse(metric.timestamp)
            except ValueError:
                continue
            if time_ns <= latest_ns:
                found.append(Reading(key, time_ns, metric.value))
        return found

    def _known(self, given: tuple[str, str, str | None, str | None]) -> SeriesKey | None:
        source_device, metric_type, device_id, array_id = given
        key = SeriesKey(source_device, metric_type, device_id or source_device, array_id or "")
        valid = all(NAME_PATTERN.fullmatch(name) for name in key if name)
        if len(self._keys) >= _MOST:
            self._keys.clear()
        self._keys[given] = key if valid else None
        return self._keys[given]
