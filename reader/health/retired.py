"""Devices that somebody retired: answers leave them out until they are back. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from spindle import timestamps
from spindle.store.base import DeviceKey
from spindle.timestamps import NS

GONE_NS = 3600 * NS
"""A device that was still publishing when it was retired comes back where it was silent for so
long and publishes again: before that it is the same device that goes on."""
NOTED_NS = 600 * NS  # how exactly it is written down when it was last heard


@dataclass(frozen=True, slots=True)
class Retired:
    """One device that was retired.

    :ivar array_id: empty where its name is its own, wherever it is.
    :ivar time_ns: when it was retired, in nanoseconds since the epoch.
    :ivar heard_ns: when it was last heard after that, to ten minutes; 0 where it was silent by
        then: what it publishes later brings it back.
    :ivar back_ns: from when on it publishes again; None while it is gone.
    """

    source_device: str
    device_id: str
    array_id: str
    time_ns: int
    heard_ns: int = 0
    back_ns: int | None = None
    note: str = ""

    def is_of(self, device: DeviceKey) -> bool:
        """Whether this device is the retired one."""
        return device[:2] == (self.source_device, self.device_id) and self.array_id in (
            "",
            device.array_id,
        )

    def hides(self, time_ns: int) -> bool:
        """Whether answers leave out what the device said at ``time_ns``."""
        if self.back_ns is not None:
            return time_ns < self.back_ns
        return self.heard_ns > 0 or time_ns <= self.time_ns

    def sentence(self) -> str:
        """That it is retired, for a person."""
        note = f": {self.note}" if self.note else ""
        return f"it was retired at {timestamps.format_ns(self.time_ns)[:19]}Z{note}"

    def heard(self, time_ns: int, last_ns: int) -> Retired:
        """The entry after the device was heard again.

        :param last_ns: when it was heard before that.
        """
        if self.back_ns is not None or not self.heard_ns:
            return self
        if time_ns - last_ns >= GONE_NS:
            return replace(self, back_ns=time_ns)
        return replace(self, heard_ns=time_ns) if time_ns - self.heard_ns >= NOTED_NS else self
