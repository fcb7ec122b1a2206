"""What devices say they are: whether they are simulated. No I/O, no clock."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import orjson

from reader.health.smart import Drive
from spindle.errors import InvalidInput
from spindle.models import DeviceFacts, parse
from spindle.store.base import NO_ARRAY, DeviceKey

_MOST = 100_000  # devices; later ones are as if they had no facts


_DRIVES = "DiskUnit"  # the class that real drives are published as
#: Parts of a row that are about the same device.
_NO_ROWS = frozenset(("facts", "metrics", "reasons"))


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
        """Whether answers leave this device out."""
        return self.hide_simulated and self.is_simulated(device)

    def is_simulated(self, device: DeviceKey) -> bool:
        """Whether the device is simulated; its name decides where one side names no array."""
        if device in self.simulated:
            return True
        if device.array_id:
            return device._replace(array_id=NO_ARRAY) in self.simulated
        return device[:2] in self._names

    def find(self, device: DeviceKey) -> DeviceFacts | None:
        """The facts of a unit: its own, else those of one by that name that names no array."""
        return self.of.get(device) or self.of.get(device._replace(array_id=NO_ARRAY))

    def drive(self, device: DeviceKey) -> Drive | None:
        """What the rules ask of a real drive; None of whatever is none, or not known to be one."""
        facts = self.find(device)
        if facts is None or facts.simulated or facts.source_device != _DRIVES:
            return None
        if facts.model is None and facts.protocol is None and facts.rotation_rpm is None:
            return None
        return Drive(*(getattr(facts, name) for name in Drive._fields))

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
        """An answer in which each row about a device says its model, and whether it is simulated.

        A series' readings do not: there are too many of them.
        """
        if not self.of:
            return data
        if isinstance(data, Mapping):
            kept = {k: v if k in _NO_ROWS else self.marked(v) for k, v in data.items()}
            return kept | self._marks(data)
        return [self.marked(each) for each in data] if isinstance(data, list) else data

    def _marks(self, row: Mapping[str, Any]) -> dict[str, Any]:
        kind, device = row.get("source_device"), row.get("device_id") or row.get("device")
        if not isinstance(device, str) or not isinstance(kind, str) or "mean" in row:
            return {}
        key = DeviceKey(kind, device, row.get("array_id") or NO_ARRAY)
        facts = self.find(key)
        marks: dict[str, Any] = {} if facts is None or not facts.model else {"model": facts.model}
        return marks | {"simulated": True} if self.is_simulated(key) else marks
