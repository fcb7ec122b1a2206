"""What a forecast promises: known slopes, honest intervals, new beginnings, reasons, causality."""

from __future__ import annotations

import numpy as np
import pytest

from reader.forecasting import history, jumps, paths, trend
from reader.forecasting.cycle import rhythm
from reader.forecasting.forecast import Forecast, forecasts
from reader.forecasting.history import DAY
from reader.forecasting.models import Floats
from tests.one_forecast import forecast

NOW = 1_800_012_345.0


def times(days: float, every: float = 3600.0) -> Floats:
    """Up to now, oldest first."""
    return NOW - np.arange(0.0, days * DAY, every)[::-1]


def line(at: Floats, start: float, per_day: float, noise: float = 0.05, seed: int = 1) -> Floats:
    rng = np.random.default_rng(seed)
    return np.asarray(start + per_day * (at - at[0]) / DAY + rng.normal(0.0, noise, at.size))


def days_until(found: Forecast, level: float) -> tuple[float | None, float | None, float | None]:
    crossing = next(each for each in found.crossings if each.level == level)
    return crossing.earliest, crossing.days, crossing.latest


def found_days(found: Forecast) -> list[float]:
    return [np.inf if each.days is None else each.days for each in found.crossings]


def rises(found: Forecast) -> float:
    """Its growth per day, which it has."""
    assert found.growth is not None
    return found.growth


@pytest.mark.parametrize("per_day", [0.05, 0.4, 3.0])
@pytest.mark.parametrize("days", [2.0, 7.0, 20.0, 60.0])
def test_a_known_slope_is_recovered_from_days_and_from_months(per_day: float, days: float) -> None:
    at = times(days)
    found = forecast(at, line(at, 10.0, per_day), NOW)
    assert found.verdict == "filling"
    assert found.growth == pytest.approx(per_day, abs=0.1 / days)
    low, high = found.growth_low, found.growth_high
    assert low is not None
    assert high is not None
    assert low <= rises(found) <= high


def test_the_days_until_each_level_are_those_of_the_line() -> None:
    at = times(30)
    found = forecast(at, line(at, 60.0, 0.5), NOW)
    for level, days in ((80.0, 10.0), (90.0, 30.0), (100.0, 50.0)):
        earliest, middle, latest = days_until(found, level)
        assert earliest is not None
        assert middle is not None
        assert middle == pytest.approx(days, rel=0.05)
        assert latest is not None
        assert earliest <= middle <= latest


def test_intervals_are_ordered_and_widen_for_every_kind_of_growth() -> None:
    rng = np.random.default_rng(4)
    at = times(40, 21_600)
    series = [20.0 + np.cumsum(rng.gamma(0.2, scale, at.size)) for scale in (0.01, 0.1, 0.5) * 5]
    for found in forecasts([(at, values) for values in series], NOW, (50.0, 80.0), 90.0):
        for crossing in found.crossings:
            ends = [np.inf if x is None else x for x in
                    (crossing.earliest, crossing.days, crossing.latest)]  # fmt: skip
            assert ends == sorted(ends)
        widths = [ahead.high - ahead.low for ahead in found.ahead]
        assert widths == sorted(widths)
        assert all(ahead.low <= ahead.value <= ahead.high for ahead in found.ahead)
        by_level = [np.inf if c.days is None else c.days for c in found.crossings]
        assert by_level == sorted(by_level)


@pytest.mark.parametrize("change", [-30.0, -5.0, +40.0])
def test_a_step_begins_the_trend_anew(change: float) -> None:
    at = times(7, 600)
    values = line(at, 50.0, 0.8) + np.where(at > NOW - 3 * DAY, change, 0.0)
    found = forecast(at, values, NOW)
    assert found.jump == pytest.approx(change, abs=0.5)
    assert found.since == pytest.approx(NOW - 3 * DAY, abs=2 * 3600)
    assert found.growth == pytest.approx(0.8, abs=0.1)


def test_two_steps_leave_what_came_after_the_later() -> None:
    at = times(60)
    values = line(at, 50.0, 0.3) - 10.0 * (at > NOW - 40 * DAY) - 20.0 * (at > NOW - 20 * DAY)
    found = forecast(at, values, NOW)
    assert found.since == pytest.approx(NOW - 20 * DAY, abs=DAY)
    assert found.growth == pytest.approx(0.3, abs=0.05)


def test_soon_after_a_step_it_says_so_instead_of_guessing() -> None:
    at = times(7, 600)
    found = forecast(at, line(at, 50.0, 0.8) - 20.0 * (at > NOW - 3600.0), NOW)
    assert (found.verdict, found.growth, found.ahead) == ("unknown", None, ())
    assert found.reason is not None
    assert found.reason.startswith("the step of -")
    assert found.reason.endswith("h ago; 3 h are needed")


def test_growth_in_many_bursts_is_growth_and_no_step() -> None:
    rng = np.random.default_rng(8)
    at = times(60, 21_600)
    values = 20.0 + np.cumsum((rng.random(at.size) < 0.1) * rng.exponential(1.0, at.size))
    found = forecast(at, values, NOW)
    assert found.jump is None
    assert found.growth == pytest.approx(0.4, abs=0.2)


def test_a_spike_of_one_reading_changes_nothing_much() -> None:
    at = times(30)
    values = line(at, 50.0, 0.5)
    spiked = values.copy()
    spiked[-100] += 30.0
    plain, found = forecast(at, values, NOW), forecast(at, spiked, NOW)
    assert found.jump is None
    assert found.growth == pytest.approx(rises(plain), rel=0.1)


def test_what_falls_or_stands_is_not_filling() -> None:
    at = times(14)
    for per_day in (0.0, -0.4):
        found = forecast(at, line(at, 50.0, per_day), NOW)
        assert found.verdict == "not_filling"
        assert days_until(found, 80.0) == (None, None, None)


def test_a_constant_series_grows_by_exactly_nothing() -> None:
    at = times(7)
    found = forecast(at, np.full(at.size, 42.0), NOW)
    assert (found.verdict, found.growth, found.growth_low) == ("not_filling", 0.0, 0.0)
    assert found.ahead[0].value == 42.0
    assert days_until(found, 100.0) == (None, None, None)
    assert days_until(forecast(at, np.full(at.size, 85.0), NOW), 80.0) == (0.0, 0.0, 0.0)


def test_a_line_without_any_noise_is_followed_exactly() -> None:
    at = times(7)
    found = forecast(at, line(at, 60.0, 0.8, noise=0.0), NOW)
    assert found.growth == pytest.approx(0.8, rel=1e-4)
    earliest, days, latest = days_until(found, 90.0)
    assert days == pytest.approx(30.5, rel=1e-2)
    assert earliest == pytest.approx(latest, rel=1e-2)


def test_whole_numbers_of_a_coarse_sensor_still_fill() -> None:
    at = times(60, 21_600)
    found = forecast(at, np.floor(line(at, 20.0, 0.5, noise=0.0)), NOW)
    assert found.verdict == "filling"
    assert found.growth == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize("shown", [np.floor, np.round, np.ceil])
def test_the_day_of_a_level_is_when_a_sensor_of_whole_per_cent_shows_it(shown: np.ufunc) -> None:
    at, per_day = times(60, 21_600), 0.4
    exact = line(at, 41.3, per_day, noise=0.0)
    found = forecast(at, shown(exact), NOW, (80.0,))
    ahead = np.arange(0.0, 90.0, 0.01)
    comes = ahead[np.argmax(shown(exact[-1] + per_day * ahead) >= 80.0)]
    earliest, days, latest = days_until(found, 80.0)
    assert days == pytest.approx(comes, abs=0.8)  # half a per cent would be 1.25 days
    assert earliest is not None
    assert latest is not None
    assert earliest <= comes <= latest


def test_a_level_between_two_readings_of_a_coarse_sensor_is_shown_with_the_next() -> None:
    at = times(60, 21_600)
    found = forecast(at, np.floor(line(at, 41.3, 0.4, noise=0.0)), NOW, (79.3, 80.0))
    assert days_until(found, 79.3) == days_until(found, 80.0)


def test_a_counter_that_never_fell_is_not_foretold_to_fall() -> None:
    rng = np.random.default_rng(2)
    at = times(30, 21_600)
    values = np.cumsum((rng.random(at.size) < 0.05) * rng.exponential(5.0, at.size))
    found = forecast(at, values, NOW, ())
    assert found.growth_low is not None
    assert found.growth_low >= 0.0
    assert all(ahead.low >= values[-1] for ahead in found.ahead)


def test_gaps_disorder_repeats_nan_and_the_future_do_no_harm() -> None:
    at = times(30)
    values = line(at, 50.0, 0.5)
    plain = forecast(at, values, NOW)
    rng = np.random.default_rng(6)
    kept = np.sort(rng.choice(at.size, at.size // 2, replace=False))
    kept = kept[(at[kept] < NOW - 12 * DAY) | (at[kept] > NOW - 9 * DAY)]
    mixed = rng.permutation(np.r_[kept, kept[::3]])
    ugly_at = np.r_[at[mixed], NOW - 50.0, NOW + 5000.0, np.nan, NOW - 7200.0]
    ugly = np.r_[values[mixed], np.nan, 1e9, 3.0, np.inf]
    found = forecast(ugly_at, ugly, NOW)
    assert found.verdict == "filling"
    assert found.growth == pytest.approx(rises(plain), rel=0.1)


@pytest.mark.parametrize(
    ("count", "reason"),
    [
        (0, "no reading"),
        (1, "readings go back only 0 s; 3 h are needed"),
        (2, "readings go back only 1 h; 3 h are needed"),
    ],
)
def test_too_few_readings_get_a_reason_and_nulls(count: int, reason: str) -> None:
    at = times(1)[-count:] if count else np.empty(0)
    found = forecast(at, np.linspace(50.0, 51.0, count), NOW)
    assert (found.verdict, found.reason, found.growth, found.method) == (
        "unknown", reason, None, None,
    )  # fmt: skip
    assert [days_until(found, level) for level in (80.0, 90.0)] == [(None, None, None)] * 2


def test_a_device_long_silent_is_not_foretold() -> None:
    at = times(30)
    old = at < NOW - 10 * DAY
    found = forecast(at[old], line(at, 50.0, 0.5)[old], NOW)
    assert (found.verdict, found.reason) == ("unknown", "no reading for 10 days")


def test_a_short_past_does_not_speak_of_a_far_future() -> None:
    at = times(1, 300)
    found = forecast(at, line(at, 60.0, 0.5), NOW)
    assert found.horizon_days == pytest.approx(history.REACH, rel=0.02)
    assert [ahead.days for ahead in found.ahead] == [7.0]
    assert days_until(found, 100.0) == (None, None, None)


def test_what_comes_after_now_plays_no_part() -> None:
    at = times(30)
    values = line(at, 50.0, 0.5)
    whole = forecast(at, values, NOW - 5 * DAY)
    assert whole == forecast(at[at <= NOW - 5 * DAY], values[at <= NOW - 5 * DAY], NOW - 5 * DAY)


def test_a_forecast_does_not_depend_on_the_others_asked_for() -> None:
    rng = np.random.default_rng(9)
    series = []
    for days in (2.0, 9.0, 40.0, 170.0, 7.0):
        at = times(days)
        series.append((at, 30.0 + np.cumsum(rng.gamma(0.3, 0.02, at.size))))
    together = forecasts(series, NOW)
    for (at, values), found in zip(series, together, strict=True):
        alone = forecast(at, values, NOW)
        assert found.growth == pytest.approx(rises(alone), rel=1e-9)
        assert found_days(found) == pytest.approx(found_days(alone), rel=1e-9)


@pytest.mark.parametrize("factor", [1e-6, 1e12])
def test_the_unit_of_a_value_plays_no_part(factor: float) -> None:
    at = times(20)
    values = line(at, 50.0, 0.5)
    plain = forecast(at, values, NOW)
    scaled = forecast(at, values * factor, NOW, (80.0 * factor, 90.0 * factor, 100.0 * factor))
    assert found_days(scaled) == pytest.approx(found_days(plain), rel=1e-4)


def test_a_weekly_rhythm_is_found_and_taken_out() -> None:
    at = times(84, 21_600)
    weekend = np.where((at / DAY).astype(int) % 7 >= 5, -4.0, 0.0)
    found = forecast(at, line(at, 30.0, 0.3) + weekend, NOW)
    assert found.method is not None
    assert found.method.endswith("weekly rhythm")
    assert found.growth == pytest.approx(0.3, abs=0.03)


def test_the_daily_rhythm_of_a_week_is_found_and_taken_out() -> None:
    at = times(7, 600)
    found = forecast(at, line(at, 60.0, 0.5) + 3.0 * np.sin(2 * np.pi * at / DAY), NOW)
    assert found.method is not None
    assert found.method.endswith("daily rhythm")
    assert found.growth == pytest.approx(0.5, abs=0.05)


def test_a_rhythm_goes_on_where_it_was() -> None:
    at = times(84, 21_600)
    found = forecast(
        at,
        50.0 + 5.0 * np.sin(2 * np.pi * at / (7 * DAY)),
        NOW,
        spoken=np.arange(0.5, 14.0).tolist(),
    )
    ahead = np.array([each.value for each in found.ahead])
    day = NOW + np.array([each.days for each in found.ahead]) * DAY
    assert ahead == pytest.approx(50.0 + 5.0 * np.sin(2 * np.pi * day / (7 * DAY)), abs=0.8)


@pytest.mark.parametrize("now", NOW - 613.0 * np.arange(6))
def test_a_rhythm_without_growth_does_not_fill_by_the_rounding_of_its_numbers(now: float) -> None:
    hours = np.arange(167.0)[::-1]
    assert forecast(now - 3600.0 * hours, 80.0 + hours % 3 / 50, now).verdict == "not_filling"
    later = 80.0 + np.arange(167) % 3 / 50 + 1e-13 * np.arange(167)
    assert forecast(now - 3600.0 * hours, later, now).verdict == "not_filling"


def test_noise_has_no_rhythm() -> None:
    found = [rhythm(np.random.default_rng(n).normal(size=84), 7) for n in range(200)]
    assert sum(profile is not None for profile in found) <= 2


def test_a_step_is_found_where_it_is_and_noise_has_none() -> None:
    rng = np.random.default_rng(3)
    without = [jumps.last_jump(np.cumsum(rng.normal(0.1, 1.0, 90)), 10.0) for _ in range(300)]
    assert sum(found is not None for found in without) <= 3
    values = np.arange(60.0) * 0.1
    values[40:] -= 10.0
    found = jumps.last_jump(values, 10.0)
    assert found is not None
    assert found == pytest.approx((40, -9.8))


def test_intervals_hold_for_a_rate_in_waves_that_no_model_has() -> None:
    """Growth by the day that is fast and slow for two weeks each: 60 days of it, then 15 more."""
    rng = np.random.default_rng(3)
    days = np.arange(75.0)
    at = NOW + (days - 59.5) * DAY
    waves = [np.sin(2 * np.pi * (days / 30.0 + rng.uniform())) for _ in range(96)]
    noise = rng.normal(0.0, 0.05, (96, days.size))
    grown = [
        20.0 + np.cumsum(0.6 + 0.36 * wave + each) for wave, each in zip(waves, noise, strict=True)
    ]
    found = forecasts([(at[:60], each[:60]) for each in grown], NOW, [], 15.0, (14.5,))
    held = [
        one.ahead[0].low <= each[-1] <= one.ahead[0].high
        for one, each in zip(found, grown, strict=True)
    ]
    assert np.mean(held) >= 0.78


def test_what_a_sum_of_errors_varies_by_is_seen_from_how_long_they_last() -> None:
    rng = np.random.default_rng(5)
    alone = rng.normal(0.0, 1.0, (400, 40))
    lasting = alone.copy()
    for i in range(1, 400):
        lasting[i] += 0.8 * lasting[i - 1]
    back_and_forth = np.diff(alone, axis=0, prepend=0.0)
    count = np.full(40, 400.0)
    for errors, low, high in (
        (alone, 1.0, 1.3),
        (lasting, 5.0, 9.0),  # in the end nine times
        (back_and_forth, 1.0, 1.0),
        (1e-9 * lasting, 5.0, 9.0),
        (np.zeros((400, 40)), 1.0, 1.0),
    ):
        found = trend.lasting(errors, count)
        assert found.shape == (40, 1)
        assert found.min() >= 1.0
        assert low <= np.median(found) <= high


def test_paths_reach_a_level_when_the_line_between_two_points_does() -> None:
    level = np.broadcast_to(np.linspace(0.0, 44.0, 45), (1, paths.PATHS, 45))
    assert paths.reached(level, np.array([10.5]))[0] == pytest.approx([10.5 / 44.0] * 3)
    assert np.isinf(paths.reached(level, np.array([44.5]))).all()
    assert (paths.reached(level, np.array([-1.0])) == 0.0).all()
