"""Outputs of smartctl, read: golden folders, whole folders of real ones, and broken ones."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from daemon.smart.attributes import MOST_COUNT
from daemon.smart.reading import read
from daemon.smart.source import SmartSettings, SmartSource
from spindle.catalog import METRICS
from spindle.models import DeviceFacts, DeviceMetric, decode, parse
from spindle.settings import load
from tests.servers import ROOT

NOW = 1_780_000_000 * 10**9
GOLDEN = ROOT / "tests" / "golden" / "smart"
CASES = sorted(path.name for path in GOLDEN.iterdir())
#: Outputs of real drives, where somebody has them; none of it is part of the project.
REAL = Path(os.environ.get("SPINDLE_TEST_SMART", ROOT.parent / "shared" / "smartctl"))
BYTES = {"LifetimeRead", "LifetimeWritten"}


def output(case: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((GOLDEN / case / "drive.json").read_text())
    return found


@pytest.mark.parametrize("case", CASES)
def test_a_drive_says_what_stands_beside_it(case: str) -> None:
    reading = read(output(case))
    expected = json.loads((GOLDEN / case / "expected.json").read_text())
    assert {
        "device_id": reading.device_id,
        "path": reading.path,
        "asleep": reading.asleep,
        "trouble": reading.trouble,
        "facts": dict(reading.facts),
        "metrics": dict(reading.metrics),
    } == expected


def test_a_sas_drive_whose_temperature_log_says_0_says_it_in_its_environmental_reports() -> None:
    said = output("sas_grown_defects") | {
        "temperature": {"current": 0, "drive_trip": 0},
        "scsi_environmental_reports": {
            "temperature_1": {"current": 38, "lifetime_maximum": 42, "lifetime_minimum": 19}
        },
    }
    metrics = read(said).metrics
    assert metrics["DiskTemp"] == 38
    assert (metrics["TempLifetimeMin"], metrics["TempLifetimeMax"]) == (19, 42)
    assert "TempTrip" not in metrics


@pytest.mark.parametrize("case", CASES)
def test_every_metric_is_in_the_catalogue_with_its_unit(case: str) -> None:
    assert set(read(output(case)).metrics) <= set(METRICS)


@pytest.mark.parametrize("bit", range(8))
@pytest.mark.parametrize("case", ["ata_once_at_threshold", "sas_grown_defects"])
def test_no_bit_of_the_exit_status_drops_a_drive_that_was_read(case: str, bit: int) -> None:
    """Only bit 3 says that it is failing; what once was at its threshold is a temperature."""
    said = output(case)
    said["smartctl"]["exit_status"] = 1 << bit
    metrics = read(said).metrics
    assert metrics["PowerOnHours"] > 0
    assert metrics["SmartFailing"] == (bit == 3)
    if case.startswith("ata"):
        assert metrics["AttributesFailing"] == (bit == 4)
        assert metrics["AttributesFailedBefore"] == 0


def broken(said: dict[str, Any], random: Random) -> Iterator[Any]:
    """The same output with one leaf or branch null, gone, as text, nested, or absurd."""
    for _ in range(60):
        damaged = copy.deepcopy(said)
        node: Any = damaged
        while True:
            keys = list(node) if isinstance(node, dict) else list(range(len(node)))
            if not keys:
                break
            key = random.choice(keys)
            if isinstance(node[key], dict | list) and node[key] and random.random() < 0.8:
                node = node[key]
                continue
            choices: list[Any] = [
                None,
                str(node[key]),
                [],
                {},
                True,
                -1,
                1e308,
                "\0\n",
                2**70,
                [node[key]],
            ]
            node[key] = random.choice(choices)
            break
        yield damaged
    for key in said:
        yield {name: value for name, value in said.items() if name != key}
    yield dict(reversed(said.items()))


@pytest.mark.parametrize("case", CASES)
def test_a_broken_output_never_crashes_and_what_is_said_can_be_published(
    case: str, tmp_path: Path
) -> None:
    random = Random(case)
    for number, damaged in enumerate(broken(output(case), random)):
        (tmp_path / f"{number}.json").write_text(json.dumps(damaged))
    for number, damaged in enumerate((None, [], "", 7, {"smartctl": None}, {"device": []})):
        (tmp_path / f"x{number}.json").write_text(json.dumps(damaged))
    whole = json.dumps(output(case))
    (tmp_path / "truncated.json").write_text(whole[: len(whole) // 2])
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe{}")
    metrics, facts = published(tmp_path)
    assert all(point.metric_type in METRICS for point in metrics)
    assert {each.device_id for each in facts} <= {point.device_id for point in metrics}


@pytest.mark.parametrize("case", ["ata_failing_since_yesterday", "nvme_every_warning"])
def test_a_failing_drive_whose_output_is_damaged_is_never_said_to_be_well(case: str) -> None:
    for damaged in broken(output(case), Random(1)):
        said = read(damaged).metrics
        bits = damaged.get("smartctl") or {}
        status = bits.get("exit_status") if isinstance(bits, dict) else None
        passed = damaged.get("smart_status") or {}
        if status == output(case)["smartctl"]["exit_status"] or (
            isinstance(passed, dict) and passed.get("passed") is False
        ):
            assert said.get("SmartFailing") == 1


def published(folder: Path, **given: object) -> tuple[list[DeviceMetric], list[DeviceFacts]]:
    settings = load(SmartSettings, smart_json_dir=str(folder), **given)
    metrics, facts = [], []
    for message in SmartSource(settings, hostname="nas").read(NOW):
        for item in decode(message.payload):
            if message.subject.startswith("events.facts."):
                facts.append(parse(DeviceFacts, item, NOW))
            else:
                metrics.append(parse(DeviceMetric, item, NOW))
    return metrics, facts


def golden(folder: Path, *cases: str) -> Path:
    for case in cases:
        (folder / f"{case}.json").write_text(json.dumps(output(case)))
    return folder


def test_a_folder_of_outputs_is_published_each_drive_under_its_own_name(tmp_path: Path) -> None:
    metrics, facts = published(golden(tmp_path, "sas_grown_defects", "raid_member", "not_opened"))
    assert {each.device_id: (each.host, each.member, each.serial) for each in facts} == {
        "naa.5000c500a1b2c3d4": ("nas", None, "W7"),
        "naa.5000cca000000008": ("nas", "megaraid,5", "PN8"),
    }
    values = {(point.device_id, point.metric_type): point.value for point in metrics}
    assert values["naa.5000c500a1b2c3d4", "GrownDefects"] == 212
    assert values["naa.5000c500a1b2c3d4", "Asleep"] == 0
    assert {point.array_id for point in metrics} == {"nas"}


def test_two_drives_that_claim_one_name_stay_two_and_one_read_twice_stays_one(
    tmp_path: Path,
) -> None:
    golden(tmp_path, "sas_grown_defects")
    again = output("sas_grown_defects") | {"scsi_grown_defect_list": 213}
    (tmp_path / "sas_grown_defects_later.json").write_text(json.dumps(again))
    other = output("raid_member") | {"serial_number": "REDACTED"}
    (tmp_path / "blotted-1.json").write_text(json.dumps(other))
    (tmp_path / "blotted-2.json").write_text(json.dumps(other))
    metrics, facts = published(tmp_path)
    assert {each.device_id for each in facts} == {
        *("naa.5000c500a1b2c3d4", "blotted-1", "blotted-2")
    }
    assert [p.value for p in metrics if p.metric_type == "GrownDefects"] == [213]


def test_serial_numbers_can_be_left_out(tmp_path: Path) -> None:
    _, (facts,) = published(golden(tmp_path, "sas_grown_defects"), smart_serials=False)
    assert facts.serial is None
    assert facts.model == "SEAGATE ST600MM0088"


@pytest.mark.skipif(not REAL.is_dir(), reason=f"there are no outputs of real drives at {REAL}")
def test_outputs_of_real_drives_hold_no_surprise(caplog: pytest.LogCaptureFixture) -> None:
    files = sorted(REAL.glob("*.json"))
    metrics, facts = published(REAL)
    told = [text for text in caplog.messages if "failed" in text]
    assert len(facts) + len(told) == len(files)
    assert {point.metric_type for point in metrics} <= set(METRICS)
    for point in metrics:
        known = METRICS[point.metric_type]
        assert 0 <= point.value < MOST_COUNT or point.metric_type in BYTES, point
        assert known.low - 15 <= point.value <= known.high, point
    hours = [point for point in metrics if point.metric_type == "PowerOnHours"]
    heat = [point for point in metrics if point.metric_type == "DiskTemp"]
    assert len(hours) == len(heat) == len(facts)
    assert all(each.model and each.protocol and each.path for each in facts)
