"""Who a drive is, told by a faked sysfs, and that swapped cables mix no history."""

from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from daemon.drive_ids import drive_id, is_drive
from daemon.drives import Drives
from daemon.host.probe import PsutilProbe
from daemon.host.source import HostSource
from daemon.source import DriveSettings
from spindle.models import DeviceMetric, decode, parse
from spindle.settings import load

NOW = 1_780_000_000 * 10**9
Raw = namedtuple("Raw", "read_count write_count read_bytes write_bytes read_time write_time")


def disk(folder: Path, name: str, **files: str | bytes) -> None:
    """A block device in a faked sysfs; ``__`` in a file's name is a folder."""
    (folder / name / "device").mkdir(parents=True, exist_ok=True)
    for path, text in files.items():
        file = folder / name / path.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())


@pytest.mark.parametrize(
    "name",
    [
        "nvme0c0n1",
        "nvme1c33n2",
        "mmcblk0boot0",
        "mmcblk0boot1",
        "mmcblk0rpmb",
        "nbd0",
        "nbd15p1",
        "loop7",
        "ram0",
        "zram0",
        "dm-0",
        "md0",
        "md127",
        "sr0",
        "fd0",
    ],
)
def test_what_is_no_drive(name: str) -> None:
    assert not is_drive(name)


@pytest.mark.parametrize(
    "name", ["sda", "sdaa", "nvme0n1", "nvme12n3", "mmcblk0", "vda", "xvda", "hda", "dasda", "sdfd"]
)
def test_what_is_a_drive(name: str) -> None:
    assert is_drive(name)


@pytest.mark.parametrize(
    ("wwn", "model", "serial", "known_as"),
    [
        ("naa.5000c500a1b2c3d4", "ST4000", "Z1", "naa.5000c500a1b2c3d4"),
        ("NAA.5000C500A1B2C3D4\n", "", "", "naa.5000c500a1b2c3d4"),
        ("eui.0025385b71b0a1b2", "", "", "eui.0025385b71b0a1b2"),
        ("eui.36344830589003520025384500000001", "", "", "eui.36344830589003520025384500000001"),
        ("eui.0000000000000000", "WD Blue", "WD-12", "WD-Blue-WD-12"),
        ("naa.5000000000000000", "WD Blue", "WD-12", "WD-Blue-WD-12"),
        ("t10.ATA     WDC WD10", "WDC  WD10EZEX ", " WD-WCC3F1", "WDC-WD10EZEX-WD-WCC3F1"),
        ("t10.ATA     QEMU HARDDISK      QM00001", "QEMU HARDDISK", "QM00001", None),
        ("", "", "vol-1", None),
        ("", "USB Bridge", "0000000000", None),
        ("", "USB Bridge", "0123456789ABCDEF", None),
        ("", "Disk", "", None),
    ],
)
def test_a_drive_is_known_by_its_wwn_else_by_model_and_serial(
    wwn: str, model: str, serial: str, known_as: str | None
) -> None:
    assert drive_id(wwn, model, serial) == known_as


def test_the_identity_is_read_from_sysfs_and_udev(tmp_path: Path) -> None:
    root, udev = tmp_path / "block", tmp_path / "udev"
    disk(root, "sda", device__wwid="naa.5000c500a1b2c3d4\n")
    disk(root, "sdb", device__model="ST1000", device__vpd_pg80=b"\0\x80\0\x08  9VP1AB")
    disk(root, "sdc", dev="8:32\n", device__model="ST4000NM0033-9ZM")
    disk(root, "nvme0n1", wwid="eui.0025385b71b0a1b2\n", device__serial="S1")
    disk(root, "nvme1n1", wwid="nvme.8086-1-2-3\n", device__model="P4510 ", device__serial="PH1 ")
    disk(root, "mmcblk0", device__name="DF4064", device__serial="0x2b1c9a01")
    disk(root, "vda", serial="")
    udev.mkdir()
    (udev / "b8:32").write_text("S:disk/by-id/x\nE:ID_MODEL=ST4000NM0033\nE:ID_SERIAL_SHORT=Z1Z\n")
    drives = Drives(root, udev)
    assert {name: drives.identify(name) for name in drives.names()} == {
        "sda": "naa.5000c500a1b2c3d4",
        "sdb": "ST1000-9VP1AB",
        "sdc": "ST4000NM0033-Z1Z",
        "nvme0n1": "eui.0025385b71b0a1b2",
        "nvme1n1": "P4510-PH1",
        "mmcblk0": "DF4064-0x2b1c9a01",
        "vda": None,
    }


def test_a_partition_is_known_by_its_drive(tmp_path: Path) -> None:
    disk(tmp_path, "sda", device__wwid="naa.5000c500a1b2c3d4", sda2__partition="2\n")
    disk(tmp_path, "vda", vda1__partition="1\n")
    drives = Drives(tmp_path)
    assert drives.identify("sda2") == "naa.5000c500a1b2c3d4-part2"
    assert drives.identify("vda1") is None
    assert drives.identify("vg-root") is None
    assert drives.identify("tank/data") is None
    assert drives.identify("vg-a**[b]") is None


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two drives; each has written as many GB as its temperature says."""

    def counted(perdisk: bool, nowrap: bool) -> dict[str, Raw]:
        names = [name for name in ("sda", "sdb") if (tmp_path / name).exists()]
        return {name: Raw(1, 1, 0, heat(name) * 10**9, 1, 1) for name in names}

    def heat(name: str) -> int:
        (sensor,) = (tmp_path / name).glob("device/hwmon/hwmon*/temp1_input")
        return int(sensor.read_text()) // 1000

    monkeypatch.setattr(psutil, "disk_io_counters", counted)
    mounts = [SimpleNamespace(device="/dev/sda1", mountpoint="/", fstype="ext4", opts="rw")]
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: mounts)
    used = SimpleNamespace(used=1, free=1)
    monkeypatch.setattr(psutil, "disk_usage", lambda path: used)
    return tmp_path


def plug(folder: Path, name: str, wwn: str, heat: int) -> None:
    file = {"device__hwmon__hwmon1__temp1_input": f"{heat * 1000}\n"}
    disk(folder, name, device__wwid=wwn, **file, **{f"{name}1__partition": "1"})


def said(host: HostSource, at: float) -> dict[tuple[str, str], float]:
    messages = [each for each in host.read(NOW, at) if each.stream == "METRICS"]
    items = [item for message in messages for item in decode(message.payload)]
    points = [parse(DeviceMetric, item, NOW) for item in items]
    return {(point.device_id, point.metric_type): point.value for point in points}


@pytest.mark.fault("12")
def test_swapping_two_cables_mixes_no_history(machine: Path) -> None:
    one, other = "naa.5000c500aaaaaaa1", "naa.5000c500bbbbbbb2"
    host = HostSource(load(DriveSettings), PsutilProbe(Drives(machine)), "h")
    plug(machine, "sda", one, 61)
    plug(machine, "sdb", other, 34)
    for at in (0, 1):
        points = said(host, at)
        assert (points[one, "DiskTemp"], points[other, "DiskTemp"]) == (61, 34)
    assert points[f"{one}-part1", "CapacityUsed"] == 50
    plug(machine, "sda", other, 34)
    plug(machine, "sdb", one, 61)
    points = said(host, 2)
    assert (points[one, "DiskTemp"], points[other, "DiskTemp"]) == (61, 34)
    assert points[f"{other}-part1", "CapacityUsed"] == 50
    assert not [key for key in points if key[1] == "WriteBytes"]  # both count anew
    assert said(host, 3)[one, "WriteBytes"] == 0


def test_a_virtual_disk_is_known_by_its_host(machine: Path) -> None:
    disk(machine, "sda", device__hwmon__hwmon1__temp1_input="30000")
    host = HostSource(load(DriveSettings), PsutilProbe(Drives(machine)), "web 1")
    assert {device for device, _ in said(host, 0)} == {"web-1-sda", "web-1-sda1"}


def two_paths(machine: Path, serials: tuple[str, str]) -> HostSource:
    for name, serial in zip(("sda", "sdb"), serials, strict=True):
        plug(machine, name, "naa.5000c500aaaaaaa1", 40)
        disk(machine, name, device__model="ST600MM0088", device__serial=serial)
    return HostSource(load(DriveSettings), PsutilProbe(Drives(machine)), "h")


def test_two_paths_to_one_drive_are_one_that_does_what_both_do(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = two_paths(machine, ("W1", "W1"))
    written = {"sda": 0, "sdb": 0}

    def counted(perdisk: bool, nowrap: bool) -> dict[str, Raw]:
        there = [name for name in written if (machine / name).exists()]
        return {name: Raw(1, 1, 0, written[name], 1, 1) for name in there}

    monkeypatch.setattr(psutil, "disk_io_counters", counted)
    for at in (0, 1):
        points = said(host, at)
        written = {"sda": 5_000 * (at + 1), "sdb": 700 * (at + 1)}
    drives = {device for device, metric in points if metric == "WriteBytes"}
    assert drives == {"naa.5000c500aaaaaaa1"}
    assert points["naa.5000c500aaaaaaa1", "WriteBytes"] == 5_700
    assert points["naa.5000c500aaaaaaa1", "DiskTemp"] == 40
    facts = [m for m in host.read(NOW, 1.5) if m.subject.startswith("events.facts")]
    shutil.rmtree(machine / "sda")  # one path fails: the drive is still there, as the other
    assert ("naa.5000c500aaaaaaa1", "DiskTemp") in said(host, 2)
    written = {"sda": 0, "sdb": 2_400}
    assert said(host, 3)["naa.5000c500aaaaaaa1", "WriteBytes"] == 1_000
    gone = [m for m in host.read(NOW + 60 * 10**9, 4) if b"DriveGone" in m.payload]
    assert (facts, gone) == ([], [])


def test_a_copied_name_does_not_make_one_drive_of_two(machine: Path) -> None:
    host = two_paths(machine, ("W1", "W2"))
    devices = {device for device, metric in said(host, 0) if metric == "DiskTemp"}
    assert devices == {"naa.5000c500aaaaaaa1", "h-sdb"}
