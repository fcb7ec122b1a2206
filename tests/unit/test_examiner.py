"""What is gathered from the store for a judgement of health."""

from __future__ import annotations

from itertools import product

import pytest

from reader.lookups.examiner import MOST_CLOSE_LOOKS, Examiner
from reader.settings import ReaderSettings
from spindle.settings import load
from spindle.store.base import EventRow, Point, Selection, Series
from spindle.timestamps import NS
from tests.memory_store import MemoryStore

NOW = 1_800_000_000 * NS
MINUTE = 60 * NS


async def test_an_event_that_counts_for_an_hour_is_over_when_the_readings_of_that_hour_say_so() -> (
    None
):
    store, series = MemoryStore(), Series("DiskUnit", "DiskTemp", "disk-1", "")
    hot = range(NOW - 40 * MINUTE, NOW - 38 * MINUTE)
    await store.write_points(
        [(series, at, 66.0 if at in hot else 40.0) for at in range(NOW - 60 * MINUTE, NOW, 5 * NS)]
    )
    told = EventRow(
        NOW - 39 * MINUTE, "e", "DiskUnit", "DriveFailure", "disk-1", "", 9, "temperature"
    )
    await store.write_events([told])
    examiner = Examiner(load(ReaderSettings, reader_event_minutes=60))
    (unit,) = await examiner.examine(store, Selection(), NOW)
    assert (unit.state, unit.reasons[0].severity) == ("ok", "ok")


async def incident(devices: int) -> MemoryStore:
    """Many disks that were hot for two minutes, said so, and have been cool for two more."""
    store = MemoryStore()
    points: list[Point] = []
    events: list[EventRow] = []
    for n in range(devices):
        name = f"hot-{n:03}"
        series = Series("DiskUnit", "DiskTemp", name, "")
        for at in range(NOW - 6 * MINUTE, NOW, 5 * NS):
            hot = NOW - 4 * MINUTE <= at < NOW - 2 * MINUTE
            points.append((series, at, 66.0 if hot else 40.0))
        events.append(
            EventRow(NOW - 3 * MINUTE, name, "DiskUnit", "DriveFailure", name, "", 9, "hot")
        )
    await store.write_points(points)
    await store.write_events(events)
    return store


async def test_of_an_incident_of_many_devices_each_is_found_to_be_over_within_a_few_looks() -> None:
    store, examiner = await incident(5 * MOST_CLOSE_LOOKS), Examiner(load(ReaderSettings))
    ill = []
    for look in range(6):
        units = await examiner.examine(store, Selection(), NOW + look * NS)
        ill.append(sum(unit.state == "critical" for unit in units))
    assert ill == [64, 48, 32, 16, 0, 0]


async def test_events_that_no_reading_explains_do_not_keep_others_from_being_looked_at() -> None:
    store, examiner = await incident(8), Examiner(load(ReaderSettings))
    for n in range(3 * MOST_CLOSE_LOOKS):
        name, kind = f"a-{n:03}", "UnauthorizedAccess" if n % 2 else "DataCorruption"
        series = Series("DiskUnit", "DiskTemp", name, "")
        await store.write_points([(series, at, 40.0) for at in range(NOW - MINUTE, NOW, NS)])
        told = EventRow(NOW - MINUTE, name, "DiskUnit", kind, name, "", 9, "lost")
        await store.write_events([told])
    for look in range(4):
        units = await examiner.examine(store, Selection(), NOW + look * NS)
    states = {unit.device_id: unit.state for unit in units}
    assert {states[f"hot-{n:03}"] for n in range(8)} == {"ok"}
    assert {states[f"a-{n:03}"] for n in range(3 * MOST_CLOSE_LOOKS)} == {"critical"}


@pytest.mark.parametrize(
    ("every", "silent", "state"),
    [
        (900, 1000, "ok"),
        (900, 2600, "ok"),
        (900, 2800, "warning"),  # three times
        (900, 9100, "unknown"),  # ten times
        (6 * 3600, 11 * 3600, "ok"),
        (6 * 3600, 19 * 3600, "warning"),
    ],
)
async def test_a_drive_that_says_smart_values_alone_is_silent_by_its_own_interval(
    every: int, silent: int, state: str
) -> None:
    store, last = MemoryStore(), NOW - silent * NS
    names = ("PendingSectors", "SmartFailing", "PowerOnHours")
    for series in (Series("DiskUnit", name, "naa.5", "nas") for name in names):
        jitter = (n * 7 % 5 * NS for n in range(20))
        await store.write_points(
            [(series, last - n * every * NS + late, 0.0) for n, late in enumerate(jitter)]
        )
    (unit,) = await Examiner(load(ReaderSettings)).examine(store, Selection(), NOW)
    assert unit.state == state
    if state != "ok":
        usual = "15 min" if every == 900 else "6 h"
        assert unit.reasons[0].message.endswith(f"usually every {usual}")


async def test_drives_are_never_judged_silent_while_their_interval_is_being_learnt() -> None:
    """Twenty of them, every quarter of an hour and once a day, beside disks that report at once."""
    for every, names in ((900, ("IOPs", "Latency")), (86_400, ("PendingSectors", "PowerOnHours"))):
        store, examiner = MemoryStore(), Examiner(load(ReaderSettings))
        for minute in range(0, 4 * every, every // 10):
            at = NOW + minute * NS
            if minute % every == 0:
                for n, name in product(range(20), names):
                    series = Series("DiskUnit", name, f"slow-{n}", "nas")
                    await store.write_points([(series, at, 0.0)])
            fast = Series("DiskUnit", "DiskTemp", "fast", "nas")
            await store.write_points([(fast, at - n * NS, 30.0) for n in range(5)])
            units = await examiner.examine(store, Selection(), at)
            assert [unit.device_id for unit in units if unit.silent] == []


@pytest.mark.parametrize("beyond", [0, 5, 9])
async def test_a_device_that_lived_for_seconds_is_silent_by_these_wherever_a_minute_ended(
    beyond: int,
) -> None:
    """Ten readings, a second apart, so many of them after the turn of a minute."""
    store, last = MemoryStore(), NOW - 5 * MINUTE + beyond * NS
    series = Series("DiskUnit", "DiskTemp", "brief", "")
    await store.write_points([(series, last - n * NS, 30.0) for n in range(10)])
    examiner = Examiner(load(ReaderSettings, reader_stale_seconds=3))
    (unit,) = await examiner.examine(store, Selection(), last + 11 * NS)
    assert unit.state == "unknown"
    assert unit.reasons[0].message.endswith("usually every 1 s")
