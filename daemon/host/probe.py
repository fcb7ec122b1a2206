"""This machine, through psutil and sysfs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple, Protocol

import orjson
import psutil

from daemon.deadlines import Watched
from daemon.drives import Drives, facts_of, is_removable
from daemon.host.arrays import ArrayState, btrfs_errors, md_arrays, pool_state, zfs_pools
from daemon.host.rates import Counters

MDSTAT, BTRFS, ZFS = Path("/proc/mdstat"), Path("/sys/fs/btrfs"), Path("/sys/module/zfs")
KSTAT = Path("/proc/spl/kstat/zfs")
#: ``zpool status`` may take so long, and is asked so seldom.
POOLS_SECONDS, POOLS_EVERY_SECONDS = 10.0, 30.0
#: A file system or a sensor that has not answered by then is reported, and the others go on.
DEADLINE_SECONDS = 2.0
#: File systems that are full by design.
READ_ONLY_IMAGES = ("squashfs", "iso9660", "erofs", "cramfs", "udf")
#: Where the kernel shows a drive's temperature sensor (drivetemp, nvme), below its block device.
SENSORS = ("device/hwmon/hwmon*/temp1_input", "device/hwmon[0-9]*/temp1_input")


class FileSystem(NamedTuple):
    """A mounted file system: its device and how full it is, in percent.

    :ivar inodes_percent: of its inodes; None where it has no fixed number of them.
    :ivar read_only: everywhere it is mounted.
    """

    device: str
    used_percent: float
    inodes_percent: float | None = None
    read_only: bool = False


class Probe(Protocol):
    """The questions that the host source puts to the machine."""

    def counters(self) -> Mapping[str, Counters]:
        """Per drive, its counters since boot."""

    def file_systems(self) -> list[FileSystem]:
        """The mounted file systems that lie on block devices, each device once."""

    def temperatures(self) -> Mapping[str, float]:
        """Per drive that has a sensor, degC."""

    def arrays(self) -> list[ArrayState]:
        """The software arrays: md and ZFS."""

    def errors(self) -> Mapping[str, Mapping[str, float]]:
        """Per device of a btrfs file system, its error counters by metric type."""

    def identify(self, name: str) -> str | None:
        """The id of a drive or partition; None where it has none of its own."""

    def is_awaited(self, name: str) -> bool:
        """Whether it is not known yet who a drive is, and will be in a moment."""

    def facts(self, name: str) -> Mapping[str, Any]:
        """What a drive is, fields of ``DeviceFacts``."""

    def is_removable(self, name: str) -> bool:
        """Whether a drive is made to be taken away."""

    @property
    def stuck(self) -> Mapping[str, str]:
        """What did not answer the last time, each with the reason."""


class PsutilProbe:
    """The real machine; drives and their sensors as Linux's sysfs shows them."""

    def __init__(self, drives: Drives | None = None, deadline: float = DEADLINE_SECONDS) -> None:
        self._drives = drives or Drives()
        self._usages = Watched[tuple[float, float | None] | None](deadline)
        self._pools = Watched[list[ArrayState]](max(deadline, POOLS_SECONDS))
        self._pools_now: list[ArrayState] = []  # as last asked
        self._pools_due = 0.0  # when they are asked next, by the monotonic clock
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
        writable = set()
        calls: dict[str, Callable[[], tuple[float, float | None] | None]] = {}
        for partition in psutil.disk_partitions(all=False):
            device = _device_name(partition.device)
            if "ro" not in partition.opts.split(","):
                writable.add(device)
            if device not in devices.values() and not _is_image(device, partition.fstype):
                name = f"file system {device} on {partition.mountpoint}"
                devices[name] = device
                calls[name] = partial(_usage, partition.mountpoint)
        used = self._usages.results(calls)
        return [
            FileSystem(device, *percent, device not in writable)
            for name, device in devices.items()
            if (percent := used.get(name)) is not None
        ]

    def arrays(self) -> list[ArrayState]:
        """See ``Probe``; pools are asked now and then, as each time starts a program."""
        mismatches = {
            path.parent.parent.name: int(path.read_text())
            for path in self._drives.folder("").glob("md*/md/mismatch_cnt")
        }
        mdstat = MDSTAT.read_text() if MDSTAT.exists() else ""
        if ZFS.exists() and monotonic() >= self._pools_due:
            self._pools_due = monotonic() + POOLS_EVERY_SECONDS
            self._pools_now = self._pools.results({"zpool status": _pools}).get("zpool status", [])
        return md_arrays(mdstat, mismatches) + self._pools_now

    def errors(self) -> Mapping[str, Mapping[str, float]]:
        """See ``Probe``; as sysfs shows what ``btrfs device stats`` says."""
        found = {}
        for devices in BTRFS.glob("*/devices"):
            # devinfo has numbers and no names: only a file system on one device is sure.
            names = [path.name for path in devices.iterdir()]
            stats = list(devices.parent.glob("devinfo/*/error_stats"))
            if len(names) == len(stats) == 1:
                found[names[0]] = btrfs_errors(stats[0].read_text())
        return found

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

    def is_awaited(self, name: str) -> bool:
        """See ``Drives``."""
        return self._drives.is_awaited(name)

    def facts(self, name: str) -> Mapping[str, Any]:
        """See ``Probe``."""
        return facts_of(self._drives, name)

    def is_removable(self, name: str) -> bool:
        """See ``Probe``."""
        return is_removable(self._drives, name)

    @property
    def stuck(self) -> Mapping[str, str]:
        """File systems and sensors that hang."""
        return {**self._usages.stuck, **self._sensors.stuck, **self._pools.stuck}


def _call(function: Callable[[Any], float | None], given: Any) -> Callable[[], float | None]:
    return lambda: function(given)


def _usage(mountpoint: str) -> tuple[float, float | None] | None:
    """How full a file system is in percent: of its bytes, and of its inodes."""
    percent = _used_percent(mountpoint)
    return None if percent is None else (percent, _inodes_percent(mountpoint))


def _inodes_percent(mountpoint: str) -> float | None:
    """As ``df -i`` counts; None where inodes are made as they are needed, or it cannot be said."""
    try:
        said = os.statvfs(mountpoint)
    except OSError:
        return None
    used = said.f_files - said.f_ffree
    total = used + said.f_favail
    return round(100 * used / total, 4) if said.f_files > 0 and total > 0 else None


def _pools() -> list[ArrayState]:
    """As ``zpool status`` says; where it is older than 2.3 and has no JSON, as the kernel says.

    :raises OSError: the kernel says nothing either.
    """
    command = ["zpool", "status", "-j", "--json-int"]
    try:
        said = subprocess.run(command, capture_output=True, timeout=POOLS_SECONDS, check=True)  # noqa: S603
        return zfs_pools(orjson.loads(said.stdout))
    except subprocess.TimeoutExpired as error:
        raise OSError(str(error)) from None
    except (OSError, subprocess.SubprocessError, orjson.JSONDecodeError):
        states = {path.parent.name: path.read_text() for path in KSTAT.glob("*/state")}
        return [pool_state(name, state.strip()) for name, state in sorted(states.items())]


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
