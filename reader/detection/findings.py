"""What the watch, the comparison with peers or a forecast found of a device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from spindle.store.base import NO_ARRAY, DeviceKey

State = Literal["ok", "unknown", "warning", "critical"]
#: The states of a device's health, from best to worst.
RANK: dict[State, int] = {"ok": 0, "unknown": 1, "warning": 2, "critical": 3}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a device that its newest readings alone do not show.

    :ivar severity: ``ok`` for what is worth a line and no more.
    :ivar since_ns: when it began, in nanoseconds since the epoch.
    :ivar value: in ``unit``; None where there is no number to name.
    :ivar limit: what ``value`` is compared with, None for nothing.
    :ivar message: one sentence for the user.
    :ivar expected: in the metric's unit: a reading nearer to it than to ``value`` is well again.
    """

    source_device: str
    device_id: str
    metric_type: str
    severity: State
    since_ns: int
    value: float | None
    unit: str
    limit: float | None
    message: str
    expected: float | None = None
    array_id: str = NO_ARRAY

    @property
    def device(self) -> DeviceKey:
        """The device that the finding is about."""
        return DeviceKey(self.source_device, self.device_id, self.array_id)

    def is_well_again(self, reading: float) -> bool:
        """Whether a newer reading of the metric is nearer to what was expected."""
        if self.expected is None or self.value is None:
            return False
        return abs(reading - self.expected) < abs(reading - self.value)
