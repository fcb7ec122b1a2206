"""What the source ``host`` says a drive is, and that a drive which is gone is told once."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from daemon.drives import Drives, facts_of, is_removable
from daemon.host.rates import Counters
from daemon.host.source import HostSource
from daemon.messages import FactsBook, Message, facts_message
from daemon.source import DriveSettings
from reader.health import verdict
from reader.health.evidence import Evidence, Rules
from reader.health.limits import Thresholds
from spindle.models import DeviceFacts, Event, parse
from spindle.settings import load
from spindle.store.base import EventRow, Latest
from spindle.timestamps import NS
from tests.unit.test_daemon_drives import disk
from tests.unit.test_daemon_host import FakeProbe

NOW = 1_780_000_000 * NS
ZERO = Counters(0, 0, 0, 0, 0, 0)


def of(messages: list[Message], stream: str) -> list[dict[str, object]]:
    return [orjson.loads(each.payload) for each in messages if each.stream == stream]


def test_a_drives_facts_are_read_from_sysfs_and_udev(tmp_path: Path) -> None:
    sysfs, udev = tmp_path / "sys", tmp_path / "udev"
    udev.mkdir()
    disk(
        sysfs,
        "sda",
        dev="8:0",
        size="7814037168\n",
        queue__rotational="1",
        device__wwid="naa.5000c500a1b2c3d4",
        device__vendor="ATA     ",
        device__model="ST4000NM0035-1V4",
        device__rev="TN03",
        device__vpd_pg80=b"\0\x80\0\x08ZC1ABCDE",
        sda1__partition="1",
    )
    (sysfs / "sda/device/enclosure_device:Slot 03").mkdir()
    (udev / "b8:0").write_text("E:ID_ATA_ROTATION_RATE_RPM=7200\nE:ID_BUS=ata\n")
    disk(sysfs, "md0", **{"md__dev-sda1__slot": "1\n", "md__dev-sda1__state": "in_sync\n"})
    disk(sysfs, "nvme0n1", wwid="eui.0025385b71b0a1b2", queue__rotational="0", size="2000")
    disk(sysfs, "vda", queue__rotational="1", size="0")
    drives = Drives(sysfs, udev)
    assert facts_of(drives, "sda") == {
        "model": "ST4000NM0035-1V4",
        "serial": "ZC1ABCDE",
        "wwn": "naa.5000c500a1b2c3d4",
        "firmware": "TN03",
        "capacity_bytes": 4_000_787_030_016,
        "rotation_rpm": 7200,
        "protocol": "ATA",
        "path": "/dev/sda",
        "slot": "Slot 03",
        "array_role": "md0 slot 1 (in_sync)",
    }
    solid = facts_of(drives, "nvme0n1")
    assert (solid["rotation_rpm"], solid["protocol"]) == (0, "NVMe")
    assert facts_of(drives, "vda") == {"path": "/dev/vda"}
    assert not is_removable(drives, "sda")
    disk(sysfs, "sdz", removable="1")
    assert is_removable(drives, "sdz")


@pytest.fixture
def probe() -> FakeProbe:
    probe = FakeProbe()
    probe.drives["sda"] = probe.drives["sdb"] = ZERO
    probe.ids["sda"] = "naa.5000c500a1b2c3d4"
    probe.known["sda"] = {"model": "ST4000", "serial": "ZC1"}
    return probe


def test_facts_are_told_at_first_when_they_change_and_every_ten_minutes(probe: FakeProbe) -> None:
    host = HostSource(load(DriveSettings), probe, "h")
    first = of(host.read(NOW, 0), "KV_devices")
    assert [parse(DeviceFacts, each, NOW).device_id for each in first] == [
        "naa.5000c500a1b2c3d4",
        "h-sdb",
    ]
    assert (first[0]["host"], first[0]["serial"]) == ("h", "ZC1")
    assert of(host.read(NOW + NS, 1), "KV_devices") == []
    probe.known["sda"] = {"model": "ST4000", "serial": "ZC1", "array_role": "md0 slot 1 (spare)"}
    (changed,) = of(host.read(NOW + 70 * NS, 70), "KV_devices")
    assert changed["arrayRole"] == "md0 slot 1 (spare)"
    assert of(host.read(NOW + 300 * NS, 300), "KV_devices") == []
    assert len(of(host.read(NOW + 640 * NS, 640), "KV_devices")) == 2


def test_serial_numbers_stay_out_of_facts_and_events_by_the_setting(probe: FakeProbe) -> None:
    host = HostSource(load(DriveSettings, smart_serials=False), probe, "h")
    said = host.read(NOW, 0)
    del probe.drives["sda"]
    said += host.read(NOW + 60 * NS, 60)
    assert len(of(said, "EVENTS")) == 1
    assert not [each for each in said if b"ZC1" in each.payload]


def test_a_drive_that_is_gone_is_told_once_and_once_that_it_is_back(probe: FakeProbe) -> None:
    host, told = HostSource(load(DriveSettings), probe, "h"), []
    drive = probe.drives["sda"]
    for second in range(100):
        there = second < 10 or 20 <= second < 30 or second >= 80
        probe.drives = {"sda": drive, "sdb": ZERO} if there else {"sdb": ZERO}
        told += [(second, parse(Event, each, NOW * 2)) for each in
                 of(host.read(NOW + second * NS, second), "EVENTS")]  # fmt: skip
    assert [(second, each.event_type, each.criticality) for second, each in told] == [
        (44, "DriveGone", 8),  # away for ten seconds was no more than a reset
        (80, "DriveReturned", 2),
    ]
    assert told[0][1].event_message == (
        "/dev/sda (ST4000, serial ZC1) is gone: this machine has not seen it for 15 s"
    )
    assert told[0][1].device_id == "naa.5000c500a1b2c3d4"


def test_a_stick_that_is_taken_away_is_no_alarm_and_a_moved_drive_is_not_gone(
    probe: FakeProbe,
) -> None:
    host = HostSource(load(DriveSettings), probe, "h")
    probe.removable.add("sdb")
    host.read(NOW, 0)
    probe.drives = {"sdc": ZERO}
    probe.ids["sdc"] = probe.ids.pop("sda")
    (event,) = of(host.read(NOW + 60 * NS, 60), "EVENTS")
    assert (event["deviceId"], event["criticality"]) == ("h-sdb", 2)


def test_a_drive_whose_name_udev_learns_later_is_not_gone(probe: FakeProbe) -> None:
    host, own = HostSource(load(DriveSettings), probe, "h"), probe.ids.pop("sda")
    host.read(NOW, 0)
    probe.ids["sda"] = own
    assert of(host.read(NOW + 60 * NS, 60), "EVENTS") == []


def test_a_drive_is_critical_while_it_is_gone_and_not_once_it_reports_again() -> None:
    gone = EventRow(NOW - 60 * NS, "e", "DiskUnit", "DriveGone", "naa.5", "h", 8, "is gone")
    rules = Rules(Thresholds(), 300 * NS, 900 * NS)
    states = []
    for age in (80, 1):
        read = Latest("DiskUnit", "DiskTemp", "naa.5", "h", NOW - age * NS, 30.0)
        (unit,) = verdict.judge(Evidence([read], [gone]), rules, NOW)
        states.append(unit.state)
    assert states == ["critical", "ok"]


def test_what_two_sources_know_of_a_drive_is_one_message() -> None:
    book = FactsBook(("host", "smart"))

    def said(source: str, second: int, **facts: object) -> dict[str, object]:
        unit = {"timestamp": NOW + second * NS, "source_device": "DiskUnit", "device_id": "naa.5"}
        message = facts_message(DeviceFacts.model_validate({**unit, **facts}))
        (merged,) = book.merged(source, [message])
        found: dict[str, object] = orjson.loads(merged.payload)
        return found

    assert "firmware" not in said("host", 0, model="ST4000", slot="3")
    both = said("smart", 1, model="ST4000NM0035-1V4107", firmware="TN03")
    assert (both["model"], both["slot"], both["firmware"]) == ("ST4000NM0035-1V4107", "3", "TN03")
    later = said("host", 2, model="ST4000", slot="4")
    assert (later["model"], later["slot"], later["firmware"]) == (
        "ST4000NM0035-1V4107",
        "4",
        "TN03",
    )
    assert parse(DeviceFacts, later, NOW + 9 * NS).timestamp == NOW + 2 * NS
