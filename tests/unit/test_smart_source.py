"""The source ``smart`` with a fake smartctl that hangs, floods, fails and says what it should."""

from __future__ import annotations

import json
import re
import shutil
import stat
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from daemon.drives import Drives
from daemon.host.probe import PsutilProbe
from daemon.host.source import HostSource
from daemon.messages import Message
from daemon.smart import smartctl
from daemon.smart.smartctl import MOST_BYTES, Device, Smartctl
from daemon.smart.source import SmartSettings, SmartSource
from daemon.source import DriveSettings
from spindle.errors import InvalidSettings
from spindle.models import DeviceFacts, DeviceMetric, decode, parse
from spindle.settings import load
from tests.servers import ROOT
from tests.unit.test_smart_reading import output

NOW = 1_780_000_000 * 10**9
RAW = ("read_count", "write_count", "read_bytes", "write_bytes", "read_time", "write_time")

FAKE = """#!{python}
import json, pathlib, sys, time
here, words = pathlib.Path(__file__).parent, sys.argv[1:]
with (here / "calls").open("a") as calls:
    calls.write(" ".join(words) + "\\n")
if "--scan-open" in words:
    print((here / "scan").read_text())
    sys.exit(0)
said = here / (words[-1] + " " + words[words.index("-d") + 1]).replace("/", "_")
text = said.read_text()
if text == "hang":
    time.sleep(60)
if text == "flood":
    while True:
        print("x" * 65536)
print(text)
try:
    sys.exit(json.loads(text)["smartctl"]["exit_status"])
except ValueError:
    sys.exit(4)
"""


class FakeSmartctl:
    """A folder with a program in it, and what it says of each drive."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.program = folder / "smartctl"
        self.program.write_text(FAKE.format(python=sys.executable))
        self.program.chmod(self.program.stat().st_mode | stat.S_IEXEC)
        self.devices: list[Device] = []

    def says(self, path: str, kind: str, text: str) -> None:
        self.devices.append(Device(path, kind))
        (self.folder / f"{path} {kind}".replace("/", "_")).write_text(text)
        rows = [{"name": each.path, "type": each.kind} for each in self.devices]
        (self.folder / "scan").write_text(json.dumps({"devices": rows}))

    def source(self, seconds: float = 5.0, **given: object) -> SmartSource:
        settings = load(SmartSettings, smart_command=str(self.program), **given)
        smartctl = Smartctl(settings.smart_command, seconds)
        return SmartSource(settings, Drives(self.folder / "sysfs"), "nas", smartctl)


@pytest.fixture
def fake(tmp_path: Path) -> FakeSmartctl:
    return FakeSmartctl(tmp_path)


def said(source: SmartSource) -> dict[tuple[str, str], float]:
    messages = [m for m in source.read(NOW) if m.subject.startswith("events.metrics")]
    items = [item for message in messages for item in decode(message.payload)]
    points = [parse(DeviceMetric, item, NOW) for item in items]
    return {(point.device_id, point.metric_type): point.value for point in points}


def test_every_drive_of_the_scan_is_asked_without_being_woken(fake: FakeSmartctl) -> None:
    fake.says("/dev/sda", "sat", json.dumps(output("ata_seagate_packed")))
    fake.says("/dev/bus/0", "megaraid,5", json.dumps(output("raid_member")))
    points = said(fake.source())
    assert points["naa.5000c50000000001", "PendingSectors"] == 16
    assert points["naa.5000cca000000008", "DiskTemp"] == 35
    calls = (fake.folder / "calls").read_text().splitlines()
    assert calls[0] == "--scan-open --json"
    assert sorted(calls[1:]) == [
        "--json -x -n standby -d megaraid,5 /dev/bus/0",
        "--json -x -n standby -d sat /dev/sda",
    ]


def test_a_drive_is_called_what_the_source_host_calls_it(fake: FakeSmartctl) -> None:
    for name, wwid in (("sda", "device/wwid"), ("nvme0n1", "wwid")):
        file = fake.folder / "sysfs" / name / wwid
        file.parent.mkdir(parents=True)
        file.write_text("eui.0025385b71b0a1b2" if "nvme" in name else "naa.5000c500ffffff01")
    fake.says("/dev/sda", "sat", json.dumps(output("ata_once_at_threshold")))
    fake.says("/dev/nvme0", "nvme", json.dumps(output("nvme_every_warning")))
    fake.says("/dev/sdb", "sat", json.dumps(output("usb_bridge")))
    assert {device for device, _ in said(fake.source())} == {
        *("naa.5000c500ffffff01", "eui.0025385b71b0a1b2", "nas-sdb")
    }


def test_a_bridge_that_hides_its_drive_has_one_name_for_both_sources(
    fake: FakeSmartctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    """sysfs does not know who is behind it, smartctl does: nobody else guesses before."""
    drive = fake.folder / "sysfs" / "sdb"
    (drive / "device").mkdir(parents=True)
    (drive / "diskseq").write_text("7\n")
    drives = Drives(fake.folder / "sysfs")
    disk = SimpleNamespace(**dict.fromkeys(RAW, 0))
    monkeypatch.setattr(psutil, "disk_io_counters", lambda **_: {"sdb": disk})
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: [])
    host = HostSource(load(DriveSettings), PsutilProbe(drives), "nas")

    def named(messages: list[Message]) -> set[str]:
        items = [item for m in messages if m.stream == "METRICS" for item in decode(m.payload)]
        return {parse(DeviceMetric, item, NOW).device_id for item in items}

    fake.says("/dev/sdb", "sat", json.dumps(output("ata_once_at_threshold")))
    smart = fake.source()
    assert (named(host.read(NOW, 0)), named(host.read(NOW, 1))) == (set(), set())
    (own,) = named(smart.read(NOW))
    assert own == "TOSHIBA-DT01-T3"
    host.read(NOW, 2)
    assert named(host.read(NOW, 3)) == {own}
    (drive / "diskseq").write_text("8\n")  # another disk is in: nobody knows it yet
    host.read(NOW, 4)
    assert named(host.read(NOW, 5)) == {"nas-sdb"}


def test_two_paths_to_a_sas_drive_are_read_as_one(fake: FakeSmartctl) -> None:
    text = json.dumps(output("sas_grown_defects"))
    fake.says("/dev/sda", "scsi", text)
    fake.says("/dev/sdb", "scsi", text.replace("/dev/sda", "/dev/sdb"))
    messages = fake.source().read(NOW)
    said = [parse(DeviceMetric, item, NOW) for m in messages if m.stream == "METRICS"
            for item in decode(m.payload)]  # fmt: skip
    assert len({each.device_id for each in said}) == 1
    assert len([each for each in said if each.metric_type == "GrownDefects"]) == 1


def test_a_drive_that_falls_asleep_says_so_under_the_name_it_had(fake: FakeSmartctl) -> None:
    fake.says("/dev/sdg", "sat", json.dumps(output("ata_once_at_threshold")))
    source = fake.source()
    assert said(source)["TOSHIBA-DT01-T3", "Asleep"] == 0
    (fake.folder / "_dev_sdg sat").write_text(json.dumps(output("asleep")))
    assert said(source) == {("TOSHIBA-DT01-T3", "Asleep"): 1}


def test_a_drive_whose_reading_hangs_is_named_and_its_neighbours_are_read(
    fake: FakeSmartctl, caplog: pytest.LogCaptureFixture
) -> None:
    fake.says("/dev/sda", "sat", "hang")
    fake.says("/dev/sdb", "sat", "flood")
    fake.says("/dev/sdc", "sat", "no JSON")
    fake.says("/dev/sdd", "sat", json.dumps(output("ata_once_at_threshold")))
    source = fake.source(seconds=3)
    began = time.monotonic()
    for _ in range(2):
        assert {device for device, _ in said(source)} == {"TOSHIBA-DT01-T3"}
    assert time.monotonic() - began < 55  # of the 60 that it would hang
    assert sorted(caplog.messages) == [
        "sda: smartctl was ended after 3 s",
        f"sdb: smartctl was ended after saying {MOST_BYTES:,} bytes",
        "sdc: smartctl said nothing that is JSON (exit status 4)",
    ]
    assert source.troubles == {}


@pytest.mark.parametrize("bit", range(8))
def test_a_drive_that_answers_is_read_whatever_bit_smartctl_exits_with(
    fake: FakeSmartctl, bit: int
) -> None:
    said_of_it = output("ata_seagate_packed")
    said_of_it["smartctl"]["exit_status"] = 1 << bit
    fake.says("/dev/sda", "sat", json.dumps(said_of_it))
    points = said(fake.source())
    assert points["naa.5000c50000000001", "PendingSectors"] == 16
    assert points["naa.5000c50000000001", "SmartFailing"] == (1.0 if bit == 3 else 0.0)


def test_smartctl_is_found_where_the_path_of_a_user_does_not_look(
    fake: FakeSmartctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.says("/dev/sda", "sat", json.dumps(output("ata_seagate_packed")))
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(FileNotFoundError):
        Smartctl("smartctl-of-nobody").scan()
    monkeypatch.setattr(smartctl, "SYSTEM_FOLDERS", (str(fake.folder),))
    assert Smartctl("smartctl").scan() == fake.devices


def test_where_no_drive_can_be_read_the_reason_is_in_healthz(fake: FakeSmartctl) -> None:
    fake.says("/dev/sdh", "scsi", json.dumps(output("not_opened")))
    source = fake.source()
    assert said(source) == {}
    assert source.troubles == {
        "none of the drives": "can be read: Smartctl open device: /dev/sdh failed: "
        "Permission denied"
    }


def test_facts_go_to_the_drives_own_subject(fake: FakeSmartctl) -> None:
    fake.says("/dev/sda", "scsi", json.dumps(output("sas_grown_defects")))
    (message,) = (m for m in fake.source().read(NOW) if "facts" in m.subject)
    assert message.subject == "events.facts.DiskUnit.naa_5000c500a1b2c3d4"
    assert message.stream == "KV_devices"
    facts = parse(DeviceFacts, decode(message.payload)[0], NOW)
    assert (facts.rotation_rpm, facts.capacity_bytes, facts.host) == (10000, 600127266816, "nas")


def test_without_smartctl_the_reason_says_what_to_install() -> None:
    source = SmartSource(load(SmartSettings, smart_command="/nowhere/smartctl"))
    with pytest.raises(OSError, match="there is no /nowhere/smartctl: install smartmontools"):
        source.read(NOW)


def test_a_machine_without_smartctl_says_so_once_and_is_well(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(smartctl, "SYSTEM_FOLDERS", ())
    source = SmartSource(load(SmartSettings))
    assert source.read(NOW) == source.read(NOW) == []
    assert source.troubles == {}
    assert [record.getMessage() for record in caplog.records] == [
        "smartctl: it is not installed; drives are not asked for SMART"
    ]


def test_drives_that_may_not_be_opened_are_trouble_only_where_smartctl_was_set_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fake: FakeSmartctl
) -> None:
    fake.says("/dev/sdh", "scsi", json.dumps(output("not_opened")))
    monkeypatch.setenv("PATH", str(fake.folder))
    source = SmartSource(load(SmartSettings), Drives(fake.folder / "sysfs"), "nas")
    assert source.read(NOW) == source.read(NOW) == []
    assert source.troubles == {}
    assert [record.getMessage() for record in caplog.records] == [
        "sdh: Smartctl open device: /dev/sdh failed: Permission denied"
    ]


def test_wrong_settings_are_told() -> None:
    with pytest.raises(InvalidSettings, match="expected the path of a folder that exists"):
        load(SmartSettings, smart_json_dir="/nowhere")
    with pytest.raises(InvalidSettings, match="expected a command, such as smartctl"):
        load(SmartSettings, smart_command="'smartctl")


@pytest.mark.skipif(shutil.which("smartctl") is None, reason="smartctl is not installed here")
def test_the_real_smartctl_is_called_and_a_machine_without_drives_is_no_trouble() -> None:
    source = SmartSource(load(SmartSettings))
    for message in source.read(NOW):
        assert decode(message.payload)
    outputs = Smartctl("smartctl").read([Device("/dev/null", "auto")])
    assert outputs[Device("/dev/null", "auto")]["smartctl"]["exit_status"] != 0


@pytest.mark.parametrize(
    "device",
    [Device("/dev/sda", "sat"), Device("/dev/nvme0", "nvme"), Device("/dev/sdb", "sntasmedia"),
     Device("/dev/bus/0", "sat+megaraid,5"), Device("/dev/sg3", "cciss,12"),
     Device("/dev/twa0", "3ware,1")],
)  # fmt: skip
def test_the_lines_for_sudo_allow_what_is_run_and_nothing_that_follows(
    fake: FakeSmartctl, device: Device
) -> None:
    """Of ``docs/drives.md``: a plain line is that command, one that begins with ^ a pattern."""
    lines = re.findall(r"smartctl (.*)\n", (ROOT / "docs/drives.md").read_text())
    allowed = [line for line in lines if line.startswith(("^--json", "--scan-open --json"))][:4]
    fake.says(*device, json.dumps(output("ata_once_at_threshold")))
    called = Smartctl(str(fake.program))
    called.scan()
    called.read([device])
    called.start_test(device, "long")
    typed = (fake.folder / "calls").read_text().splitlines()
    assert len(typed) == 3

    def may(command: str) -> bool:
        patterns = (line if line[0] == "^" else re.escape(line) for line in allowed)
        return any(re.fullmatch(each, command) for each in patterns)

    assert [may(each) for each in typed] == [True] * 3
    worse = [f"{each} -s off" for each in typed] + [f"-s off {each}" for each in typed]
    worse += ["--json -x -n standby -d sat /etc/shadow", "--json -t short,force -d sat /dev/sda"]
    assert not any(map(may, worse))
