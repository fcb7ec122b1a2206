"""``fleet_health``: counts, arrays and the worst first; intervals learnt from readings."""

from __future__ import annotations

from collections import Counter

import pytest

from reader.health import summary, verdict
from reader.health.evidence import Evidence, Rules, Unit
from reader.health.intervals import Intervals, interval_of
from reader.health.limits import Thresholds
from spindle.store.base import Bucket, DeviceKey, EventRow, Latest
from spindle.timestamps import NS

NOW = 1_800_000_000 * NS
MINUTE_NS = 60 * NS
RULES = Rules(Thresholds(), stale_ns=120 * NS, event_ns=900 * NS)


def disk(device: str, temperature: float, array: str = "a1", age: int = 1) -> Latest:
    return Latest("DiskUnit", "DiskTemp", device, array, NOW - age * NS, temperature)


def units(*readings: Latest, events: tuple[EventRow, ...] = ()) -> list[Unit]:
    return verdict.judge(Evidence(readings, events), RULES, NOW)


def test_the_worst_comes_first_with_its_reasons_and_those_that_are_well_are_counted() -> None:
    found = summary.of_fleet(
        units(disk("d1", 30), disk("d2", 56), disk("d3", 70), disk("d4", 30, age=200)), None, 20
    )
    assert [row["device"] for row in found["devices"]] == ["d3", "d2", "d4"]
    assert found["counts"] == {"ok": 1, "unknown": 1, "warning": 1, "critical": 1}
    assert (found["health"], found["devices_known"], found["matching"]) == ("critical", 4, 3)
    assert "DiskTemp 70 degC" in found["devices"][0]["reasons"][0]["message"]


def test_of_devices_about_as_bad_the_one_that_fell_ill_last_comes_first() -> None:
    found = summary.of_fleet(units(disk("d1", 66, age=50), disk("d2", 66, age=2)), None, 20)
    assert [row["device"] for row in found["devices"]] == ["d2", "d1"]


def test_an_array_is_as_well_as_the_worst_of_its_members_which_stay_as_they_are() -> None:
    array = Latest("StorageArray", "DiskTemp", "a1", "a1", NOW, 30.0)
    found = summary.of_fleet(
        units(array, disk("d1", 70), disk("d2", 30), disk("d3", 30, "a2")), None, 20
    )
    assert [row["device"] for row in found["devices"]] == ["d1"]
    (row,) = found["arrays"]
    assert (row["array_id"], row["health"], row["worst"]) == ("a1", "critical", "d1")
    assert row["message"].startswith("1 critical of 3 devices, worst d1: DiskTemp 70 degC")
    well = summary.of_fleet(units(disk("d1", 30)), "ok", 20)
    assert [row["message"] for row in well["arrays"]] == ["all 1 devices are well"]


def test_a_state_and_a_limit_narrow_what_is_listed_and_not_what_is_counted() -> None:
    five_warm = units(*(disk(f"d{n}", 56) for n in range(5)), disk("hot", 70))
    found = summary.of_fleet(five_warm, "warning", 2)
    assert (len(found["devices"]), found["listed"], found["matching"]) == (2, 2, 5)
    assert found["counts"]["critical"] == 1


def steps(metric: str, *counts: int) -> list[Bucket]:
    return [
        Bucket("DiskUnit", metric, "d1", "", n * MINUTE_NS, 1.0, 1.0, 1.0, count)
        for n, count in enumerate(counts)
        if count
    ]


def usual(minutes: list[Bucket]) -> float:
    return interval_of(minutes, MINUTE_NS)


def test_how_often_a_device_reports_is_learnt_from_its_readings() -> None:
    assert usual(steps("IOPs", 7, 60, 60, 60, 20)) == 1.0
    assert usual(steps("IOPs", *[1, 0, 0, 0, 0] * 3, 1)) == 300.0
    assert usual(steps("IOPs", 1, 1, 1, 1) + steps("Wear", *[1, 0, 0] * 3, 1)) == 60.0


@pytest.mark.parametrize("seconds", [25, 45, 70, 90, 100, 150, 400])
def test_an_interval_that_is_no_multiple_of_a_minute_is_learnt_too(seconds: int) -> None:
    """A silence is three intervals: at two thirds of the true one it would be two gaps."""
    for begin in range(0, 60, 7):
        minutes = Counter((begin + seconds * n) // 60 for n in range(20))
        counts = [minutes[n] for n in range(max(minutes) + 1)]
        assert usual(steps("IOPs", *counts)) == pytest.approx(seconds, rel=0.12)


def test_an_interval_is_learnt_of_uneven_gaps() -> None:
    assert usual(steps("IOPs", 1, 1, 1, *[0] * 30, 1, 1)) == 60.0
    assert usual(steps("IOPs", 1, *[0] * 9, 1, *[0] * 29, 1, *[0] * 9, 1, *[0] * 39, 1)) == 600.0


def test_fewer_than_three_gaps_do_not_tell_how_often_a_device_reports() -> None:
    for counts in ([1], [1, 1], [1, 0, 0, 1, 0, 0, 1], [3]):
        assert usual(steps("IOPs", *counts)) == 0.0


def test_a_change_of_the_interval_is_learnt_within_five_readings() -> None:
    often, seldom = [12] * 40, [0, 0, 1] * 5
    assert usual(steps("IOPs", *often, *seldom)) == 180.0
    assert usual(steps("IOPs", *[0, 0, 1] * 15, *[12] * 6)) == 5.0
    known, key = Intervals(), DeviceKey("DiskUnit", "d1", "")
    known.learn(key, 5.0, 100)
    assert known.to_learn({key: 100}, 8) == []  # it has not reported since
    assert known.to_learn({key: 250}, 8) == [key]


def test_of_a_device_not_looked_at_yet_the_interval_is_that_of_its_class() -> None:
    known = Intervals()
    for n, seconds in enumerate((10.0, 10.0, 90.0, 0.0)):
        known.learn(DeviceKey("DiskUnit", f"d{n}", ""), seconds, n)
    fresh = [DeviceKey("DiskUnit", "new", ""), DeviceKey("Cloud", "c", "")]
    seen = dict.fromkeys([DeviceKey("DiskUnit", "d1", ""), *fresh], 1)
    assert known.to_learn(seen, 1) == fresh[:1]
    assert known.usual_seconds(fresh) == dict(zip(fresh, (10.0, 0.0), strict=True))
    for n in range(8):  # a host with many drives that report seldom has just begun
        known.learn(DeviceKey("DiskUnit", f"slow{n}", ""), 0.0, n)
    assert known.usual_seconds(fresh[:1]) == {fresh[0]: 0.0}
