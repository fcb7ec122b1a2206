"""The units of a simulated fleet, and what each of them says. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from daemon.messages import ARRAY, DISK

#: The columns of a step's result, each with the decimals that it is published with.
DECIMALS = {"DiskTemp": 2, "IOPs": 1, "Latency": 3, "CapacityUsed": 4}
METRICS = tuple(DECIMALS)


@dataclass(frozen=True, slots=True)
class Unit:
    """One simulated device; an array's ``array_id`` is its own ``device_id``."""

    source_device: str
    device_id: str
    array_id: str


def units(arrays: int, disks: int) -> list[Unit]:
    """Each array, followed by its disks: ``array1``, ``array1-disk1``, ..."""
    fleet = []
    for array in (f"array{number}" for number in range(1, arrays + 1)):
        fleet.append(Unit(ARRAY, array, array))
        fleet += [Unit(DISK, f"{array}-disk{number}", array) for number in range(1, disks + 1)]
    return fleet
