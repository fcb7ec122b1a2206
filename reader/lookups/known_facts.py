"""What devices say they are: whether they are simulated. No I/O, no clock."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import orjson

from spindle.errors import InvalidInput
from spindle.models import DeviceFacts, parse
from spindle.store.base import NO_ARRAY, DeviceKey

_MOST = 100_000  # devices; later ones are as if they had no facts


class KnownFacts:
    """The newest facts of each device. Mutable.

    :ivar of: by the unit that they name.
    :ivar simulated: the devices that do not exist.
    :ivar hide_simulated: answers know nothing of those: see ``READER_SIMULATED``.
    """

    def __init__(self, *, hide_simulated: bool = False) -> None:
        self.of: dict[DeviceKey, DeviceFacts] = {}
        self.simulated: set[DeviceKey] = set()
        self._names: set[tuple[str, ...]] = set()  # of the simulated, whatever their array
        self.hide_simulated = hide_simulated

    def hides(self, device: DeviceKey) -> bool:
        """Whether answers are to know nothing of this device."""
        return self.hide_simulated and self.is_simulated(device)

    def is_simulated(self, device: DeviceKey) -> bool:
        """Whether it does not exist; where one of the two names no array, its name decides."""
        if device in self.simulated:
            return True
        if device.array_id:
            return device._replace(array_id=NO_ARRAY) in self.simulated
        return device[:2] in self._names

    def find(self, device: DeviceKey) -> DeviceFacts | None:
        """The facts of a unit: its own, else those of one by that name that names no array."""
        return self.of.get(device) or self.of.get(device._replace(array_id=NO_ARRAY))

    def take(self, payload: bytes, latest_ns: int) -> None:
        """One message of facts; one that cannot be read says nothing.

        :param latest_ns: the latest timestamp that is accepted now.
        """
        with contextlib.suppress(ValueError, InvalidInput):
            facts = parse(DeviceFacts, orjson.loads(payload), latest_ns)
            key = DeviceKey(facts.source_device, facts.device_id, facts.array_id or NO_ARRAY)
            known = self.of.get(key)
            if len(self.of) >= _MOST if known is None else known.timestamp > facts.timestamp:
                return
            self.of[key] = facts
            if facts.simulated:
                self.simulated.add(key)
                self._names.add(key[:2])
            elif key in self.simulated:
                self.simulated.remove(key)
                self._names = {each[:2] for each in self.simulated}

    def marked(self, data: Any) -> Any:
        """An answer in which each row about a simulated device says ``"simulated": true``."""
        if not self.simulated:
            return data
        if isinstance(data, Mapping):
            rows = {name: self.marked(value) for name, value in data.items()}
            return {**rows, "simulated": True} if self._is_simulated(data) else rows
        return [self.marked(each) for each in data] if isinstance(data, list) else data

    def _is_simulated(self, row: Mapping[str, Any]) -> bool:
        kind, device = row.get("source_device"), row.get("device_id") or row.get("device")
        if not isinstance(device, str) or {"message", "severity"} <= row.keys():
            return False  # a reason: the row that it stands in says it
        return self.is_simulated(DeviceKey(str(kind), device, row.get("array_id") or NO_ARRAY))
