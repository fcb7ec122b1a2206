"""One drive that is well, changed in one place at a time: what an engineer would say of each.

Where a verdict was known to go wrong elsewhere, the report is named (project and number).
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.unit.test_check_drive import beside
from tools.check_drive import as_object, check

Output = dict[str, Any]
NAMES = {
    1: "Raw_Read_Error_Rate",
    3: "Spin_Up_Time",
    4: "Start_Stop_Count",
    7: "Seek_Error_Rate",
    5: "Reallocated_Sector_Ct",
    9: "Power_On_Hours",
    10: "Spin_Retry_Count",
    12: "Power_Cycle_Count",
    22: "Helium_Level",
    183: "Runtime_Bad_Block",
    184: "End-to-End_Error",
    187: "Reported_Uncorrect",
    188: "Command_Timeout",
    189: "High_Fly_Writes",
    190: "Airflow_Temperature_Cel",
    194: "Temperature_Celsius",
    196: "Reallocated_Event_Count",
    197: "Current_Pending_Sector",
    200: "Multi_Zone_Error_Rate",
    198: "Offline_Uncorrectable",
    199: "UDMA_CRC_Error_Count",
    231: "SSD_Life_Left",
    169: "Remaining_Lifetime_Perc",
    177: "Wear_Leveling_Count",
    202: "Percent_Lifetime_Remain",
    171: "Program_Fail_Count",
    172: "Erase_Fail_Count",
    233: "Media_Wearout_Indicator",
}


def said(output: Output) -> dict[str, Any]:
    return as_object(check("drive.json", json.dumps(output).encode()))


def states(output: Output) -> tuple[str, list[str]]:
    """The health, and the metrics named for it with their severity."""
    found = said(output)
    named = [f"{each['metric_type']} {each['severity']}" for each in found["reasons"]]
    return found["health"], named


def attribute(number: int, raw: int | str, value: int = 100, **more: Any) -> Output:
    """One row of the table; ``raw`` as text where several numbers stand in it."""
    packed = raw if isinstance(raw, str) else str(raw)
    worth = more.pop("worth", raw if isinstance(raw, int) else int(packed.split()[0]))
    name = more.pop("name", NAMES.get(number, "Unknown_Attribute"))
    row = {"id": number, "name": name, "value": value, "worst": value, "thresh": 0}
    raws = {"value": worth, "string": packed}
    return {**row, "when_failed": "", "flags": {"prefailure": True}, **more, "raw": raws}


def ata(*rows: Output, status: int = 0, **more: Any) -> Output:
    """A disk of 7,200 rpm that is well, but for these attributes."""
    base = beside("disk-well", "smartctl.json")
    changed = {row["id"] for row in rows}
    kept = [row for row in base["ata_smart_attributes"]["table"] if row["id"] not in changed]
    smartctl = {**base["smartctl"], "exit_status": status}
    return {**base, "smartctl": smartctl, "ata_smart_attributes": {"table": [*kept, *rows]}, **more}


def ssd(*rows: Output, **more: Any) -> Output:
    return ata(*rows, **{"rotation_rate": 0, "model_name": "ACME FLASH SATA", **more})


def nvme(status: int = 0, passed: bool = True, version: tuple[int, int] = (7, 4),
         **log: Any) -> Output:  # fmt: skip
    base = beside("nvme-well", "smartctl.json")
    key = "nvme_smart_health_information_log"
    bits = log.get("critical_warning", 0)
    return {
        **base,
        "smartctl": {"version": list(version), "exit_status": status},
        "smart_status": {"passed": passed, "nvme": {"value": bits}},
        key: {**base[key], **log},
    }


def sas(**more: Any) -> Output:
    return {**beside("sas-well", "smartctl.json"), **more}


def errors(**uncorrected: int) -> Output:
    return {name: {"total_uncorrected_errors": count} for name, count in uncorrected.items()}


def exits(output: Output, status: float) -> Output:
    return {**output, "smartctl": {**output["smartctl"], "exit_status": status}}


def self_test(*tests: tuple[str, int]) -> Output:
    """The log, newest first: ``short`` or ``long``, and the status as the drive has it."""
    rows = [
        {
            "type": {"value": {"short": 1, "long": 2}[kind]},
            "status": {"value": value, "passed": value < 16},
            "lifetime_hours": 19_000 - place,
        }
        for place, (kind, value) in enumerate(tests)
    ]
    return {"ata_smart_self_test_log": {"extended": {"table": rows}}}


FAILED, PASSED, ABORTED, RUNNING = 0x79, 0x00, 0x18, 0xF9
NOW, PAST = {"when_failed": "now"}, {"when_failed": "past"}
OF_AGE = {"flags": {"prefailure": False}}


@pytest.mark.parametrize(
    ("raw", "health", "chance"),
    [
        ({5: 1}, "ok", 2.7),
        ({5: 3}, "ok", 2.7),
        ({5: 4}, "warning", 7.2),
        ({5: 100}, "warning", 30.4),
        ({5: 5000}, "critical", 86.0),
        ({197: 1}, "warning", 29.0),
        ({197: 8}, "warning", 46.4),
        ({197: 39}, "warning", 61.6),
        ({197: 100}, "critical", 91.9),
        ({198: 1}, "warning", 47.0),
        ({198: 100}, "critical", 56.0),
        ({187: 1}, "warning", 24.6),
        ({187: 100}, "critical", 80.2),
        ({10: 1}, "warning", 42.7),
        ({184: 1}, "warning", 2.5),
        ({196: 3}, "ok", 3.1),
        ({196: 40}, "warning", 21.9),
        ({5: 5000, 197: 1}, "critical", 86.0),  # they go together: the worst of them
    ],
    ids=str,
)
def test_sectors_of_a_disk(raw: dict[int, int], health: str, chance: float) -> None:
    found = said(ata(*(attribute(number, value) for number, value in raw.items())))
    assert found["health"] == health
    assert 100 * found["annual_failure_probability"] == pytest.approx(chance, abs=0.3)
    worst = found["reasons"][0]
    number = next(iter(raw))
    assert f"attribute {number} " in worst["message"]
    assert worst["value"] == raw[number]
    assert f"{raw[number]:,}" in worst["message"]


@pytest.mark.parametrize(
    ("row", "health", "named"),
    [
        # Several counters in one raw value.
        (attribute(188, 137_441_050_656), "ok", "CommandTimeouts ok"),  # smartmontools#184
        (attribute(188, "0 0 0"), "ok", ""),
        (attribute(188, 2), "ok", "CommandTimeouts ok"),  # scrutiny#260
        (attribute(5, "3 (0 1)", worth=65_539), "ok", "ReallocatedSectors ok"),
        (attribute(5, 8_589_934_592_000), "ok", ""),  # Fujitsu
        (attribute(196, 484_442_112), "ok", ""),  # Fujitsu
        (attribute(1, 192_564_600), "ok", ""),  # scrutiny#271
        (attribute(7, 66_939_600), "ok", ""),
        (attribute(9, "38098 (190 82 0)", worth=90_369_430_484_178), "ok", ""),  # beszel#1347
        (attribute(183, 3), "ok", ""),  # scrutiny#477
        (attribute(189, 38), "ok", ""),
        (attribute(200, 7), "ok", ""),
        (attribute(4, 90_000), "ok", ""),
        (attribute(22, 100), "ok", ""),
        (attribute(22, 98, 98), "warning", "HeliumLevel warning"),
        (attribute(22, 40, 40), "critical", "HeliumLevel critical"),
        # A cable.
        (attribute(199, 1), "ok", "CrcErrors ok"),
        (attribute(199, 644), "warning", "CrcErrors warning"),
        (attribute(199, 5_000_000), "warning", "CrcErrors warning"),
        # The maker's thresholds. Heat is no damage, and use is none that is now.
        (attribute(5, 4000, 3, thresh=36, **NOW), "critical", "AttributesFailing critical"),
        (attribute(1, 7, 1, thresh=51, **NOW), "critical", "AttributesFailing critical"),
        (attribute(3, 9000, 20, thresh=21, **PAST), "warning", "AttributesFailedBefore warning"),
        (attribute(184, 3, 97, thresh=99, **NOW, **OF_AGE), "critical",
         "AttributesFailing critical"),
        (attribute(4, 90_000, 15, thresh=20, **NOW, **OF_AGE), "warning",
         "AttributesFailedBefore warning"),
        (attribute(190, 62, 38, thresh=45, **NOW, **OF_AGE), "warning",
         "TemperatureOutOfRange warning"),
        (attribute(190, 39, 61, thresh=45, **PAST, **OF_AGE), "ok", ""),  # ugreen_leds#56
    ],
    ids=lambda value: f"{value['id']}-{value['raw']['string']}" if isinstance(value, dict) else "",
)  # fmt: skip
def test_an_attribute_of_a_disk(row: Output, health: str, named: str) -> None:
    output = ata(row, model_family="Seagate BarraCuda")
    found, reasons = states(output)
    assert (found, reasons[:1]) == (health, [named] * bool(named))
    if row["when_failed"] and row["id"] != 190:
        told = said(output)["reasons"][0]["message"]
        assert f"{row['id']} {row['name']} (value {row['value']}" in told


@pytest.mark.parametrize("status", [-1, 256, 1e300])
def test_an_exit_status_that_no_program_has_says_nothing(status: float) -> None:
    assert states(exits(ata(), status))[0] == "unknown"


def test_exit_bit_5_of_a_hot_past_is_explained_by_it() -> None:
    assert states(ata(status=32)) == ("warning", ["AttributesFailedBefore warning"])
    hot = attribute(190, 39, 61, thresh=45, **PAST, **OF_AGE)
    assert states(ata(hot, status=32)) == ("ok", [])


@pytest.mark.parametrize("base", [ata(), ssd(), nvme(), sas()], ids=["ata", "ssd", "nvme", "sas"])
@pytest.mark.parametrize(
    ("bits", "health"),
    [(0, "ok"), (1, "ok"), (2, "ok"), (4, "ok"), (8, "critical"), (8 | 64, "critical"),
     (4 | 8, "critical"), (64, "ok"), (128, "warning")],
)  # fmt: skip
def test_an_exit_status_of_a_drive_that_answered(base: Output, bits: int, health: str) -> None:
    """netdata#21404 (64), #21854 (32), smartmontools#646 (4): the drive was read."""
    assert said(exits(base, bits))["health"] == health


@pytest.mark.parametrize(
    ("log", "health"),
    [
        ([("short", PASSED)], "ok"),
        ([("short", FAILED)], "warning"),  # netdata#18634
        ([("short", PASSED), ("long", FAILED)], "warning"),  # a short one does not make up for it
        ([("long", PASSED), ("long", FAILED)], "ok"),
        ([("short", PASSED), ("long", PASSED), ("short", FAILED)], "ok"),
        ([("short", ABORTED), ("short", FAILED)], "warning"),
        ([("long", ABORTED), ("long", PASSED)], "ok"),
        ([("long", RUNNING), ("short", FAILED)], "warning"),
        ([("short", 0x59)], "warning"),  # electrical
        ([("short", ABORTED)], "ok"),
    ],
    ids=str,
)
def test_self_tests(log: list[tuple[str, int]], health: str) -> None:
    found = said(ata(**self_test(*log)))
    assert found["health"] == health
    if health == "warning":
        words = (
            r"a self-test failed, and no long one has passed since \(1,00\d hours of power ago\)"
        )
        assert re.fullmatch(words, found["reasons"][0]["message"])
    rows = [
        {
            "self_test_code": {"value": {"short": 1, "long": 2}[kind]},
            "self_test_result": {"value": {PASSED: 0, ABORTED: 1}.get(value, 7)},
            "power_on_hours": 4_000,
        }
        for kind, value in log
        if value != RUNNING
    ]
    of_flash = {**nvme(version=(7, 5)), "nvme_self_test_log": {"table": rows}}
    assert said(of_flash)["health"] == health
    of_sas = {
        f"scsi_self_test_{place}": {
            "code": {"value": {"short": 1, "long": 2}[kind]},
            "result": {"value": {PASSED: 0, ABORTED: 1, RUNNING: 15}.get(value, 5)},
        }
        for place, (kind, value) in enumerate(log)
    }
    assert said(sas(**of_sas))["health"] == health


def statistic(page: int, offset: int, value: int) -> Output:
    row = {"offset": offset, "value": value, "flags": {"valid": True}}
    return {"ata_device_statistics": {"pages": [{"number": page, "table": [row]}]}}


@pytest.mark.parametrize(
    ("output", "named"),
    [
        (ata(ata_pending_defects_log={"size": 65_535, "count": 7}), ["PendingSectors warning"]),
        (ata(ata_pending_defects_log={"size": 65_535, "count": 0}), []),
        (ata(attribute(197, 12), ata_pending_defects_log={"count": 0}), ["PendingSectors warning"]),
        (ata(ata_pending_defects_log={"count": 2**32 - 1}), []),  # no drive counts as far
        (ata(attribute(187, 3), **statistic(4, 8, 0)), ["ReportedUncorrectable warning"]),
        (ata(**statistic(4, 8, 3)), ["ReportedUncorrectable warning"]),
        (ata(**statistic(3, 32, 5_000)), ["ReallocatedSectors critical"]),
        (ata(attribute(5, 5), **statistic(3, 32, 40)), ["ReallocatedSectors warning"]),
        (ata(**statistic(3, 32, 2**32 - 1)), []),
    ],
)
def test_one_count_of_errors_that_says_zero_hides_no_other(
    output: Output, named: list[str]
) -> None:
    assert states(output)[1] == named


@pytest.mark.parametrize(
    ("hours", "of", "why", "health"),
    [
        (20_000, 19_900, "UNC at LBA = 0x0f = 15", "warning"),
        (20_000, 19_279, "UNC at LBA = 0x0f = 15", "ok"),  # 721 hours ago
        (20_000, 19_900, "IDNF at LBA = 0x0f = 15", "ok"),  # the host may have asked beyond the end
        (20_000, 19_900, "ICRC, ABRT 8 sectors at LBA = 0x0f = 15", "ok"),  # a cable
        (66_000, 400, "UNC 8 sectors at LBA = 0x0f = 15", "warning"),  # begun anew at 65,536
        (100_161, 7_042, "UNC at LBA = 0x0f = 15", "ok"),
    ],
)
def test_reads_that_failed_lately_are_a_warning(hours: int, of: int, why: str, health: str) -> None:
    row = {"error_number": 98, "lifetime_hours": of, "error_description": f"Error: {why}"}
    log = {"extended": {"count": 98, "table": [row, {"lifetime_hours": None}, None]}}
    found = said(ata(ata_smart_error_log=log, power_on_time={"hours": hours}, status=64))
    named = {each["metric_type"]: each["severity"] for each in found["reasons"]}
    assert named.get("RecentReadFailures", "ok") == health


def test_an_nvme_drive_without_a_count_of_media_errors_is_not_called_ok() -> None:
    assert said(nvme(media_errors=2**100))["health"] == "unknown"


def test_a_failed_self_test_that_stands_in_no_log() -> None:
    status = {"value": 121, "string": "completed having the read element failed", "passed": False}
    assert states(ata(ata_smart_data={"self_test": {"status": status}})) == (
        "warning", ["SelfTestFailed warning"]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "health", "named"),
    [
        ([attribute(177, 210, 88)], "ok", []),
        ([attribute(177, 2981, 1)], "warning", ["PercentageUsed warning"]),  # check_smart#73
        ([attribute(169, 0, 0)], "critical", ["PercentageUsed critical"]),  # check_smart#96
        ([attribute(231, 7, 7)], "warning", ["PercentageUsed warning"]),
        ([attribute(231, 96, 0)], "ok", []),  # the normalised value is not kept up
        ([attribute(233, 0, 1)], "warning", ["PercentageUsed warning"]),  # check_smart#86
        ([attribute(230, 0x80008, 3, name="Media_Wearout_Indicator")], "ok", []),  # zbx#148
        ([attribute(233, 900, 0, name="Flash_Writes_GiB")], "ok", []),  # zbx-smartctl#118
        ([attribute(202, 99, 1, thresh=1, **NOW, **OF_AGE)], "critical",
         ["AttributesFailing critical", "PercentageUsed warning"]),  # check_smart#66
        ([attribute(173, 83, 40, name="Avg_Block-Erase_Count")], "ok", []),
        ([attribute(232, 0, 0, thresh=5, name="Perc_Avail_Resrvd_Space", **NOW)], "critical",
         ["AttributesFailing critical", "AvailableSpare critical"]),  # smartmontools#163
        # Spare blocks run low before the maker's threshold is reached.
        ([attribute(232, 0, 20, thresh=10, name="Available_Reservd_Space")], "warning",
         ["AvailableSpare warning"]),
        ([attribute(179, 900, 20, thresh=10, name="Used_Rsvd_Blk_Cnt_Tot")], "warning",
         ["AvailableSpare warning"]),
        ([attribute(232, 0, 20, name="Available_Reservd_Space")], "ok", []),  # without a threshold
        # Crucial's raw value counts what is used, Phison's what is left.
        ([attribute(202, 100, 0)], "critical", ["PercentageUsed critical"]),
        ([attribute(202, 96, 4, name="Percent_Lifetime_Used")], "warning",
         ["PercentageUsed warning"]),
        ([attribute(5, 4)], "ok", ["ReallocatedSectors ok"]),
        ([attribute(5, 60)], "warning", ["ReallocatedSectors warning"]),
        ([attribute(187, 1)], "warning", ["ReportedUncorrectable warning"]),
        ([attribute(197, 1)], "warning", ["PendingSectors warning"]),
        ([attribute(197, 9, name="Current_Pending_ECC_Cnt")], "ok", []),  # scrutiny#757
        ([attribute(198, 3)], "warning", ["OfflineUncorrectable warning"]),
        ([attribute(197, 1, name="Bogus_Current_Pend_Sect")], "ok", []),  # flips
        ([attribute(199, 25_000, name="Host_Writes_GiB")], "ok", []),
        ([attribute(198, 2, name="Uncor_Read_Error_Ct")], "warning",
         ["OfflineUncorrectable warning"]),
        ([attribute(171, 3), attribute(172, 2)], "ok", ["ProgramFails ok", "EraseFails ok"]),
        ([attribute(171, 150)], "warning", ["ProgramFails warning"]),
        ([attribute(10, 5)], "ok", []),  # it does not turn
    ],
)  # fmt: skip
def test_a_solid_state_drive(rows: list[Output], health: str, named: list[str]) -> None:
    output = ssd(*rows)
    assert states(output) == (health, named)
    assert said(output)["annual_failure_probability"] is None


@pytest.mark.parametrize(
    ("output", "health", "first"),
    [
        (nvme(critical_warning=1, status=8, passed=False), "critical", "SmartFailing"),
        (nvme(critical_warning=2, status=8, passed=False), "warning", "TemperatureOutOfRange"),
        (nvme(critical_warning=3, status=8, passed=False), "critical", "SmartFailing"),
        (nvme(critical_warning=4), "critical", "ReliabilityDegraded"),
        (nvme(critical_warning=8), "critical", "MediaReadOnly"),
        (nvme(critical_warning=16), "critical", "BackupFailed"),
        (nvme(critical_warning=32), "critical", "PersistentMemoryUnreliable"),
        # smartmontools#537: worn out, and says that it fails, with every spare block left.
        (nvme(critical_warning=4, percentage_used=100, status=8, passed=False), "critical",
         "SmartFailing"),
        (nvme(available_spare=9), "critical", "AvailableSpare"),
        (nvme(available_spare=25), "warning", "AvailableSpare"),
        (nvme(available_spare=98), "ok", ""),
        (nvme(available_spare=64, available_spare_threshold=255, percentage_used=255), "ok", ""),
        (nvme(available_spare=0, available_spare_threshold=0), "ok", ""),
        (nvme(percentage_used=49), "ok", ""),
        (nvme(percentage_used=75), "ok", "PercentageUsed"),
        (nvme(percentage_used=92), "warning", "PercentageUsed"),
        (nvme(percentage_used=100), "critical", "PercentageUsed"),
        (nvme(percentage_used=253), "critical", "PercentageUsed"),
        (nvme(media_errors=1), "warning", "MediaErrors"),
        (nvme(media_errors=500), "critical", "MediaErrors"),
        (nvme(num_err_log_entries=90_000), "ok", ""),
        (nvme(unsafe_shutdowns=900, warning_temp_time=90, critical_comp_time=9), "ok", ""),
        ({**nvme(), "temperature": {"current": 82}}, "warning", "DiskTemp"),
        ({**nvme(temperature=-8), "temperature": {"current": -8}}, "ok", ""),
    ],
)  # fmt: skip
def test_an_nvme_drive(output: Output, health: str, first: str) -> None:
    found, named = states(output)
    assert found == health
    assert (named[0].split()[0] if named else "") == first


def test_spare_that_smartctl_takes_from_attribute_5_is_none() -> None:
    """A Solidigm D3-S4520 with its whole reserve and no block reallocated: smartctl says 12 %."""
    taken = ssd(attribute(5, 0, 12), spare_available={"current_percent": 12})
    assert states(taken) == ("ok", [])
    whole = {"current_percent": 12, "threshold_percent": 10}
    assert states(ssd(spare_available=whole)) == ("warning", ["AvailableSpare warning"])
    reserve = attribute(232, 0, 100, thresh=10, name="Available_Reservd_Space")
    assert states(ssd(reserve, spare_available=whole)) == ("ok", [])


@pytest.mark.parametrize("more", [{"model_name": "ACME SSD 1T"}, {"trim": {"supported": True}}])
def test_flash_behind_a_bridge_that_hides_its_rotation_is_judged_as_flash(more: Output) -> None:
    output = without(ata(attribute(5, 20), **more), "rotation_rate")
    assert states(output) == ("ok", ["ReallocatedSectors ok"])
    assert said(output)["annual_failure_probability"] is None
    shingled = ata(attribute(5, 20), rotation_rate=5400, trim={"supported": True})
    assert said(shingled)["health"] == "warning"


def test_of_flash_that_smartctl_does_not_know_the_names_of_disks_are_guesses() -> None:
    """beszel#2296: an attribute 198 above zero, well by its maker's own value."""
    unknown = {"in_smartctl_database": False}
    assert states(ssd(attribute(198, 60), **unknown)) == ("ok", [])
    assert states(ssd(attribute(198, 60, 98), **unknown))[0] == "warning"
    assert states(ssd(attribute(198, 60), in_smartctl_database=True))[0] == "warning"
    assert states(ata(attribute(198, 60), **unknown))[0] == "critical"  # it turns


@pytest.mark.parametrize(
    ("output", "health"),
    [
        # PASSED, and 624 sectors cannot be read (olafkfreund/nixos_config#1259).
        (ata(attribute(5, 2872), attribute(197, 624), attribute(198, 624)), "critical"),
        (nvme(media_errors=3, available_spare=53, percentage_used=2), "warning"),  # scrutiny#729
        (ata(attribute(188, 4_295_032_833)), "ok"),  # scrutiny#1072: 1 1 1
        (ata(attribute(188, 8_590_065_668)), "ok"),  # smartmontools#452: 2 2 4
        (ata(attribute(1, 113_191_894, 71, thresh=44)), "ok"),  # snapraid-daemon#72
        (ssd(temperature={"current": 0}), "ok"),  # Starosdev/scrutiny#587
    ],
)  # fmt: skip
def test_what_others_were_told_wrongly(output: Output, health: str) -> None:
    assert said(output)["health"] == health


def test_a_virtual_disk_whose_health_log_is_all_zeros_is_not_known_to_be_well() -> None:
    log = beside("nvme-well", "smartctl.json")["nvme_smart_health_information_log"]
    zeros: dict[str, Any] = dict.fromkeys(log, 0)
    found = said(nvme(**zeros))
    assert found["health"] == "unknown"
    assert "a health log of zeros" in found["reasons"][0]["message"]
    assert said(nvme(**{**zeros, "critical_warning": 4}))["health"] == "critical"


@pytest.mark.parametrize(
    ("output", "health", "first"),
    [
        (sas(scsi_grown_defect_list=1), "ok", "GrownDefects"),
        (sas(scsi_grown_defect_list=9, scsi_error_counter_log=errors(write=8)), "warning",
         "UncorrectedWrites"),  # nasty#369
        (sas(scsi_grown_defect_list=60), "warning", "GrownDefects"),
        (sas(scsi_grown_defect_list=3000), "critical", "GrownDefects"),
        (sas(scsi_error_counter_log=errors(read=1)), "warning", "UncorrectedReads"),
        (sas(scsi_error_counter_log=errors(verify=4)), "warning", "UncorrectedVerifies"),
        (sas(scsi_error_counter_log=errors(write=200)), "critical", "UncorrectedWrites"),
        (sas(scsi_nonmedium_error_count=160_000), "ok", ""),
        (sas(scsi_grown_defect_list=2**32 - 1), "ok", ""),  # every bit: there is no such count
        (sas(scsi_error_counter_log=errors(read=2**64 - 1, write=0)), "ok", ""),
        (sas(scsi_pending_defects={"count": 2}), "warning", "PendingSectors"),
        (sas(temperature={"current": 60, "drive_trip": 65}), "warning", "DiskTemp"),
        (sas(scsi_percentage_used_endurance_indicator=95, rotation_rate=0), "warning",
         "PercentageUsed"),
    ],
)  # fmt: skip
def test_a_sas_drive(output: Output, health: str, first: str) -> None:
    found, named = states(output)
    assert found == health
    assert (named[0].split()[0] if named else "") == first


def test_a_sas_drive_that_fails_says_why() -> None:
    sense = {"asc": 0x5D, "ascq": 0x10, "ie_string": "HARDWARE IMPENDING FAILURE GENERAL HARD"}
    found = said(exits(sas(smart_status={"passed": False, "scsi": sense}), 8))
    assert found["health"] == "critical"
    assert "FAILED): HARDWARE IMPENDING FAILURE GENERAL HARD" in found["reasons"][0]["message"]
    hot = {"asc": 0x0B, "ascq": 0x01, "ie_string": "WARNING - SPECIFIED TEMPERATURE EXCEEDED"}
    assert said(exits(sas(smart_status={"passed": False, "scsi": hot}), 8))["health"] == "warning"


@pytest.mark.parametrize(
    ("degrees", "rotation", "health"),
    [(54, 7200, "ok"), (60, 7200, "warning"), (60, 0, "ok"), (75, 0, "warning"), (-12, 7200, "ok"),
     (0, 7200, "ok"), (190, 7200, "warning")],
)  # fmt: skip
def test_hot_air_and_cold(degrees: int, rotation: int, health: str) -> None:
    output = ata(temperature={"current": degrees}, rotation_rate=rotation)
    assert said(output)["health"] == health


def without(output: Output, *names: str) -> Output:
    return {name: value for name, value in output.items() if name not in names}


OFF = {"available": True, "enabled": False}
NONE = {"available": False, "enabled": False}


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (without(ata(), "smart_status"), "no word of its overall health"),
        (without(ata(), "ata_smart_attributes"), "none of the counters"),
        (without(nvme(), "nvme_smart_health_information_log"), "no critical warnings"),
        (without(sas(), "scsi_grown_defect_list", "scsi_error_counter_log"), "none of the cou"),
        (without(ata(smart_support=OFF), "smart_status", "ata_smart_attributes"), "smartctl -s on"),
        ({"smartctl": {"exit_status": 0}, "smart_support": NONE}, "it has no SMART"),
        ({"smartctl": {"exit_status": 4}, "smart_support": OFF}, "smartctl -s on"),
        ({"smartctl": {"exit_status": 1, "messages": [
            {"string": "/dev/sdb: Unknown USB bridge [0x1234:0x5678 (0x100)]", "severity": "error"},
            {"string": "Please specify device type with the -d option.", "severity": "error"},
        ]}}, "Unknown USB bridge"),
        ({"smartctl": {"exit_status": 2, "messages": [
            {"string": "Device is in STANDBY mode, exit(2)", "severity": "information"},
        ]}}, "asleep (standby)"),
        ({"smartctl": {"exit_status": 2, "messages": [
            {"string": "Smartctl open device: /dev/sda failed: Permission denied"},
        ]}}, "Permission denied"),
        ({"smartctl": {"exit_status": 0}, "device": {"protocol": "SCSI"}}, "it says nothing"),
    ],
)  # fmt: skip
def test_where_there_is_nothing_to_judge_it_is_unknown_and_says_why(
    output: Output, words: str
) -> None:
    found = said(output)
    assert found["health"] == "unknown"
    assert words in found["reasons"][0]["message"]


def test_an_output_that_windows_redirected_or_with_a_damaged_letter_is_read() -> None:
    text = json.dumps({**ata(), "model_name": "ACME"})
    for content in (text.encode("utf-16"), text.encode("utf-8-sig"),
                    text.replace("ACME", "AC\xff").encode("latin-1")):  # fmt: skip
        assert check("drive.json", content).verdict.health == "ok"
    assert "--json" in check("x", b"smartctl 5.41 2011-06-09 r3365\n").verdict.reasons[0].message
