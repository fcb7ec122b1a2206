"""One name in several arrays or on several hosts: one device that has moved, or several. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from spindle.store.base import NO_ARRAY, DeviceKey, EventRow, Latest
from spindle.timestamps import NS

#: A name that no other device in the world has: a World Wide Name, or one with a serial number in
#: it. Any other (``sda``, ``disk7``, ``bay-2``) may be there on every host.
_OWN = re.compile(
    r"(naa|eui|nqn|uuid)\..+|(?=.{10}).*(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9]{6}.*"
)
_MOVED_NS = 120 * NS  # so long no reading under the one array while others came under the other


@dataclass(frozen=True)
class Heard:
    """The readings and events of one device.

    :ivar key: with the array that it names, where only some of its series name one.
    :ivar ahead: readings dated after now.
    """

    key: DeviceKey
    readings: Sequence[Latest]
    events: Sequence[EventRow] = ()
    ahead: Sequence[Latest] = ()

    @cached_property
    def keys(self) -> frozenset[DeviceKey]:
        """The keys under which its series, findings and histories are stored."""
        arrays = {self.key.array_id} | {each.array_id for each in self.readings}
        return frozenset(self.key._replace(array_id=array) for array in arrays)


def is_own(device_id: str) -> bool:
    """Whether the name is the device's own wherever it is, and not one that every host may have."""
    return _OWN.fullmatch(device_id) is not None


def apart(
    readings: Sequence[Latest], events: Sequence[EventRow] = (), ahead: Sequence[Latest] = ()
) -> list[Heard]:
    """The readings and events of one class and ``deviceId``, one by one for each unit.

    A name that every host may have is another device in each array. One that is a drive's own is
    one device: where only one array still brings readings it has moved there, and what it sent
    before is old. An event without an array is everybody's.
    """
    kind, device_id, array = (readings or ahead or events)[0].device
    arrays = {each.array_id for each in readings} | {each.array_id for each in ahead}
    arrays |= {each.array_id for each in events if each.array_id}
    if arrays <= {array}:
        return [Heard(DeviceKey(kind, device_id, array), readings, events, ahead)]
    if is_own(device_id):
        arrays = _reports_in(readings or ahead or events)
    named = arrays - {NO_ARRAY}
    if len(named) <= 1:  # some of its series name their array, some do not
        key = DeviceKey(kind, device_id, max(arrays))
        return [Heard(key, _of(readings, arrays), events, ahead)]
    return [
        Heard(
            DeviceKey(kind, device_id, each),
            _of(readings, {each}),
            [event for event in events if event.array_id in (each, NO_ARRAY)],
            _of(ahead, {each}),
        )
        for each in sorted(arrays)
    ]


def units(readings: Iterable[Latest], events: Iterable[EventRow] = ()) -> list[Heard]:
    """The readings and events of every device, in the order of class, device and array."""
    read: defaultdict[tuple[str, str], list[Latest]] = defaultdict(list)
    happened: defaultdict[tuple[str, str], list[EventRow]] = defaultdict(list)
    for reading in readings:
        read[reading.source_device, reading.device_id].append(reading)
    for event in events:
        happened[event.source_device, event.device_id].append(event)
    return [
        unit
        for name in sorted(read.keys() | happened.keys())
        for unit in apart(read.get(name, ()), happened.get(name, ()))
    ]


def _of(readings: Sequence[Latest], arrays: set[str]) -> list[Latest]:
    return [each for each in readings if each.array_id in arrays]


def _reports_in(heard: Sequence[Latest | EventRow]) -> set[str]:
    """The arrays under which it has reported lately, by its newest report."""
    newest: dict[str, int] = {}
    for each in heard:
        newest[each.array_id] = max(each.time_ns, newest.get(each.array_id, 0))
    last = max(newest.values())
    return {array for array, time_ns in newest.items() if last - time_ns <= _MOVED_NS}
