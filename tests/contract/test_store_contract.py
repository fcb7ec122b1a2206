"""What every store does: one suite, run on SQLite and on InfluxDB."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from spindle.errors import BatchRefused, StoreUnavailable
from spindle.store.base import Bucket, EventRow, Latest, Selection, Series, Store
from tests.stored import counts

S = 10**9
#: A minute ago, on a whole minute, so that steps are easy to count.
T0 = (time.time_ns() // (60 * S) - 2) * 60 * S

TEMP = Series("DiskUnit", "DiskTemp", "disk-1", "array-1")
IOPS = Series("DiskUnit", "IOPs", "disk-1", "array-1")
OTHER = Series("DiskUnit", "DiskTemp", "disk-2", "array-2")
LONE = Series("CloudStorage", "Latency", "cloud", "")
ALL = (TEMP, IOPS, OTHER, LONE)


def event(event_id: str, time_ns: int = T0, **given: object) -> EventRow:
    fields = {
        "source_device": "DiskUnit",
        "event_type": "DriveFailure",
        "device_id": "disk-1",
        "array_id": "array-1",
        "criticality": 5,
        "message": "",
    }
    return EventRow(time_ns, event_id, **{**fields, **given})  # type: ignore[arg-type]


async def raw(store: Store, series: Series = TEMP) -> list[tuple[int, float]]:
    which = Selection(device_id=series.device_id, metric_type=series.metric_type)
    return [(step.time_ns, step.mean) for step in await store.series(which, 0, 2**63)]


async def test_a_store_that_was_never_written_to_answers_every_question_with_nothing(
    store: Store, reading: Store
) -> None:
    for one in (store, reading):
        assert await one.latest(Selection(), 0) == []
        assert await one.series(Selection(), 0, 2**62) == []
        assert await one.series(Selection(), 0, T0, every_ns=3600 * S) == []
        assert await one.series(Selection(), 0, T0, every_ns=3600 * S, sampled=True) == []
        assert await one.events(Selection(), 0) == []
        assert await counts(one) == {"device_metrics": 0, "events": 0}


async def test_its_name_says_kind_and_version(store: Store) -> None:
    kind, version = store.name.split(maxsplit=1)
    assert kind in ("SQLite", "InfluxDB")
    assert version[0].isdigit()


async def test_preparing_again_harms_nothing(store: Store) -> None:
    await store.write_points([(TEMP, T0, 40.5)])
    await store.prepare()
    await store.ping()
    assert await raw(store) == [(T0, 40.5)]


@pytest.mark.parametrize("value", [0.1, -0.0, 1e300, -1e-300, 5e-324, 2**53 + 2.0, 123456.789, 7])
async def test_a_value_comes_back_exactly(store: Store, value: float) -> None:
    await store.write_points([(TEMP, T0, value)])
    [(_, got)] = await raw(store)
    assert got == value
    assert isinstance(got, float)


async def test_all_nine_digits_of_a_time_are_kept(store: Store) -> None:
    times = [T0 + n for n in (0, 1, 2, 999_999_999)]
    await store.write_points([(TEMP, time_ns, 1.0) for time_ns in times])
    assert [time_ns for time_ns, _ in await raw(store)] == times


async def test_writing_a_batch_twice_changes_nothing(store: Store) -> None:
    batch = [(series, T0 + n, float(n)) for series in ALL for n in range(50)]
    await store.write_points(batch)
    before = await store.series(Selection(), 0, 2**62)
    await store.write_points(batch)
    assert await store.series(Selection(), 0, 2**62) == before
    assert (await counts(store))["device_metrics"] == 200


async def test_the_same_series_and_time_again_overwrites(store: Store) -> None:
    await store.write_points([(TEMP, T0, 1.0), (IOPS, T0, 9.0), (TEMP, T0, 2.0)])
    assert await raw(store) == [(T0, 2.0)]  # of one batch, the later one
    await store.write_points([(TEMP, T0, 1.5)])
    assert await raw(store) == [(T0, 1.5)]
    assert await raw(store, IOPS) == [(T0, 9.0)]


async def test_two_objects_of_one_series_are_one_series(store: Store) -> None:
    await store.write_points([(TEMP, T0, 1.0), (Series(*TEMP.key), T0 + 1, 2.0)])
    assert await raw(store) == [(T0, 1.0), (T0 + 1, 2.0)]
    assert len(await store.latest(Selection(), 0)) == 1


async def test_an_empty_batch_is_nothing(store: Store) -> None:
    await store.write_points([])
    await store.write_events([])
    assert await counts(store) == {"device_metrics": 0, "events": 0}


async def test_a_batch_with_a_value_that_no_store_holds_is_refused_and_the_next_is_not(
    store: Store,
) -> None:
    with pytest.raises(BatchRefused):
        await store.write_points([(TEMP, T0, math.nan)])
    await store.write_points([(TEMP, T0, 1.0)])
    assert await raw(store) == [(T0, 1.0)]


async def test_latest_is_the_newest_reading_of_each_series(store: Store, reading: Store) -> None:
    await store.write_points([(s, T0 + n * S, float(n)) for s in ALL for n in (2, 3, 1)])
    got = await reading.latest(Selection(), 0)
    assert got == [Latest(*s.key, T0 + 3 * S, 3.0) for s in sorted(ALL, key=lambda s: s.key)]


async def test_several_devices_can_be_asked_for_at_once(store: Store) -> None:
    series = [Series("DiskUnit", "DiskTemp", f"disk-{n}", "array-1") for n in range(5)]
    await store.write_points([(each, T0, float(n)) for n, each in enumerate(series)])
    await store.write_events([event("of-1", device_id="disk-1"), event("of-2", device_id="disk-2")])

    async def found(which: Selection) -> list[str]:
        return [item.device_id for item in await store.latest(which, 0)]

    some = Selection(device_ids=("disk-3", "disk-1", "disk-1", "o'clock", 'x" OR 1=1', "disk-9"))
    assert await found(some) == ["disk-1", "disk-3"]
    assert await found(replace(some, source_device="Elsewhere")) == []
    assert await found(Selection(device_ids=())) == []
    assert [step.device_id for step in await store.series(some, 0, 2**62)] == ["disk-1", "disk-3"]
    assert [one.event_id for one in await store.events(some, 0)] == ["of-1"]


async def test_latest_leaves_out_what_is_older_than_asked_for(store: Store) -> None:
    await store.write_points([(TEMP, T0, 1.0), (OTHER, T0 - 1, 1.0)])
    assert [item.device_id for item in await store.latest(Selection(), T0)] == ["disk-1"]


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        (Selection(source_device="DiskUnit"), {TEMP, IOPS, OTHER}),
        (Selection(device_id="disk-1"), {TEMP, IOPS}),
        (Selection(array_id="array-2"), {OTHER}),
        (Selection(metric_type="DiskTemp"), {TEMP, OTHER}),
        (Selection("DiskUnit", "disk-1", "array-1", "IOPs"), {IOPS}),
        (Selection(array_id=""), {LONE}),
        (Selection(without=("IOPs", "Latency")), {TEMP, OTHER}),
        (Selection(device_id="disk-1", without=("it's", "DiskTemp")), {IOPS}),
        (Selection(device_id="disk"), set()),
        (Selection(device_id="DISK-1"), set()),
        (Selection(source_device="CloudStorage", device_id="disk-1"), set()),
    ],
)
async def test_a_selection_matches_exactly(
    store: Store, which: Selection, expected: set[Series]
) -> None:
    await store.write_points([(series, T0, 1.0) for series in ALL])
    keys = {series.key for series in expected}
    latest = await store.latest(which, 0)
    assert {(i.source_device, i.metric_type, i.device_id, i.array_id) for i in latest} == keys
    steps = await store.series(which, 0, 2**62)
    assert {(i.source_device, i.metric_type, i.device_id, i.array_id) for i in steps} == keys


async def test_a_range_holds_its_start_and_not_its_end(store: Store) -> None:
    await store.write_points([(TEMP, T0 + n, float(n)) for n in range(5)])
    steps = await store.series(Selection(), T0 + 1, T0 + 3)
    assert [step.time_ns - T0 for step in steps] == [1, 2]


async def test_raw_readings_come_series_by_series_oldest_first(store: Store) -> None:
    await store.write_points([(s, T0 + n, 1.0) for n in (2, 0, 1) for s in ALL])
    steps = await store.series(Selection(), 0, 2**62)
    ordered = sorted(ALL, key=lambda s: s.key)
    assert steps == [Bucket(*s.key, T0 + n, 1.0, 1.0, 1.0, 1) for s in ordered for n in range(3)]


async def test_steps_carry_mean_minimum_maximum_and_count_aligned_to_the_epoch(
    store: Store,
) -> None:
    readings = [(-10, 5.0), (0, 1.0), (10, 2.0), (19, 6.0), (45, 4.0)]  # none from 20 to 40
    await store.write_points([(TEMP, T0 + s * S, value) for s, value in readings])
    await store.write_points([(OTHER, T0, 100.0)])
    steps = await store.series(Selection(device_id="disk-1"), T0, T0 + 60 * S, every_ns=20 * S)
    assert steps == [
        Bucket(*TEMP.key, T0, 3.0, 1.0, 6.0, 3),
        Bucket(*TEMP.key, T0 + 40 * S, 4.0, 4.0, 4.0, 1),
    ]
    both = await store.series(Selection(), T0, T0 + 60 * S, every_ns=20 * S)
    assert len(both) == 3


async def test_a_step_that_the_range_cuts_starts_before_the_range(store: Store) -> None:
    await store.write_points([(TEMP, T0 + n * S, float(n)) for n in range(60)])
    steps = await store.series(Selection(), T0 + 10 * S, T0 + 50 * S, every_ns=30 * S)
    assert [(step.time_ns - T0, step.count) for step in steps] == [(0, 20), (30 * S, 20)]


async def test_readings_ahead_of_the_clock_are_downsampled_too(store: Store) -> None:
    ahead = time.time_ns() + 1800 * S
    await store.write_points([(TEMP, ahead, 1.0)])
    steps = await store.series(Selection(), T0, ahead + S, every_ns=60 * S)
    assert [step.count for step in steps] == [1]


async def test_a_sample_is_the_first_reading_of_its_step(store: Store) -> None:
    readings = [(-10, 5.0), (3, 1.0), (10, 2.0), (20, 6.0), (39, 7.0), (85, 4.0), (99, 0.0)]
    await store.write_points([(TEMP, T0 + s * S, value) for s, value in readings])
    await store.write_points([(OTHER, T0 + 50 * S, 100.0)])
    got = await store.series(Selection(), T0, T0 + 99 * S, every_ns=20 * S, sampled=True)
    assert got == [
        Bucket(*key, T0 + s * S, value, value, value, 1)
        for key, s, value in (
            (TEMP.key, 0, 1.0),
            (TEMP.key, 20, 6.0),
            (TEMP.key, 80, 4.0),
            (OTHER.key, 40, 100.0),
        )
    ]
    assert (
        await store.series(Selection(), T0, T0 + 99 * S, every_ns=20 * S, limit=3, sampled=True)
        == got[:3]
    )
    assert await store.series(Selection(device_id="x"), T0, T0 + S, every_ns=S, sampled=True) == []


async def test_a_step_that_the_range_cuts_is_sampled_within_the_range(store: Store) -> None:
    await store.write_points([(TEMP, T0 + n * S, float(n)) for n in range(60)])
    got = await store.series(Selection(), T0 + 10 * S, T0 + 31 * S, every_ns=30 * S, sampled=True)
    assert [(step.time_ns - T0, step.mean) for step in got] == [(0, 10.0), (30 * S, 30.0)]


@pytest.mark.parametrize("every_ns", [None, 1 * S])
async def test_a_limit_counts_rows_of_all_series_together(
    store: Store, every_ns: int | None
) -> None:
    await store.write_points([(s, T0 + n * S, 1.0) for n in range(5) for s in ALL])
    steps = await store.series(Selection(), T0, T0 + 60 * S, every_ns, limit=7)
    assert len(steps) == 7
    assert steps == (await store.series(Selection(), T0, T0 + 60 * S, every_ns))[:7]


async def test_an_event_comes_back_whole(store: Store, reading: Store) -> None:
    hostile = 'it said "\\" \\n, then\na new line, a tab\tand é 漢字 🚗 = , \' ; --'
    sent = event("id-1 é", T0 + 123, message=hostile, criticality=10, array_id="")
    await store.write_events([sent])
    assert await reading.events(Selection(), T0) == [sent]


async def test_events_come_newest_first_and_as_many_as_asked_for(store: Store) -> None:
    await store.write_events([event(f"e{n}", T0 + n) for n in (3, 1, 2, 0)])
    await store.write_events([event("other", T0 + 4, device_id="disk-2", array_id="")])
    ids = [row.event_id for row in await store.events(Selection(), 0)]
    assert ids == ["other", "e3", "e2", "e1", "e0"]
    assert [row.event_id for row in await store.events(Selection(), 0, limit=2)] == ids[:2]
    assert [row.event_id for row in await store.events(Selection(), T0 + 2)] == ids[:3]
    before = [row.event_id for row in await store.events(Selection(), 0, end_ns=T0 + 3)]
    assert before == ids[2:]
    page = await store.events(Selection(), T0 + 1, limit=2, end_ns=T0 + 4)
    assert [row.event_id for row in page] == ids[1:3]


async def test_events_are_selected_by_device_and_criticality(store: Store) -> None:
    rows = [
        event(f"{device}-{criticality}", T0, device_id=device, criticality=criticality)
        for device, criticality in product(("disk-1", "disk-2"), (1, 8, 10))
    ]
    await store.write_events(rows)
    got = await store.events(Selection(device_id="disk-2"), 0, min_criticality=8)
    assert [row.event_id for row in got] == ["disk-2-8", "disk-2-10"]
    assert len(await store.events(Selection(source_device="DiskUnit"), 0)) == 6
    assert await store.events(Selection(array_id=""), 0) == []


async def test_two_events_of_one_device_in_one_nanosecond_are_both_kept(store: Store) -> None:
    await store.write_events([event("a"), event("b")])
    await store.write_events([event("c"), event("d", T0 + 1)])
    got = await store.events(Selection(), 0)
    assert sorted((row.event_id, row.time_ns) for row in got) == [
        ("a", T0),
        ("b", T0),
        ("c", T0),
        ("d", T0 + 1),
    ]


async def test_an_event_delivered_again_is_stored_once(store: Store) -> None:
    batch = [event("a"), event("b"), event("c", T0 + 1), event("a", device_id="disk-2")]
    for again in (batch, batch[::-1], [batch[1]], [*batch, event("e")], [batch[2], batch[0]]):
        await store.write_events(again)
    got = await store.events(Selection(), 0)
    assert sorted((row.device_id, row.event_id, row.time_ns - T0) for row in got) == [
        ("disk-1", "a", 0),
        ("disk-1", "b", 0),
        ("disk-1", "c", 1),
        ("disk-1", "e", 0),
        ("disk-2", "a", 0),
    ]
    assert (await counts(store))["events"] == 5


async def test_events_hours_apart_are_written_in_one_batch(store: Store) -> None:
    rows = [event(f"{hour}-{n}", T0 - hour * 3600 * S) for hour in range(6) for n in range(2)]
    await store.write_events(rows)
    await store.write_events(rows)
    assert len(await store.events(Selection(), 0)) == 12


async def test_any_time_may_be_asked_about(store: Store) -> None:
    await store.write_points([(TEMP, T0, 1.0)])
    await store.write_events([event("a")])
    for start, end in ((-(10**30), 10**30), (10**30, 10**40), (0, 2**63), (2**63, 2**64)):
        found = 1 if start <= T0 < end else 0
        assert len(await store.latest(Selection(), start)) == found
        assert len(await store.series(Selection(), start, end)) == found
        assert len(await store.series(Selection(), start, end, S, sampled=True)) == found
        assert len(await store.events(Selection(), start)) == found


async def test_many_questions_and_writes_at_once_are_all_answered(
    store: Store, reading: Store
) -> None:
    await store.write_points([(series, T0, 1.0) for series in ALL])

    async def write(n: int) -> None:
        await store.write_points([(series, T0 + n, 1.0) for series in ALL])

    async def ask(_: int) -> int:
        return len(await reading.latest(Selection(), 0))

    await asyncio.gather(*(write(n) for n in range(20)))
    assert await asyncio.gather(*(ask(n) for n in range(40))) == [4] * 40
    assert (await counts(reading))["device_metrics"] == 80


async def test_a_closed_store_says_so_and_can_be_closed_again(store: Store) -> None:
    await store.close()
    await store.close()
    with pytest.raises(StoreUnavailable):
        await store.write_points([(TEMP, T0, 1.0)])
    with pytest.raises(StoreUnavailable):
        await store.latest(Selection(), 0)


HOSTILE = st.one_of(
    st.text(max_size=30),
    st.text("'\"\\;\n\r\0 =,()-/*disk1or", max_size=20),
    st.sampled_from(("disk-1", "array-1", "DiskUnit", "DiskTemp", "", "x" * 100_000)),
    st.none(),
)


@given(source=HOSTILE, device=HOSTILE, array=HOSTILE, metric=HOSTILE)
@example("' OR 1=1 --", None, None, None)
@example(None, "disk-1' OR ''='", None, None)
@example(None, None, '"; DROP DATABASE "spindle', None)
@example(None, "'; DROP MEASUREMENT device_metrics; SELECT '", "\\", "\\'")
@example(None, None, None, "no metric\r")
@example("disk-1\\", "\ud800", "\udfff\0", "/.*/")
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_no_text_in_a_selection_changes_the_meaning_of_a_question(
    store: Store, source: str | None, device: str | None, array: str | None, metric: str | None
) -> None:
    await store.write_points([(series, T0, 1.0) for series in ALL])
    await store.write_events([event("a"), event("b", T0 + 5, device_id="disk-2", array_id="")])
    which = Selection(source, device, array, metric)
    wanted = [
        series.key
        for series in sorted(ALL, key=lambda series: series.key)
        if source in (None, series.source_device)
        and device in (None, series.device_id)
        and array in (None, series.array_id)
        and metric in (None, series.metric_type)
    ]
    assert await store.latest(which, 0) == [Latest(*key, T0, 1.0) for key in wanted]
    assert await store.series(which, 0, 2**62) == [
        Bucket(*key, T0, 1.0, 1.0, 1.0, 1) for key in wanted
    ]
    steps = [Bucket(*key, T0, 1.0, 1.0, 1.0, 1) for key in wanted]
    assert await store.series(which, T0, T0 + S, every_ns=S) == steps
    assert await store.series(which, T0, T0 + S, every_ns=S, sampled=True) == steps
    events = [
        row.event_id
        for row in (event("b", device_id="disk-2", array_id=""), event("a"))
        if source in (None, row.source_device)
        and device in (None, row.device_id)
        and array in (None, row.array_id)
    ]
    assert [row.event_id for row in await store.events(which, 0)] == events
    assert await counts(store) == {"device_metrics": 4, "events": 2}


@pytest.mark.fault("7")
async def test_readings_too_large_to_be_added_up_have_a_mean_and_spoil_no_other_series(
    store: Store,
) -> None:
    other = Series("DiskUnit", "DiskTemp", "well", "")
    huge = [(TEMP, T0 + n * S, 9e307) for n in range(3)]
    low = [(TEMP, T0 + (60 + n) * S, -9e307) for n in range(3)]
    await store.write_points([*huge, *low, (other, T0, 1.0), (other, T0 + S, 2.0)])
    found = await store.series(Selection(), T0, T0 + 120 * S, every_ns=60 * S)
    assert [(b.device_id, b.mean, b.minimum, b.maximum, b.count) for b in found] == [
        (TEMP.device_id, 9e307, 9e307, 9e307, 3),
        (TEMP.device_id, -9e307, -9e307, -9e307, 3),
        ("well", 1.5, 1.0, 2.0, 2),
    ]
