"""Forecasts as answers and as health see them: order, sentences, what counts as full."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from reader.forecasting import capacity
from reader.forecasting.capacity import filling_finding, row, soonest_first
from reader.forecasting.forecast import Crossing, Forecast
from reader.forecasting.models import Floats
from reader.lookups.stored.capacity_past import read_past
from spindle.store.base import Point, Selection, Series, SeriesKey
from spindle.timestamps import NS
from tests.memory_store import MemoryStore
from tests.one_forecast import forecast

NOW = 1_800_012_345
DAY = 86_400


def name(device: str, metric_type: str = "CapacityUsed") -> SeriesKey:
    return SeriesKey("DiskUnit", metric_type, device, "array-1")


def rising(start: float, per_day: float, days: float = 7.0) -> tuple[Floats, Floats]:
    at = NOW - np.arange(0.0, days * DAY, 3600.0)[::-1]
    noise = np.random.default_rng(1).normal(0.0, 0.02, at.size)
    return at, np.asarray(start + per_day * (at - at[0]) / DAY + noise)


def made_of(at: Floats, values: Floats) -> Forecast:
    return forecast(at, values, float(NOW))


def test_the_soonest_full_comes_first_and_the_unknown_last() -> None:
    series = {
        name("new"): (np.array([NOW - 60.0]), np.array([99.0])),
        name("flat"): rising(50.0, 0.0),
        name("slow"): rising(50.0, 0.5),
        name("fast"): rising(80.0, 1.0),
        name("over"): rising(92.0, 0.5),
        name("falling"): rising(50.0, -1.0),
    }
    found = [key.device_id for key, _ in soonest_first(series, NOW, 90.0, 100.0)]
    assert found[:3] == ["over", "fast", "slow"]
    assert found[-1] == "new"


def test_every_row_has_the_same_keys_and_a_sentence() -> None:
    series = {
        name("new"): (np.array([NOW - 60.0]), np.array([99.0])),
        name("flat"): (rising(50.0, 0.0)[0], np.full(168, 50.0)),
        name("fast"): rising(80.0, 1.0),
    }
    rows = {
        key.device_id: row(key, found) for key, found in soonest_first(series, NOW, 90.0, 100.0)
    }
    assert rows["new"].keys() == rows["flat"].keys() == rows["fast"].keys()
    assert rows["new"]["message"] == (
        "No forecast of CapacityUsed: readings go back only 1 min; 3 h are needed."
    )
    assert rows["new"]["value"] == 99.0
    assert rows["new"]["days_until"][0] == {
        "level": 80.0, "days": None, "earliest": None, "latest": None,
    }  # fmt: skip
    assert rows["flat"]["message"] == "CapacityUsed 50 %, not filling: growth 0 % a day."
    assert rows["fast"]["message"].startswith("CapacityUsed 87 %, growing 1 % a day")
    assert "; 90 % in 3" in rows["fast"]["message"]
    assert (rows["fast"]["unit"], rows["fast"]["array_id"]) == ("%", "array-1")


def test_growth_too_slow_for_the_horizon_is_said_so() -> None:
    message = capacity.sentence("CapacityUsed", made_of(*rising(20.0, 0.1, 28)))
    assert message.endswith("; not 80 % within 90 days.")


@pytest.mark.parametrize(
    ("days", "earliest", "latest", "said"),
    [
        (50.1, 49.8, 50.4, "80 % in 50 days (give or take less than a day)"),
        (50.1, 49.2, 50.4, "80 % in 50 days (49 to 50 days)"),
        (0.5, 0.499, 0.501, "80 % in 12 h (give or take less than an hour)"),
        (0.5, 0.0208, 0.7, "80 % in 12 h (30 min to 17 h)"),
        (50.1, 49.8, None, "80 % in 50 days (50 days or later)"),
    ],
)
def test_an_interval_within_one_unit_is_said_to_be_so(
    days: float, earliest: float, latest: float | None, said: str
) -> None:
    there = replace(
        made_of(*rising(50.0, 0.5)), crossings=(Crossing(80.0, days, earliest, latest),)
    )
    assert capacity.sentence("CapacityUsed", there).split("; ")[1] == f"{said}."


def test_what_counts_as_full() -> None:
    assert capacity.full_at("CapacityUsed", None) == 100.0
    assert capacity.full_at("PercentageUsed", None) == 100.0
    assert capacity.full_at("Utilisation", None) is None
    assert capacity.full_at("BytesWritten", None) is None
    assert capacity.full_at("BytesWritten", 6e14) == 6e14


def test_a_counter_without_a_limit_has_growth_and_no_levels() -> None:
    series = {name("a", "BytesWritten"): rising(5.0, 2.0)}
    ((_, found),) = soonest_first(series, NOW, 30.0, None)
    assert found.crossings == ()
    assert found.growth == pytest.approx(2.0, rel=0.02)
    assert capacity.sentence("BytesWritten", found).startswith("BytesWritten 18.9, growing 2 a day")


@pytest.mark.parametrize(
    ("start", "per_day", "severity"),
    [(80.0, 2.5, "critical"), (80.0, 1.0, "warning"), (50.0, 0.5, None), (85.0, 0.0, None)],
)
def test_health_hears_of_what_is_full_soon(
    start: float, per_day: float, severity: str | None
) -> None:
    reason = filling_finding(name("a"), made_of(*rising(start, per_day)), NOW * NS)
    assert (reason.severity if reason else None) == severity
    if reason:
        assert (reason.device_id, reason.metric_type, reason.limit) == ("a", "CapacityUsed", 100.0)
        assert "100 % in" in reason.message


async def past(points: list[Point], **keeps: float) -> tuple[Floats, Floats]:
    """Times and values as they are read of one device."""
    store = MemoryStore()
    await store.write_points(points)
    found = await read_past(store, Selection(), NOW * NS, keeps.get("hours", 0.0))
    (series,) = capacity.readings(*found).values()
    return series


HEAD = Series("DiskUnit", "CapacityUsed", "a", "")


async def test_the_newest_reading_is_the_value_and_one_ahead_of_the_clock_is_not() -> None:
    ages = range(-7200, 2 * DAY, 60)
    points = [(HEAD, (NOW - age) * NS, 50.0 - age / DAY) for age in ages]
    at, values = await past([point for point in points if point[1] <= NOW * NS])
    assert (at[-1], values[-1]) == (NOW, 50.0)
    assert made_of(*await past(points)).value == pytest.approx(50.0, abs=900 / DAY)


@pytest.mark.parametrize("every", [60, 900, 1800, 3600, 5000, 7200, 21_600, 43_200])
@pytest.mark.parametrize("late", [0, 2_345, 20_000])
async def test_how_often_a_device_sends_bends_no_trend(every: int, late: int) -> None:
    ages = range(late % every, 30 * DAY, every)
    at, values = await past([(HEAD, (NOW - a) * NS, 80.0 - 1.5 * a / DAY) for a in ages])
    found = forecast(at, values, NOW, horizon_days=30.0)
    assert found.growth == pytest.approx(1.5, rel=0.01)
    assert found.growth_low == pytest.approx(1.5, rel=0.15)
    assert found.growth_high == pytest.approx(1.5, rel=0.15)
    if every not in (5000, 7200):  # each lies within a quarter of an hour of where it was read
        assert np.abs(values - (80.0 - 1.5 * (NOW - at) / DAY)).max() < 1.5 * 901 / DAY


@pytest.mark.parametrize(("devices", "queries"), [(3, 5), (2100, 4)])
async def test_a_fleet_of_any_size_is_read_in_a_few_queries(devices: int, queries: int) -> None:
    store = MemoryStore()
    heads = [Series("DiskUnit", "CapacityUsed", f"d{n}", "") for n in range(devices)]
    ages = (0, 7200, 3 * DAY, 20 * DAY, 100 * DAY) if devices < 10 else (0, 3 * DAY)
    await store.write_points([(head, (NOW - age) * NS, 50.0) for head in heads for age in ages])
    found = await read_past(store, Selection(metric_type="CapacityUsed"), NOW * NS, 0.0)
    assert store.asked == queries
    assert sum(len(span.steps) for span in found.spans) == devices * len(ages)
    assert len(found.newest) == devices


async def test_no_step_is_sampled_twice_and_none_is_left_out() -> None:
    store = MemoryStore()
    await store.write_points([(HEAD, at * NS, 50.0) for at in range(NOW - 40 * DAY, NOW + 1, 600)])
    for hours, cut in ((0.0, 1), (24.0, 0)):
        found = await read_past(store, Selection(), NOW * NS, hours)
        for older, newer in pairwise(found.spans):
            assert older.steps[-1].time_ns / NS + older.length == newer.begin
        for span in found.spans:
            apart = np.diff([step.time_ns for step in span.steps]) / NS
            assert (apart == span.length).all()
        assert len(found.spans) == (4 if cut else 1)


async def test_nothing_stored_is_one_query() -> None:
    store = MemoryStore()
    assert await read_past(store, Selection(), NOW * NS, 168.0) == ([], [])
    assert store.asked == 1
