"""Software arrays judged by their members and by how many of them they can lose. Pure.

A drive says in its facts which md array it belongs to, the array what level it has. What says
neither (a pool) is known by ``ARRAY_REDUNDANCY`` and by its own count of lost members.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from reader.detection.findings import RANK, State
from reader.health.evidence import Unit
from spindle.models import DeviceFacts
from spindle.store.base import DeviceKey

ARRAY = "StorageArray"
_LEVEL = re.compile(r"md (raid\d+|linear)")
#: Members that any of its kind can lose, whichever they are; of mirrors all but one, see below.
_REDUNDANCY = {"linear": 0, "raid0": 0, "raid4": 1, "raid5": 1, "raid6": 2, "raid10": 1}
FactsOf = Callable[[DeviceKey], DeviceFacts | None]


@dataclass(frozen=True, slots=True)
class SoftwareArray:
    """One array with what is known of it.

    :ivar own: the array itself, as a device.
    :ivar members: its drives.
    :ivar redundancy: how many members it can lose; None where it is not known.
    """

    own: Unit
    members: Sequence[Unit]
    redundancy: int | None

    @property
    def lost(self) -> int:
        """Members that are gone or failing."""
        return self.own.lost + sum(each.state == "critical" for each in self.members)

    @property
    def state(self) -> State:
        """While it can lose more than it has lost it is in warning, and then critical."""
        if self.redundancy is not None and self.lost:
            return "critical" if self.lost >= self.redundancy else "warning"
        states: list[State] = [self.own.state, *(each.state for each in self.members)]
        return max(states, key=RANK.__getitem__)


def software_arrays(
    units: Iterable[Unit], facts: FactsOf, redundancy: Mapping[str, int]
) -> Iterator[SoftwareArray]:
    """The arrays among the units, each with its members.

    :param redundancy: as a person set it, by the array's device id, or as its host calls it.
    """
    several = list(units)
    for own in several:
        known = facts(own.key)
        if known is None or not is_array(known):
            continue
        name = (known.path or own.device_id).rpartition("/")[2]
        members = [each for each in several if _is_member(facts(each.key), known, name)]
        short = own.device_id.removeprefix(f"{known.host}-")
        given = redundancy.get(own.device_id, redundancy.get(short))
        level = _LEVEL.match(known.model or "")
        if given is None and level is not None:
            # A mirror of which nothing is known but its name has two sides.
            given = _REDUNDANCY.get(level[1], max(1, len(members) + own.lost - 1))
        yield SoftwareArray(own, members, given)


def is_array(device: DeviceFacts | None) -> bool:
    """Whether a device is an md array or a pool, and not what a storage array says of itself."""
    said = device.model if device is not None and device.source_device == ARRAY else None
    return (said or "").startswith(("md", "zpool"))


def _is_member(drive: DeviceFacts | None, array: DeviceFacts, name: str) -> bool:
    if drive is None or drive.host != array.host or not drive.array_role:
        return False
    return any(role.split(" ")[0] == name for role in drive.array_role.split(", "))


def sentence(array: SoftwareArray) -> str:
    """What is wrong with it, how much more it can lose, and how far a rebuild is."""
    ill = [each for each in array.members if each.state in ("critical", "warning")]
    parts = []
    if array.own.lost:
        parts.append(f"{array.own.lost} {_members(array.own.lost)} lost")
    parts += [
        f"{each.device_id} {each.state}: {each.reasons[0].message}" for each in ill if each.reasons
    ]
    if not parts and array.own.reasons:
        parts.append(array.own.reasons[0].message)
    said = "; ".join(parts) or f"all {len(array.members)} members are well"
    if array.redundancy is not None and (array.lost or ill):
        left = array.redundancy - array.lost
        said += f"; it can lose {left} more" if left > 0 else "; it can lose no more"
    progress = next((each for each in array.own.reasons if each.name == "RebuildProgress"), None)
    if progress is not None and progress.message not in said:
        said += f"; {progress.message}"
    return said


def _members(count: int) -> str:
    return "member" if count == 1 else "members"
