"""What fills up within hours: a line through the last minutes, and what is no such line."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from reader.detection.findings import Finding
from reader.forecasting import capacity, short_term
from reader.forecasting.forecast import Forecast
from reader.watching import forecasts
from reader.watching.followed_shares import FollowedShares

NOW = 1_800_012_345.0
LEVELS = (80.0, 90.0, 100.0)
HOUR = 3600.0


def minutes(count: int) -> Any:
    return NOW - 60.0 * np.arange(count)[::-1]


def noise(count: int, size: float, seed: int = 1) -> Any:
    return np.random.default_rng(seed).normal(0.0, size, count)


def foretold(values: Any, usual: float = 0.0) -> Forecast | None:
    return short_term.forecast(minutes(len(values)), values, NOW, LEVELS, usual)


@pytest.mark.parametrize("size", [0.0, 0.02, 0.1])
def test_half_a_per_cent_a_minute_is_foretold_after_ten_minutes(size: float) -> None:
    found = foretold(60.0 + 0.5 * np.arange(11) + noise(11, size))
    assert found is not None
    assert found.verdict == "filling"
    days = found.crossings[-1].days
    assert days is not None
    assert days * 1440 == pytest.approx(70.0, rel=0.1)  # minutes from 65 % to 100 %
    for crossing in found.crossings:
        assert crossing.earliest is not None
        assert crossing.latest is not None
        assert crossing.earliest <= crossing.days <= crossing.latest  # type: ignore[operator]


def test_the_sentence_speaks_of_minutes() -> None:
    found = foretold(60.0 + 0.5 * np.arange(11))
    assert found is not None
    said = capacity.sentence("CapacityUsed", found)
    assert said.startswith("CapacityUsed 65 %, growing 0.5 % a minute; 80 % in 30 min")
    assert "100 % in 1.17 h" in said


def test_growth_that_began_in_the_middle_counts_from_there() -> None:
    found = foretold(np.concatenate([np.full(15, 60.0), 60.0 + 0.5 * np.arange(1, 13)]))
    assert found is not None
    assert found.growth is not None
    assert found.growth / 1440 == pytest.approx(0.5, rel=0.1)


@pytest.mark.parametrize(
    "values",
    [
        60.0 + 0.5 * np.arange(9),  # too short
        np.full(30, 60.0),
        60.0 + noise(30, 0.5),
        60.0 - 0.5 * np.arange(30),
        60.0 + 0.001 * np.arange(30),  # slow: the trends' business
        np.concatenate([np.full(20, 60.0), np.full(10, 70.0)]),  # a step: something was copied
        np.concatenate([60.0 + 0.5 * np.arange(12), np.full(10, 65.5)]),  # it has ended
        20.0 + 0.1 * np.arange(12),  # full after eleven times as long again as is foretold
    ],
)
def test_nothing_is_foretold_of_what_is_no_plain_rise(values: Any) -> None:
    assert foretold(values) is None


def test_nothing_is_foretold_of_a_device_that_fell_silent() -> None:
    values: Any = 60.0 + 0.5 * np.arange(20)
    assert short_term.forecast(minutes(20) - 300.0, values, NOW, LEVELS, 0.0) is None


def test_a_device_that_has_risen_so_before_and_did_not_fill_up_is_not_running_away() -> None:
    """A copy every night adds 9 % within an hour, and is deleted again."""
    times: Any = NOW - HOUR * np.arange(7 * 24.0)[::-1]
    hour_of_day = np.arange(7 * 24) % 24
    usual = short_term.usual_rise(times, np.where(hour_of_day == 2, 69.0, 60.0), NOW)
    assert usual == pytest.approx(9.0)
    rise = 60.0 + 0.5 * np.arange(12)
    assert foretold(rise) is not None
    assert foretold(rise, usual) is None
    beyond = 60.0 + 0.5 * np.arange(30)
    assert foretold(beyond, usual) is not None  # it has risen by more than it ever did


def test_what_runs_away_now_is_not_taken_for_what_is_usual() -> None:
    times: Any = NOW - 900.0 * np.arange(96)[::-1]
    leak: Any = np.where(times > NOW - 2 * HOUR, 40.0 + 0.5 * (times - NOW + 2 * HOUR) / 60.0, 40.0)
    assert short_term.usual_rise(times, leak, NOW) == 0.0


async def test_what_was_foretold_is_read_before_the_fleet_is_looked_at_for_the_first_time() -> None:
    """Else each start of a reader would say that what fills up is over, and then that it begins."""
    found = Finding("DiskUnit", "leak", "CapacityUsed", "critical", 1, 70.0, "%", 100.0, "grows")
    stored = forecasts.to_json([found])

    class Bucket:
        async def get(self, _key: str) -> tuple[Any, int]:
            return stored, 3

    async def stops_before_the_first_beat(_seconds: float) -> bool:
        return False

    service = SimpleNamespace(pause=stops_before_the_first_beat)
    followed: Any = FollowedShares(1.0, 10)
    deps: Any = SimpleNamespace(service=service)
    bucket: Any = Bucket()
    await forecasts.FleetForecasts(deps, bucket, followed).run()
    assert followed.forecasts == [found]
