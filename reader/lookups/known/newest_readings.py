"""The newest readings that are not from the future, and whose clock runs ahead.

A device whose clock is ahead, or was until it was put right, leaves readings dated after now. Taken
as the newest they would freeze its state at what it was until then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from spindle.store.base import DeviceKey, Latest, Selection, Store
from spindle.timestamps import NS

AHEAD_NS = 10 * NS
"""So far after this machine's time is still now: clocks that are kept by NTP differ by less."""


@dataclass(frozen=True, slots=True)
class Present:
    """What is known up to now.

    :ivar readings: the newest of each series that is not after now.
    :ivar ahead: the newest reading dated after now, of each device that has one.
    """

    readings: Sequence[Latest]
    ahead: Mapping[DeviceKey, Latest] = field(default_factory=dict)


def furthest_ahead(readings: Iterable[Latest]) -> dict[DeviceKey, Latest]:
    """Of each device the reading that lies furthest ahead."""
    ahead: dict[DeviceKey, Latest] = {}
    for reading in readings:
        key = reading.device
        if key not in ahead or reading.time_ns > ahead[key].time_ns:
            ahead[key] = reading
    return ahead


async def until_now(
    store: Store, which: Selection, readings: Sequence[Latest], since_ns: int, now_ns: int
) -> Present:
    """Replace what is dated after now by the newest before it; one more query where there is any.

    :param readings: as ``store.latest(which, since_ns)`` gave them.
    :raises StoreError: the store could not be asked.
    """
    horizon_ns = now_ns + AHEAD_NS
    late = [each for each in readings if each.time_ns > horizon_ns]
    if not late:
        return Present(readings)
    devices = tuple(sorted({each.device_id for each in late}))
    some = Selection(which.source_device, None, which.array_id, which.metric_type, devices)
    before = await store.latest(some, since_ns, horizon_ns)
    replaced = {each.key for each in late}
    kept = [each for each in readings if each.time_ns <= horizon_ns]
    return Present(kept + [each for each in before if each.key in replaced], furthest_ahead(late))
