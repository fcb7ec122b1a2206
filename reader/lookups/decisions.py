"""What people decided about devices: reasons that they acknowledged. No I/O, no clock.

Each decision is one value of the bucket ``decisions``, as JSON.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from reader.health.acknowledged import Acknowledgement

ACKNOWLEDGED = "acknowledged."  #: what the keys of acknowledgements begin with
MOST = 10_000  #: decisions of one kind; further ones are refused
_Name = tuple[str, str]  # class, device id


class Decisions:
    """All that are known. Mutable.

    :ivar acknowledged: acknowledgements by class and device id.
    """

    def __init__(self) -> None:
        self.acknowledged: Mapping[tuple[str, str], tuple[Acknowledgement, ...]] = MappingProxyType(
            {}
        )
        self._acknowledged: dict[str, Acknowledgement] = {}  # by their keys in the bucket

    def take(self, key: str, value: bytes) -> None:
        """What the bucket holds under a key now; nothing where that was deleted."""
        if not key.startswith(ACKNOWLEDGED):
            return
        try:
            self._acknowledged[key] = msgspec.json.decode(value, type=Acknowledgement)
        except (msgspec.DecodeError, ValueError):  # deleted, or of another version
            if self._acknowledged.pop(key, None) is None:
                return
        by_device: dict[_Name, tuple[Acknowledgement, ...]] = {}
        for each in self._acknowledged.values():
            device = each.source_device, each.device_id
            by_device[device] = (*by_device.get(device, ()), each)
        self.acknowledged = by_device


def key_of(said: Acknowledgement) -> str:
    """Where an acknowledgement stands: one for each reason of a device."""
    what = "/".join((said.source_device, said.array_id, said.device_id, said.reason))
    return ACKNOWLEDGED + hashlib.blake2b(what.encode(), digest_size=12).hexdigest()
