"""The machine this runs on: its block devices, file systems and drive temperatures."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple, Protocol

import psutil

from daemon.host.rates import Counters, rates
from daemon.messages import DISK, Message, metric_messages
from daemon.source import Source, SourceSettings
from spindle.models import DeviceMetric

SYSFS = Path("/sys/block")
#: Block devices that are no drives: loop devices, RAM disks, optical and floppy drives.
NO_DRIVES = ("loop", "ram", "zram", "sr", "fd")
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


class HostSource(Source):
    """Per drive ReadBytes, WriteBytes, IOPs, Latency, Utilisation and DiskTemp, per file system
    CapacityUsed, all as ``DiskUnit`` on an ``arrayId`` that is the host's name.

    Rates need two ticks. A drive that vanishes is forgotten; one whose counters went backwards
    (wrapped, or came back as another drive) starts anew.
    """

    name = "host"
    about = "the drives and file systems of this machine"

    def __init__(
        self, settings: SourceSettings, probe: Probe | None = None, hostname: str | None = None
    ) -> None:
        super().__init__(settings)
        self._probe = probe or PsutilProbe()
        self._array_id = valid_name(hostname or socket.gethostname())
        self._before: Mapping[str, Counters] = {}  # at the last reading
        self._at = 0.0  # of the last reading, seconds of the monotonic clock

    def read(self, now_ns: int, at: float | None = None) -> list[Message]:
        """What the machine says now.

        :param at: the monotonic clock in seconds; given in tests only.
        """
        metrics = [
            DeviceMetric(
                timestamp=now_ns,
                source_device=DISK,
                device_id=valid_name(device),
                array_id=self._array_id,
                metric_type=metric_type,
                value=value,
            )
            for device, metric_type, value in self._read(monotonic() if at is None else at)
        ]
        return metric_messages(metrics, self.envelope_size)

    def _read(self, at: float) -> Iterator[tuple[str, str, float]]:
        counters = self._probe.counters()
        before, self._before = self._before, counters
        seconds, self._at = at - self._at, at
        for device, after in counters.items():
            if device in before and seconds > 0:
                for metric_type, value in rates(before[device], after, seconds).items():
                    yield device, metric_type, value
        for file_system in self._probe.file_systems():
            yield file_system.device, "CapacityUsed", file_system.used_percent
        for device, temperature in self._probe.temperatures().items():
            yield device, "DiskTemp", temperature


class PsutilProbe:
    """The real machine, through psutil; drives and their sensors as Linux's sysfs shows them."""

    def __init__(self, sysfs: Path = SYSFS) -> None:
        self._sysfs = sysfs

    def counters(self) -> Mapping[str, Counters]:
        """Counters of the drives; none where the platform offers none."""
        found = psutil.disk_io_counters(perdisk=True) or {}
        return {name: _counters(found[name]) for name in self._drives(list(found))}

    def file_systems(self) -> list[FileSystem]:
        """Mounted file systems, without images and network mounts; unreadable ones are left out."""
        found: dict[str, FileSystem] = {}
        for partition in psutil.disk_partitions(all=False):
            device = _device_name(partition.device)
            if device in found or _is_image(device, partition.fstype):
                continue
            with contextlib.suppress(OSError):  # not permitted, or unmounted this moment
                usage = psutil.disk_usage(partition.mountpoint)
                if usage.used + usage.free > 0:
                    percent = 100 * usage.used / (usage.used + usage.free)  # as df counts
                    found[device] = FileSystem(device, round(percent, 4))
        return list(found.values())

    def temperatures(self) -> Mapping[str, float]:
        """Drive temperatures; psutil reads the same sensors but does not say of which drive."""
        found = {}
        for name in self._drives([path.name for path in _listing(self._sysfs)]):
            sensors = (self._sysfs / name).glob
            for path in (path for pattern in SENSORS for path in sorted(sensors(pattern))):
                with contextlib.suppress(OSError, ValueError):  # asleep, or not readable
                    found[name] = int(path.read_text()) / 1000
                    break
        return found

    def _drives(self, names: list[str]) -> list[str]:
        """Whole drives: what has hardware behind it, where the platform shows that at all."""
        drives = sorted(name for name in names if not name.startswith(NO_DRIVES))
        real = [name for name in drives if (self._sysfs / name / "device").exists()]
        whole = [name for name in drives if (self._sysfs / name).exists()]
        return real or whole or drives


def _counters(raw: Any) -> Counters:
    return Counters(
        raw.read_count,
        raw.write_count,
        raw.read_bytes,
        raw.write_bytes,
        raw.read_time + raw.write_time,
        getattr(raw, "busy_time", None),  # not on every platform
    )


def _listing(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _device_name(device: str) -> str:
    """``/dev/sda1`` is sda1, ``/dev/mapper/vg-root`` is vg-root; others stay as they are."""
    return Path(device).name if device.startswith("/dev/") else device


def _is_image(device: str, fstype: str) -> bool:
    return fstype in READ_ONLY_IMAGES or device.startswith(NO_DRIVES)


def valid_name(name: str) -> str:
    """A name the wire contract accepts; what it does not allow becomes ``-``."""
    return re.sub(r"[^A-Za-z0-9._:-]", "-", name).lstrip("._:-")[:128] or "unnamed"
