"""What is dated after now hides nothing that is known of now."""

from __future__ import annotations

import pytest

from reader.health import verdict
from reader.health.evidence import Evidence, Rules, Unit
from reader.health.limits import Thresholds
from reader.lookups.known.newest_readings import NewestSnapshot, until_now
from spindle.store.base import Latest, Selection, Series, SeriesKey
from spindle.timestamps import NS
from tests.memory_store import MemoryStore

NOW = 1_800_000_000 * NS
AHEAD = NOW + 3000 * NS  # fifty minutes
KEY = SeriesKey("DiskUnit", "DiskTemp", "sda", "")
RULES = Rules(Thresholds(), 120 * NS, 900 * NS)


async def judged(readings: list[tuple[int, float]]) -> Unit:
    store = MemoryStore()
    await store.write_points([(Series(*KEY), at, value) for at, value in readings])
    newest = await store.latest(Selection(), 0)
    present = await until_now(store, Selection(), newest, 0, NOW)
    evidence = Evidence(readings=present.readings, ahead=present.ahead)
    (unit,) = verdict.judge(evidence, RULES, NOW)
    return unit


@pytest.mark.fault("4")
async def test_a_reading_from_the_future_does_not_hide_that_the_disk_is_too_hot() -> None:
    hot = [(NOW - n * NS, 70.0) for n in range(25)]
    unit = await judged([(AHEAD, 35.0), *hot])
    assert unit.state == "critical"
    assert any("its clock was ahead" in each.message for each in unit.reasons)


@pytest.mark.fault("5")
async def test_a_device_with_readings_from_the_future_alone_is_not_well() -> None:
    unit = await judged([(AHEAD + n * NS, 35.0) for n in range(5)])
    assert unit.state == "warning"
    assert [each.message for each in unit.reasons] == [
        "its clock is 50 min ahead or more: its newest reading is dated 2027-01-15T08:50:04Z"
    ]


@pytest.mark.parametrize("silent_seconds", [0, 600, 2_900])
def test_how_far_ahead_a_clock_is_does_not_shrink_while_its_device_is_silent(
    silent_seconds: int,
) -> None:
    snapshot = NewestSnapshot()
    snapshot.set_now(NOW)
    snapshot.take(KEY, AHEAD, 35.0)
    later = NOW + silent_seconds * NS
    ahead = snapshot.present(Selection(), 0, later).ahead
    (unit,) = verdict.judge(Evidence(readings=[], ahead=ahead, came=snapshot.came), RULES, later)
    assert [each.message for each in unit.reasons] == [
        "its clock is 50 min ahead: its newest reading came at 2027-01-15T08:00:00Z and is dated "
        "2027-01-15T08:50:00Z"
    ]


async def test_a_device_that_falls_silent_after_it_is_silent() -> None:
    unit = await judged([(AHEAD, 35.0), (NOW - 3600 * NS, 35.0)])
    assert unit.state == "warning"
    assert any("no reading for 60 min" in each.message for each in unit.reasons)


@pytest.mark.parametrize("first", ["ahead", "present"])
def test_the_snapshot_keeps_the_present_apart_from_the_future(first: str) -> None:
    snapshot = NewestSnapshot()
    snapshot.set_now(NOW)
    readings = [(AHEAD, 35.0), (NOW, 70.0)]
    for at, value in readings if first == "ahead" else reversed(readings):
        snapshot.take(KEY, at, value)
    present = snapshot.present(Selection(), 0, NOW)
    assert list(present.readings) == [Latest(*KEY, NOW, 70.0)]
    assert list(present.ahead.values()) == [Latest(*KEY, AHEAD, 35.0)]


def test_what_was_the_future_becomes_the_present_in_time() -> None:
    snapshot = NewestSnapshot()
    snapshot.set_now(NOW)
    snapshot.take(KEY, AHEAD, 35.0)
    present = snapshot.present(Selection(), 0, AHEAD)
    assert list(present.readings) == [Latest(*KEY, AHEAD, 35.0)]
    assert not present.ahead


def test_after_the_clock_was_put_back_what_comes_now_is_the_newest() -> None:
    snapshot = NewestSnapshot()
    snapshot.set_now(AHEAD)  # the machine's own clock was wrong
    snapshot.take(KEY, AHEAD, 35.0)
    snapshot.set_now(NOW)
    snapshot.take(KEY, NOW, 70.0)
    assert list(snapshot.present(Selection(), 0, NOW).readings) == [Latest(*KEY, NOW, 70.0)]
