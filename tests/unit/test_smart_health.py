"""What stored SMART readings say of a device's health, its history read from a real store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from reader.gauges import count
from reader.health import hosts, summary, verdict
from reader.health.evidence import Evidence, Rules
from reader.health.limits import Thresholds
from reader.lookups.stored.shared_queries import SmartHistory
from reader.questions import devices
from reader.settings import ReaderSettings
from spindle.errors import InvalidSettings
from spindle.settings import Settings, load
from spindle.store.base import DeviceKey, EventRow, Latest, Selection, Series
from spindle.store.registry import open_store
from spindle.timestamps import NS

NOW = 1_780_000_000 * NS
DAY = 86_400 * NS
RULES = Rules(Thresholds(), stale_ns=300 * NS, event_ns=900 * NS)
DRIVE = DeviceKey("DiskUnit", "naa.5000c500a1b2c3d4", "nas")


def reading(metric: str, value: float, age_ns: int = NS) -> Latest:
    return Latest("DiskUnit", metric, DRIVE[1], "nas", NOW - age_ns, value)


def state(readings: Sequence[Latest], **more: object) -> tuple[str, list[str]]:
    (unit,) = verdict.judge(Evidence(readings, **more), RULES, NOW)  # type: ignore[arg-type]
    return unit.state, [reason.message for reason in unit.reasons]


def test_a_drive_that_says_that_it_fails_is_critical_however_well_its_host_finds_it() -> None:
    health, reasons = state([reading("Latency", 2.0), reading("SmartFailing", 1.0)])
    assert health == "critical"
    assert "says that it is failing" in reasons[0]


def test_counters_at_zero_are_well_and_pending_sectors_a_warning_with_the_rate() -> None:
    assert state([reading("SmartFailing", 0.0), reading("PendingSectors", 0.0)])[0] == "ok"
    health, reasons = state([reading("SmartFailing", 0.0), reading("PendingSectors", 12.0)])
    assert health == "warning"
    assert reasons[0].startswith(
        "12 pending sectors (attribute 197 Current_Pending_Sector); drives"
    )


def test_a_quarter_of_an_hour_is_no_silence_of_a_drive_that_says_only_smart_values() -> None:
    known = {"intervals": {DRIVE: 0.0}}
    assert state([reading("PendingSectors", 0.0, 1000 * NS)], **known)[0] == "ok"


def test_a_sleeping_drive_is_said_to_sleep_and_what_it_said_before_counts() -> None:
    values = [reading("Asleep", 1.0), reading("PendingSectors", 3.0, 7200 * NS)]
    health, reasons = state(values)
    assert health == "warning"
    assert any("asleep" in reason and "2 h" in reason for reason in reasons)


@pytest.mark.parametrize(
    ("before", "now", "health"),
    [
        ((10.0, 10.0), 10.0, "ok"),  # for 31 days
        ((10.0, 10.0), 20.0, "critical"),  # ten since yesterday
        ((8.0, 10.0), 10.0, "warning"),  # within the month
    ],
)
async def test_change_counts_more_than_level(
    tmp_path: Path, before: tuple[float, float], now: float, health: str
) -> None:
    store = open_store(
        load(Settings, store_url=f"sqlite:///{tmp_path}/x.db", retention_hours=0), writing=True
    )
    series = Series("DiskUnit", "ReallocatedSectors", DRIVE[1], "nas")
    try:
        await store.prepare()
        times = ((30, before[0]), (29, before[0]), (10, before[1]), (2, before[1]))
        points = [(series, NOW - int(days * DAY) - NS, value) for days, value in times]
        await store.write_points([*points, (series, NOW - NS, now)])
        readings = await store.latest(Selection(), NOW - DAY)
        growths = await SmartHistory().growths(store, readings)
    finally:
        await store.close()
    assert growths[DRIVE]["ReallocatedSectors"].month == now - before[0]
    assert state(readings, growths=growths)[0] == health


def at(array: str, device: str, value: float, age_s: int = 1) -> Latest:
    return Latest("DiskUnit", "DiskTemp", device, array, NOW - age_s * NS, value)


def test_two_hosts_with_an_sda_each_have_two_devices() -> None:
    readings = [at("hostA", "sda", 70.0), at("hostB", "sda", 35.0)]
    units = verdict.judge(Evidence(readings), RULES, NOW)
    assert [(unit.array_id, unit.state) for unit in units] == [
        ("hostA", "critical"),
        ("hostB", "ok"),
    ]
    assert units[0].reasons[0].message.startswith("hostA: DiskTemp 70 degC")
    rows = [devices.row(unit, None) for unit in hosts.units(readings)]
    assert [(row["array_id"], row["metrics"]["DiskTemp"]["value"]) for row in rows] == [
        ("hostA", 70.0),
        ("hostB", 35.0),
    ]


def test_a_silent_sda_is_not_taken_for_the_one_of_another_host() -> None:
    units = verdict.judge(
        Evidence([at("hostA", "sda", 30.0, 4000), at("hostB", "sda", 35.0)]), RULES, NOW
    )
    assert [(unit.array_id, unit.state) for unit in units] == [
        ("hostA", "unknown"),
        ("hostB", "ok"),
    ]


def test_a_drive_that_goes_on_under_another_host_has_moved_and_is_listed_once() -> None:
    readings = [at("hostA", DRIVE[1], 70.0, 4000), at("hostB", DRIVE[1], 35.0)]
    units = verdict.judge(Evidence(readings), RULES, NOW)
    assert [(unit.array_id, unit.state) for unit in units] == [("hostB", "ok")]
    assert [unit.key.array_id for unit in hosts.units(readings)] == ["hostB"]


def test_a_bay_of_that_name_is_another_one_in_each_array_however_long_it_is_silent() -> None:
    readings = [at("hostA", "bay-2", 30.0, 4000), at("hostB", "bay-2", 35.0)]
    assert [unit.key.array_id for unit in hosts.units(readings)] == ["hostA", "hostB"]
    assert count(readings, NOW - 60 * NS) == (2, 1)
    moved = [at("hostA", DRIVE[1], 30.0, 4000), at("hostB", DRIVE[1], 35.0)]
    assert count(moved, NOW - 60 * NS) == (1, 0)


def test_an_event_of_one_hosts_sda_is_none_of_the_others() -> None:
    event = EventRow(NOW - NS, "e", "DiskUnit", "DriveFailure", "sda", "hostB", 9, "")
    judged = verdict.judge(Evidence([at("hostA", "sda", 30.0)], [event]), RULES, NOW)
    assert [(u.array_id, u.state) for u in judged] == [("hostA", "ok"), ("hostB", "critical")]
    no_host = replace(event, array_id="")
    judged = verdict.judge(Evidence([at("hostA", "sda", 30.0)], [no_host]), RULES, NOW)
    assert [(u.array_id, u.state) for u in judged] == [("hostA", "critical")]


@pytest.mark.parametrize(
    ("failing", "redundancy", "health"),
    [(1, {"nas": 2}, "warning"), (2, {"nas": 2}, "critical"), (1, {"nas": 1}, "critical"),
     (1, {}, "critical"), (0, {"nas": 2}, "ok")],
)  # fmt: skip
def test_one_failing_member_of_a_raid_6_is_a_warning_and_two_are_critical(
    failing: int, redundancy: dict[str, int], health: str
) -> None:
    members = [
        Latest("DiskUnit", name, f"naa.{n}", "nas", NOW - NS, value)
        for n in range(6)
        for name, value in (("SmartFailing", float(n < failing)), ("PendingSectors", 0.0))
    ]
    units = verdict.judge(Evidence(members), RULES, NOW)
    fleet = summary.of_fleet(units, None if health != "ok" else "ok", 10, redundancy=redundancy)
    assert [array["health"] for array in fleet["arrays"]] == [health]


def test_array_redundancy_is_read_and_a_mistake_is_a_sentence() -> None:
    assert load(ReaderSettings, array_redundancy="md0=2, tank=1").redundancy() == {
        "md0": 2,
        "tank": 1,
    }
    with pytest.raises(InvalidSettings) as mistake:
        load(ReaderSettings, array_redundancy="md0=raid6")
    assert "expected array=number" in str(mistake.value.mistakes)
