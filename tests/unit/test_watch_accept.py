"""What departed stays told until it is back or somebody accepts it, however long it lasts."""

from __future__ import annotations

import random

import msgspec

from reader.health.decisions import Acknowledgement
from reader.lookups.known.decisions import Decisions, key_of
from reader.watching.series import FollowedSeries
from reader.watching.share import Share
from spindle.store.base import SeriesKey
from spindle.timestamps import NS

KEY = SeriesKey("DiskUnit", "Latency", "d1", "a1")
START = 1_800_000_000.0
STEP = 60.0
DAY = 1440


class Days:
    """A share with one series, minute by minute."""

    def __init__(self) -> None:
        self.share, self.random, self.minute = Share(0, STEP), random.Random(5), 0
        self.series = self.share.series.setdefault(KEY, FollowedSeries(KEY, STEP))

    def run(self, minutes: int, level: float = 2.0, spread: float = 0.2) -> None:
        for _ in range(minutes):
            value = level + spread * self.random.gauss(0.0, 1.0)
            self.share.take(self.series, START + STEP * self.minute, value)
            self.minute += 1

    @property
    def lasting(self) -> list[str]:
        """Kinds of what lasts and is a reason of ill health."""
        lasting = self.share.lasting.values()
        return [each.episode.kind for each in lasting if each.severity != "ok"]


def acknowledged(minute: int, until: int | None = None) -> Decisions:
    at = int(START + STEP * minute) * NS
    said = Acknowledgement(
        *("DiskUnit", "d1", "a1", "Latency", "warning", {"ms": 3.0}, "high"), at, until
    )
    decisions = Decisions()
    decisions.take(key_of(said), msgspec.json.encode(said))
    return decisions


def test_more_scatter_that_nobody_accepts_is_told_for_days_and_over_once_it_is_back() -> None:
    days = Days()
    days.run(3 * DAY)
    days.run(2 * DAY, spread=0.8)
    told = days.lasting
    assert len(told) == 1
    for _ in range(12):
        days.run(DAY // 2, spread=0.8)
        assert days.lasting == told
    days.run(150)
    assert days.lasting == []


def test_what_is_acknowledged_is_the_new_usual_and_what_comes_on_top_is_told() -> None:
    days = Days()
    days.run(3 * DAY)
    days.run(120, level=6.0)
    assert len(days.lasting) == 1
    days.share.accept(acknowledged(0).accepts)  # of another time
    days.share.accept(acknowledged(days.minute, until=2**62).accepts)  # for a while only
    assert len(days.lasting) == 1
    days.share.accept(acknowledged(days.minute).accepts)
    assert days.lasting == []
    assert [each.ended for each in days.share.anomalies] == [True]
    days.run(2 * DAY, level=6.0)
    assert days.lasting == []
    days.run(30, level=14.0)
    assert len(days.lasting) == 1


def test_a_stuck_sensor_that_is_accepted_is_silent() -> None:
    days = Days()
    days.run(3 * DAY)
    days.run(60, spread=0.0)
    assert days.lasting == ["stuck"]
    days.share.accept(acknowledged(days.minute).accepts)
    days.run(60, spread=0.0)
    assert days.lasting == []
