"""What people decided about devices: reasons acknowledged, devices retired. No I/O, no clock.

Each decision is one value of the bucket ``decisions``, as JSON.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec

from reader.health.decisions import Acknowledgement, Retired
from spindle.store.base import Bucket, DeviceKey, EventRow, Latest, SeriesKey
from spindle.values import UNREADABLE

ACKNOWLEDGED, RETIRED = "acknowledged.", "retired."  #: what keys in the bucket begin with
MOST = 10_000  #: decisions of one kind; further ones are refused
Decision = Acknowledgement | Retired
Row = TypeVar("Row", Latest, EventRow, Bucket)
_Name = tuple[str, str]  # class, device id


class Decisions:
    """All known decisions. Mutable.

    :ivar acknowledged: acknowledgements by class and device id.
    :ivar retired: retired devices by class and device id.
    """

    def __init__(self) -> None:
        self.acknowledged: Mapping[_Name, tuple[Acknowledgement, ...]] = MappingProxyType({})
        self.retired: Mapping[_Name, tuple[Retired, ...]] = MappingProxyType({})
        self._values: dict[str, dict[str, Any]] = {ACKNOWLEDGED: {}, RETIRED: {}}  # by their keys
        self._heard: dict[str, int] = {}  # retired devices that publish: when they last did
        self.due: dict[str, Retired] = {}  #: retired devices of which something is to be written

    def take(self, key: str, value: bytes) -> None:
        """Take in what the bucket holds under a key; an empty payload deletes."""
        kind = key.partition(".")[0] + "."
        if kind not in self._values:
            return
        values, kept = self._values[kind], Acknowledgement if kind == ACKNOWLEDGED else Retired
        try:
            values[key] = msgspec.json.decode(value, type=kept)
        except UNREADABLE:  # deleted, or of another version
            if values.pop(key, None) is None:
                return
            self._heard.pop(key, None)
        by_name: dict[_Name, tuple[Any, ...]] = {}
        for each in values.values():
            name = each.source_device, each.device_id
            by_name[name] = (*by_name.get(name, ()), each)
        if kind == ACKNOWLEDGED:
            self.acknowledged = by_name
        else:
            self.retired = by_name

    def hides(self, device: DeviceKey, time_ns: int) -> bool:
        """Whether answers leave out what a device said at a time, because it is retired."""
        own = self.retired.get(device[:2], ()) if self.retired else ()
        return any(each.is_of(device) and each.hides(time_ns) for each in own)

    def accepts(self, key: SeriesKey, since_ns: int) -> bool:
        """Whether what has lasted in a series since then is acknowledged for good."""
        return any(
            each.reason == key.metric_type
            and each.array_id == key.device.array_id
            and each.until_ns is None
            and each.worse_ns is None
            and each.time_ns >= since_ns
            for each in self.acknowledged.get(key.device[:2], ())
        )

    def shown(self, rows: Sequence[Row], step_ns: int = 0) -> Sequence[Row]:
        """Rows of devices, without those that are hidden.

        :param step_ns: how long a row goes on after its time.
        """
        if not self.retired:
            return rows
        return [row for row in rows if not self.hides(row.device, row.time_ns + step_ns)]

    def retired_as(self, device_id: str | None, array_id: str | None) -> Retired | None:
        """The retired device of an id, where there is one and it is not back."""
        for (_, known), some in self.retired.items():
            for each in some if known == device_id else ():
                if each.back_ns is None and (array_id is None or each.array_id in ("", array_id)):
                    return each
        return None

    def note(self, device: DeviceKey, now_ns: int) -> None:
        """A retired device was heard: it may have been put in again."""
        for each in self.retired.get(device[:2], ()):
            if each.is_of(device):
                key = key_of(each)
                now = each.heard(now_ns, self._heard.get(key, each.heard_ns))
                self._heard[key] = now_ns
                if now != each:
                    self.due[key] = now


def key_of(said: Decision) -> str:
    """The key of a decision: one for each reason of a device, and one for the device."""
    what = [said.source_device, said.array_id, said.device_id]
    if isinstance(said, Acknowledgement):
        return hashed(ACKNOWLEDGED, *what, said.reason)
    return hashed(RETIRED, *what)


def hashed(kind: str, *what: str) -> str:
    """A key of the bucket for what has any name."""
    return kind + hashlib.blake2b("/".join(what).encode(), digest_size=12).hexdigest()
