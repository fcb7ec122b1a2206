"""This machine, through psutil and sysfs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import psutil

from daemon.deadlines import Watched
from daemon.drives import Drives
from daemon.host.rates import Counters

#: A file system or a sensor that has not answered by then is reported, and the others go on.
DEADLINE_SECONDS = 2.0
#: File systems that are full by design.
READ_ONLY_IMAGES = ("squashfs", "iso9660", "erofs", "cramfs", "udf")
#: Where the kernel shows a drive's temperature sensor (drivetemp, nvme), below its block device.
SENSORS = ("device/hwmon/hwmon*/temp1_input", "device/hwmon[0-9]*/temp1_input")


class FileSystem(NamedTuple):
    """A mounted file system: its device and how full it is, in percent."""

    device: str
    used_percent: float


class Probe(Protocol):
    """What the host source asks of the machine."""

    def counters(self) -> Mapping[str, Counters]:
        """Per drive, its counters since boot."""

    def file_systems(self) -> list[FileSystem]:
        """The mounted file systems that lie on block devices, each device once."""

    def temperatures(self) -> Mapping[str, float]:
        """Per drive that has a sensor, degC."""

    def identify(self, name: str) -> str | None:
        """The id of a drive or partition; None where it has none of its own."""

    @property
    def stuck(self) -> Mapping[str, str]:
        """What did not answer the last time, each with the reason."""


class PsutilProbe:
    """The real machine; drives and their sensors as Linux's sysfs shows them."""

    def __init__(self, drives: Drives | None = None, deadline: float = DEADLINE_SECONDS) -> None:
        self._drives = drives or Drives()
        self._usages = Watched[float | None](deadline)
        self._sensors = Watched[float | None](deadline)

    def counters(self) -> Mapping[str, Counters]:
        """Counters of the drives; none where the platform offers none.

        As the kernel counts: psutil's ``nowrap`` would go on counting where a drive was replaced.
        """
        found = psutil.disk_io_counters(perdisk=True, nowrap=False) or {}
        return {
            name: _counters(found[name], self._drives.instance(name))
            for name in self._drives.whole(list(found))
        }

    def file_systems(self) -> list[FileSystem]:
        """Mounted file systems, without images and network mounts; unreadable ones are left out."""
        devices: dict[str, str] = {}
        calls: dict[str, Callable[[], float | None]] = {}
        for partition in psutil.disk_partitions(all=False):
            device = _device_name(partition.device)
            if device not in devices.values() and not _is_image(device, partition.fstype):
                name = f"file system {device} on {partition.mountpoint}"
                devices[name] = device
                calls[name] = _call(_used_percent, partition.mountpoint)
        used = self._usages.results(calls)
        return [
            FileSystem(device, percent)
            for name, device in devices.items()
            if (percent := used.get(name)) is not None
        ]

    def temperatures(self) -> Mapping[str, float]:
        """Drive temperatures; psutil reads the same sensors but does not say of which drive."""
        calls: dict[str, Callable[[], float | None]] = {
            f"temperature sensor of {name}": _call(_temperature, self._drives.folder(name))
            for name in self._drives.names()
        }
        found = self._sensors.results(calls)
        return {name.rpartition(" ")[2]: heat for name, heat in found.items() if heat is not None}

    def identify(self, name: str) -> str | None:
        """See ``Drives``."""
        return self._drives.identify(name)

    @property
    def stuck(self) -> Mapping[str, str]:
        """File systems and sensors that hang."""
        return {**self._usages.stuck, **self._sensors.stuck}


def _call(function: Callable[[Any], float | None], given: Any) -> Callable[[], float | None]:
    return lambda: function(given)


def _used_percent(mountpoint: str) -> float | None:
    """As ``df`` counts: of what users can have. None for a file system without a size.

    :raises OSError: not permitted, or unmounted this moment.
    """
    usage = psutil.disk_usage(mountpoint)
    size = usage.used + usage.free
    return round(100 * usage.used / size, 4) if size > 0 else None


def _temperature(drive: Path) -> float | None:
    """degC, None for a drive without a sensor.

    :raises OSError: the drive is asleep, or its sensor cannot be read.
    :raises ValueError: it says no number.
    """
    for path in (path for pattern in SENSORS for path in sorted(drive.glob(pattern))):
        return int(path.read_text()) / 1000
    return None


def _counters(raw: Any, disk: str) -> Counters:
    return Counters(
        raw.read_count,
        raw.write_count,
        raw.read_bytes,
        raw.write_bytes,
        raw.read_time + raw.write_time,
        getattr(raw, "busy_time", None),  # not on every platform
        disk,
    )


def _device_name(device: str) -> str:
    """``/dev/sda1`` is sda1, ``/dev/mapper/vg-root`` is vg-root; others stay as they are."""
    return Path(device).name if device.startswith("/dev/") else device


def _is_image(device: str, fstype: str) -> bool:
    return fstype in READ_ONLY_IMAGES or device.startswith(("loop", "ram", "zram", "sr", "fd"))
