"""What is gathered from the store for a judgement of health."""

from __future__ import annotations

from reader.health_check import Examiner
from reader.settings import ReaderSettings
from spindle.settings import load
from spindle.store.base import EventRow, Selection, Series
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
    examiner = Examiner.of(load(ReaderSettings, reader_event_minutes=60))
    (unit,) = await examiner.examine(store, Selection(), NOW)
    assert (unit.state, unit.reasons[0].severity) == ("ok", "ok")
