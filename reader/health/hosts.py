"""One name in several arrays or on several hosts: one device that has moved, or several. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from spindle.store.base import NO_ARRAY, EventRow, Latest
from spindle.timestamps import NS

#: What a kernel calls its disks: the same on every host.
_LABEL = re.compile(r"(sd|hd|vd|xvd)[a-z]+\d*|(nvme|mmcblk|md|dm-|disk|da|ada)\d+.*")
_MOVED_NS = 120 * NS  # so long no reading under the one array while others came under the other


def apart(
    readings: Sequence[Latest], events: Sequence[EventRow] = ()
) -> list[tuple[list[Latest], list[EventRow]]]:
    """The readings and events of one class and ``deviceId``, one pair for each device.

    A name that every host has (``sda``) is another device in each array. Any other is one device;
    where only one array still brings readings it has moved there, and what it sent before is old.
    An event without an array is everybody's.
    """
    arrays = {each.array_id for each in readings}
    if len(arrays) < 2:
        return [(list(readings), list(events))]
    newest = {a: max(r.time_ns for r in readings if r.array_id == a) for a in arrays}
    last = max(newest.values())
    if not _LABEL.fullmatch(readings[0].device_id):
        arrays = {a for a in arrays if last - newest[a] <= _MOVED_NS}
    if NO_ARRAY in arrays and len(arrays) == 2:  # some of its series name their array, some do not
        return [([r for r in readings if r.array_id in arrays], list(events))]
    return [
        (
            [each for each in readings if each.array_id == array],
            [each for each in events if each.array_id in (array, NO_ARRAY)],
        )
        for array in sorted(arrays)
    ]
