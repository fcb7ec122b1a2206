"""The host source: what it makes of counters, file systems and sensors."""

from __future__ import annotations

import os
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import psutil
import pytest

from daemon.drive_ids import valid_name
from daemon.drives import Drives
from daemon.host.arrays import ArrayState, md_arrays
from daemon.host.probe import FileSystem, PsutilProbe
from daemon.host.rates import Counters, rates
from daemon.host.source import HostSource
from daemon.messages import Message
from daemon.source import DriveSettings
from spindle.models import NAME_PATTERN, DeviceMetric, decode, parse
from spindle.settings import load

NOW = 1_780_000_000 * 10**9
ZERO = Counters(0, 0, 0, 0, 0, 0)


class FakeProbe:
    """A machine whose readings a test sets."""

    def __init__(self) -> None:
        self.drives: dict[str, Counters] = {}
        self.systems: list[FileSystem] = []
        self.heat: dict[str, float] = {}
        self.ids: dict[str, str] = {}
        self.stuck: dict[str, str] = {}
        self.mdstat = ""
        self.known: dict[str, dict[str, Any]] = {}
        self.removable: set[str] = set()

    def counters(self) -> dict[str, Counters]:
        return dict(self.drives)

    def file_systems(self) -> list[FileSystem]:
        return self.systems

    def temperatures(self) -> dict[str, float]:
        return self.heat

    def arrays(self) -> list[ArrayState]:
        return md_arrays(self.mdstat)

    def errors(self) -> dict[str, dict[str, float]]:
        return {}

    def identify(self, name: str) -> str | None:
        return self.ids.get(name)

    def is_awaited(self, name: str) -> bool:
        return False

    def facts(self, name: str) -> dict[str, Any]:
        return {"path": f"/dev/{name}", **self.known.get(name, {})}

    def is_removable(self, name: str) -> bool:
        return name in self.removable


def said(messages: list[Message]) -> dict[tuple[str, str], float]:
    """(device, metric type) -> value, every point read back through the models."""
    points = {}
    for message in messages:
        if message.stream != "METRICS":
            continue
        for item in decode(message.payload):
            point = parse(DeviceMetric, item, NOW)
            assert (point.source_device, point.array_id) == ("DiskUnit", "the-host")
            points[point.device_id, point.metric_type] = point.value
    return points


@pytest.fixture
def probe() -> FakeProbe:
    return FakeProbe()


@pytest.fixture
def host(probe: FakeProbe) -> HostSource:
    return HostSource(load(DriveSettings), probe, "the host")


def test_rates_are_differences_of_counters_over_the_time_between() -> None:
    after = Counters(
        reads=30, writes=10, read_bytes=4096, write_bytes=8192, io_ms=100, busy_ms=1000
    )
    assert rates(ZERO, after, seconds=2) == {
        "ReadBytes": 2048.0,
        "WriteBytes": 4096.0,
        "IOPs": 20.0,
        "Latency": 2.5,
        "Utilisation": 50.0,
    }


def test_without_an_io_there_is_no_latency() -> None:
    assert "Latency" not in rates(ZERO, ZERO, seconds=1)


def test_where_the_platform_counts_no_busy_time_there_is_no_utilisation() -> None:
    assert "Utilisation" not in rates(ZERO, ZERO._replace(busy_ms=None), seconds=1)


def test_utilisation_never_passes_100_percent() -> None:
    assert rates(ZERO, ZERO._replace(busy_ms=1100), seconds=1)["Utilisation"] == 100.0


@pytest.mark.parametrize("field", Counters._fields[:-1])
def test_a_counter_that_went_backwards_says_nothing(field: str) -> None:
    before = Counters(5, 5, 5, 5, 5, 5)
    after = before._replace(**{field: 4})  # type: ignore[arg-type]
    assert rates(before, after, seconds=1) == {}


def test_a_drive_speaks_from_its_second_tick_on(probe: FakeProbe, host: HostSource) -> None:
    probe.drives["sda"] = ZERO
    assert said(host.read(NOW, at=100)) == {}
    probe.drives["sda"] = Counters(10, 0, 4096, 0, 20, 10)
    assert said(host.read(NOW, at=102)) == {
        ("the-host-sda", "ReadBytes"): 2048.0,
        ("the-host-sda", "WriteBytes"): 0.0,
        ("the-host-sda", "IOPs"): 5.0,
        ("the-host-sda", "Latency"): 2.0,
        ("the-host-sda", "Utilisation"): 0.5,
    }


def test_a_drive_that_vanishes_and_comes_back_starts_anew(
    probe: FakeProbe, host: HostSource
) -> None:
    probe.drives["sda"] = Counters(10, 10, 10, 10, 10, 10)
    host.read(NOW, at=1)
    del probe.drives["sda"]
    assert host.read(NOW, at=2) == []
    probe.drives["sda"] = ZERO
    assert host.read(NOW, at=3) == []
    assert ("the-host-sda", "IOPs") in said(host.read(NOW, at=4))


def test_capacity_and_temperature_are_there_at_the_first_tick(
    probe: FakeProbe, host: HostSource
) -> None:
    probe.systems = [FileSystem("sda1", 42.5)]
    probe.heat = {"sda": 31.0}
    assert said(host.read(NOW)) == {
        ("the-host-sda1", "CapacityUsed"): 42.5,
        ("the-host-sda", "DiskTemp"): 31.0,
    }


def test_one_devices_readings_go_to_its_own_subject(probe: FakeProbe, host: HostSource) -> None:
    probe.systems = [FileSystem("vda.1", 1.0)]
    assert [message.subject for message in host.read(NOW)] == [
        "events.metrics.DiskUnit.the-host-vda_1"
    ]
    probe.systems.append(FileSystem("vdb", 1.0))
    assert [message.subject for message in host.read(NOW)] == ["events.metrics"]


def test_an_envelope_size_of_one_publishes_plain_objects(probe: FakeProbe) -> None:
    probe.systems = [FileSystem("vda", 1.0), FileSystem("vdb", 2.0)]
    settings = load(DriveSettings, daemon_envelope_size=1)
    messages = HostSource(settings, probe, "h").read(NOW)
    assert [orjson.loads(message.payload)["deviceId"] for message in messages] == ["h-vda", "h-vdb"]


@pytest.mark.parametrize(
    ("name", "valid"),
    [
        ("sda1", "sda1"),
        ("vg-root", "vg-root"),
        ("tank/home, old", "tank-home--old"),
        ("_x", "x"),
        ("C:\\", "C:-"),
        ("", "unnamed"),
        ("ö", "unnamed"),
        ("a" * 200, "a" * 128),
    ],
)
def test_any_device_name_becomes_a_valid_one(name: str, valid: str) -> None:
    assert valid_name(name) == valid
    assert NAME_PATTERN.fullmatch(valid)


def sysfs(folder: Path, *drives: str, others: tuple[str, ...] = ()) -> Path:
    for name in drives:
        (folder / name / "device").mkdir(parents=True)
    for name in others:
        (folder / name).mkdir(parents=True)
    return folder


Raw = namedtuple("Raw", "read_count write_count read_bytes write_bytes read_time write_time")


def test_only_whole_drives_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = Raw(1, 2, 3, 4, 5, 6)
    names = ("sda", "sda1", "sr0", "loop0", "zram0", "dm-0", "nvme0n1", "nvme0n1p1")
    monkeypatch.setattr(
        psutil, "disk_io_counters", lambda perdisk, nowrap: dict.fromkeys(names, raw)
    )
    root = sysfs(tmp_path, "sda", "nvme0n1", "sr0", others=("loop0", "zram0", "dm-0"))
    assert PsutilProbe(Drives(root)).counters() == {
        "nvme0n1": Counters(1, 2, 3, 4, 11, None, "None/"),
        "sda": Counters(1, 2, 3, 4, 11, None, "None/"),
    }


def test_without_sysfs_every_drive_that_psutil_names_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = Raw(1, 2, 3, 4, 5, 6)
    monkeypatch.setattr(psutil, "disk_io_counters", lambda perdisk, nowrap: {"disk0": raw})
    assert list(PsutilProbe(Drives(tmp_path / "none")).counters()) == ["disk0"]


def test_a_machine_without_counters_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "disk_io_counters", lambda perdisk, nowrap: None)
    assert PsutilProbe().counters() == {}


def test_each_drive_has_the_temperature_of_its_own_sensor(tmp_path: Path) -> None:
    root = sysfs(tmp_path, "sda", "nvme0n1", "vda")
    for path, text in (
        ("sda/device/hwmon/hwmon3/temp1_input", "31000\n"),  # drivetemp
        ("nvme0n1/device/hwmon1/temp1_input", "44850\n"),  # nvme
        ("vda/device/hwmon/hwmon5/temp1_input", "asleep\n"),
    ):
        (root / path).parent.mkdir(parents=True)
        (root / path).write_text(text)
    assert PsutilProbe(Drives(root)).temperatures() == {"sda": 31.0, "nvme0n1": 44.85}


def test_file_systems_are_counted_as_df_does_once_per_device_and_images_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def mount(device: str, at: str, fstype: str = "ext4") -> SimpleNamespace:
        return SimpleNamespace(device=device, mountpoint=at, fstype=fstype, opts="rw,relatime")

    mounts = [
        mount("/dev/sda1", "/"),
        mount("/dev/sda1", "/etc/hosts"),
        mount("/dev/mapper/vg-home", "/home"),
        mount("tank/data", "/tank", "zfs"),
        mount("/dev/loop3", "/snap/x", "squashfs"),
        mount("/dev/sdb1", "/forbidden"),
    ]

    def usage(path: str) -> SimpleNamespace:
        if path == "/forbidden":
            raise PermissionError(path)
        return SimpleNamespace(used=30, free=60)  # and 10 of 100 are reserved for root

    monkeypatch.setattr(psutil, "disk_partitions", lambda all: mounts)

    def statvfs(path: str) -> SimpleNamespace:
        files = 0 if path == "/tank" else 100  # ZFS makes inodes as they are needed
        return SimpleNamespace(f_files=files, f_ffree=75, f_favail=75)

    monkeypatch.setattr(psutil, "disk_usage", usage)
    monkeypatch.setattr(os, "statvfs", statvfs)
    mounts.append(mount("/dev/sdc1", "/gone-bad"))
    mounts[-1].opts = "ro,relatime,errors=remount-ro"
    mounts.append(mount("/dev/sda1", "/view"))
    mounts[-1].opts = "ro"  # of one that is writable elsewhere
    assert PsutilProbe().file_systems() == [
        FileSystem("sda1", 33.3333, 25.0),
        FileSystem("vg-home", 33.3333, 25.0),
        FileSystem("tank/data", 33.3333, None),
        FileSystem("sdc1", 33.3333, 25.0, True),
    ]


def test_this_very_machine_can_be_read() -> None:
    host = HostSource(load(DriveSettings))
    host.read(NOW)
    for message in host.read(NOW):
        for item in decode(message.payload):
            parse(DeviceMetric, item, NOW)


@pytest.mark.fault("14")
def test_a_counter_that_starts_anew_between_two_ticks_gives_no_spike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the kernel's own file: psutil's nowrap would add the new counter to the old one."""

    def counted(sectors: int) -> None:
        line = f"8 16 sdb 2100 0 {sectors} 900 2100 0 {sectors} 900 0 4000 1800\n"
        (tmp_path / "diskstats").write_text(line)

    monkeypatch.setattr(psutil, "PROCFS_PATH", str(tmp_path))
    probe = PsutilProbe(Drives(sysfs(tmp_path / "block", "sdb")))
    counted(4_000_000_000)
    before = probe.counters()["sdb"]
    counted(4_000_001_000)
    assert rates(before, probe.counters()["sdb"], seconds=10)["ReadBytes"] == 51_200
    counted(16_000_000)
    assert rates(before, probe.counters()["sdb"], seconds=10) == {}


def test_another_disk_under_the_same_name_starts_anew_though_it_has_counted_more() -> None:
    before = ZERO._replace(disk="naa.1/7")
    assert rates(before, Counters(9, 9, 9, 9, 9, 9, "naa.2/8"), seconds=1) == {}
