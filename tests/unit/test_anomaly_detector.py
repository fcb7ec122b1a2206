"""What the streaming anomaly detector promises of any series."""

from __future__ import annotations

import math
import random
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reader.detection.detector import WARM_UP, Detector
from reader.detection.explanation import ALARM
from reader.detection.scoring import View, scores
from spindle.errors import InvalidInput

MINUTE, DAY = 60.0, 1440
ANY = st.floats(allow_nan=True, allow_infinity=True)


def times(points: int) -> list[float]:
    return [1_750_032_000.0 + MINUTE * i for i in range(points)]


def noise(points: int, seed: int = 1) -> list[float]:
    rng = random.Random(seed)
    return [rng.gauss(10.0, 1.0) for _ in range(points)]


def rhythm(days: int, seed: int = 2) -> list[float]:
    rng = random.Random(seed)
    return [
        50 + 30 * math.sin(2 * math.pi * i / DAY) + rng.gauss(0, 1.5) for i in range(days * DAY)
    ]


def first_alarm(values: list[float], begin: int) -> tuple[int, str]:
    """Points from ``begin`` to the first alarm, and what it says; before ``begin`` none may be."""
    detector = Detector()
    for i, (moment, value) in enumerate(zip(times(len(values)), values, strict=True)):
        if detector.update(moment, value) >= ALARM:
            assert i >= begin
            return i - begin, detector.explain("Latency", "ms").text
    pytest.fail("no alarm")


@given(st.lists(st.tuples(ANY, ANY), max_size=60))
def test_any_points_whatever_are_scored_from_0_to_1(points: list[tuple[float, float]]) -> None:
    detector = Detector()
    for moment, value in zip(times(200), noise(200), strict=True):
        detector.update(moment, value)
    for moment, value in points:
        assert 0.0 <= detector.update(moment, value) <= 1.0
        detector.explain("Latency", "ms")
        Detector.from_bytes(detector.to_bytes())


@pytest.mark.parametrize("view", View)
def test_a_prefix_gives_the_prefixs_scores_bit_for_bit(view: View) -> None:
    values = noise(3000)
    values[2000:2050] = [v + 9 for v in values[2000:2050]]
    whole = scores(times(3000), values, view=view)
    for end in (1, 149, 151, 1999, 2005, 2700):
        assert scores(times(end), values[:end], view=view) == whole[:end]


def test_batch_and_streaming_scores_are_the_same_numbers() -> None:
    values, detector = noise(3000), Detector()
    streamed = [detector.update(t, v) for t, v in zip(times(3000), values, strict=True)]
    assert streamed == scores(times(3000), values)
    assert max(streamed) > 0.0


@pytest.mark.parametrize("cut", [0, 1, 100, 1471, 1473, 2010, 5000])
def test_a_restored_snapshot_goes_on_with_the_same_numbers(cut: int) -> None:
    values = rhythm(5)
    values[2000:2040] = [v + 200 for v in values[2000:2040]]
    moments, whole = times(len(values)), scores(times(len(values)), values)
    states = scores(moments, values, view=View.STATE)
    detector = Detector()
    for moment, value in zip(moments[:cut], values[:cut], strict=True):
        detector.update(moment, value)
    restored = Detector.from_bytes(detector.to_bytes())
    assert restored.to_bytes() == detector.to_bytes()
    after = zip(moments[cut:], values[cut:], strict=True)
    assert [(restored.update(t, v), restored.state) for t, v in after] == [
        *zip(whole[cut:], states[cut:], strict=True)
    ]
    assert restored.explain().text


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b + b"x", lambda b: b"x" + b])
def test_a_damaged_snapshot_is_refused_in_one_sentence(damage: object) -> None:
    detector = Detector()
    for moment, value in zip(times(300), noise(300), strict=True):
        detector.update(moment, value)
    with pytest.raises(InvalidInput, match=r"start a fresh detector\.$"):
        Detector.from_bytes(damage(detector.to_bytes()))  # type: ignore[operator]


def test_the_state_stays_under_64_kib_however_long_the_series() -> None:
    rng, detector = random.Random(3), Detector()
    for i in range(60 * DAY):
        detector.update(MINUTE * i, rng.lognormvariate(0, 2) * 1e6)
    assert len(detector.to_bytes()) < 64 * 1024


def states(values: list[float]) -> list[float]:
    return scores(times(len(values)), values, view=View.STATE)


def test_what_lasts_in_a_short_recording_has_the_highest_states() -> None:
    values = noise(1_200)
    for at in range(500, 800):
        values[at] += 4.0
    found = states(values)
    within, before = found[560:800], found[:500]
    assert min(within) > 2 * max(before)


def test_a_single_point_has_a_state_of_its_own() -> None:
    values, spikes = noise(4_000), (3_005, 3_405, 3_805)  # between two looks at the hour
    for at in spikes:
        values[at] += 6.0
    found = states(values)
    for at in spikes:
        assert found[at] > max(found[at - 1], found[at + 1]) + 0.04


def test_a_second_time_in_a_short_recording_is_as_unusual_as_the_first() -> None:
    values = noise(1_500)
    for at in (*range(500, 700), *range(1_100, 1_300)):
        values[at] *= 0.1
    found = states(values)
    assert max(found[1_100:1_300]) >= max(found[500:700]) > 2 * max(found[:500])


def test_what_is_usual_each_by_itself_is_unusual_together() -> None:
    """A load that scatters as it grows: for four hours it scatters most where it is least."""
    rng, values = random.Random(5), list[float]()
    for at in range(6_000):
        load = 0.5 - 0.5 * math.cos(2 * math.pi * at / 1_200)
        scatter = 2.0 if 4_680 <= at < 4_920 else 0.2 + 2.0 * load
        values.append(10.0 + 10.0 * load + rng.gauss(0.0, scatter))
    found = states(values)
    assert median(found[4_740:4_920]) > max(found[2_500:4_680])


def test_what_is_learnt_in_the_first_day_says_no_alarm_of_a_departure() -> None:
    detector = Detector()
    for at, value in enumerate(noise(800)):
        detector.update(60.0 * at, value + (4.0 if at >= 500 else 0.0))
        assert detector.departed == detector.departure.alarm == 0.0
    assert detector.state > 0.0


def test_no_score_during_the_warm_up_and_some_after() -> None:
    values = [*noise(WARM_UP - 1), 1e6, *noise(50), 1e9]
    found = scores(times(len(values)), values)
    assert max(found[:WARM_UP]) == 0.0
    assert found[-1] > 0.0


@pytest.mark.parametrize("value", [0.0, 42.0, -1e9])
def test_a_constant_series_is_never_unusual(value: float) -> None:
    assert set(scores(times(3000), [value] * 3000)) == {0.0}


def test_a_straight_line_is_never_unusual() -> None:
    values = [round(20 + 0.0002 * i, 4) for i in range(5000)]
    assert max(scores(times(5000), values)) < ALARM


def test_missing_values_score_0_and_change_nothing() -> None:
    values = noise(1000)
    sparse = [x for v in values for x in (v, math.nan, math.inf)]
    moments = [t for t in times(1000) for _ in range(3)]
    assert scores(moments, sparse)[::3] == scores(times(1000), values)
    assert set(scores(moments, sparse)[1::3]) == {0.0}


def test_duplicates_and_steps_backwards_are_no_alarm() -> None:
    values, moments = noise(3000), times(3000)
    moments[1000:1010] = [moments[1000]] * 10
    moments[2000:2100] = [t - 7200 for t in moments[2000:2100]]
    moments[2500:] = [t - 40 * 86_400 for t in moments[2500:]]
    assert max(scores(moments, values)) < ALARM


def test_a_new_level_after_a_long_gap_is_no_surge() -> None:
    values = [*noise(2000), *(v + 100 for v in noise(500))]
    moments = times(2500)
    moments[2000:] = [t + 7 * 86_400 for t in moments[2000:]]
    assert max(scores(moments, values)) < ALARM


def test_a_level_shift_is_an_alarm_within_five_points() -> None:
    values = [*noise(2000), *(v + 15 for v in noise(100))]
    delay, text = first_alarm(values, 2000)
    assert delay <= 5
    assert text.startswith("Latency ") and "% of the last 24 h lay below" in text


def test_an_alarm_names_the_level_that_was_usual_before_it() -> None:
    detector, named = Detector(), []
    for moment, value in zip(times(2003), [*noise(2000), 30.0, 31.0, 30.5], strict=True):
        if detector.update(moment, value) >= ALARM:
            named.append(detector.explain("Latency", "ms").expected)
    assert named
    assert named == pytest.approx([10.0] * len(named), abs=1.0)


def test_a_drop_is_an_alarm_within_five_points() -> None:
    delay, text = first_alarm([*noise(2000), *(v - 9 for v in noise(100))], 2000)
    assert delay <= 5
    assert "lay above" in text


def test_a_single_huge_spike_is_an_alarm_at_once() -> None:
    values = noise(2000)
    values[1800] = 5000.0
    assert first_alarm(values, 1800)[0] == 0


def test_grown_variance_is_an_alarm() -> None:
    values = [*noise(2000), *(10 + 8 * (v - 10) for v in noise(100, seed=5))]
    assert first_alarm(values, 2000)[0] <= 15


def test_a_changed_slope_is_an_alarm() -> None:
    values = [20 + 0.001 * i + v / 500 for i, v in enumerate(noise(2100))]
    values[2000:] = [v + 0.05 * (i + 1) for i, v in enumerate(values[2000:])]
    assert first_alarm(values, 2000)[0] <= 5


def test_a_stuck_sensor_is_an_alarm_that_says_so() -> None:
    values = [round(v, 1) for v in noise(2000)]
    values += [10.3] * 60
    delay, text = first_alarm(values, 2000)
    assert delay <= 30
    assert "without any change for" in text


def test_idleness_at_the_lowest_value_is_no_stuck_sensor() -> None:
    values = [0.0 if i % DAY > 800 else 5 + v for i, v in enumerate(noise(3 * DAY))]
    detector = Detector()
    for moment, value in zip(times(len(values)), values, strict=True):
        detector.update(moment, value)
        assert detector.kind != "stuck" or detector.score < ALARM


def test_a_day_that_breaks_the_daily_rhythm_is_an_alarm_though_every_value_is_usual() -> None:
    values = rhythm(12)
    values[10 * DAY : 11 * DAY] = [50 - (v - 50) for v in values[9 * DAY : 10 * DAY]]
    delay, text = first_alarm(values, 10 * DAY)
    assert delay <= DAY // 2
    assert "unlike each of the 10 days before" in text


def test_a_daily_rhythm_itself_is_no_alarm() -> None:
    values = rhythm(14)
    assert max(scores(times(len(values)), values)) < ALARM


def test_a_slow_drift_of_a_daily_rhythm_is_an_alarm() -> None:
    values = rhythm(14)
    values[8 * DAY :] = [v + 0.02 * i for i, v in enumerate(values[8 * DAY :])]
    assert first_alarm(values, 8 * DAY)[0] <= 3 * DAY


def test_repeats_of_a_known_alarm_fade() -> None:
    values = noise(6000)
    for begin in range(2000, 6000, 400):
        values[begin : begin + 20] = [v + 15 for v in values[begin : begin + 20]]
    found = scores(times(6000), values)
    heard = [max(found[b : b + 20]) for b in range(2000, 6000, 400)]
    assert heard[0] >= ALARM
    assert max(heard[2:]) < ALARM


def filling(points: int, moves: dict[int, float], seed: int = 3) -> list[float]:
    """Capacity in per cent that hardly grows, and is moved at some points."""
    rng, value, found = random.Random(seed), 80.0, []
    for i in range(points):
        value += rng.gammavariate(0.3, 0.001) + moves.get(i, 0.0)
        found.append(round(value + rng.gauss(0.0, 0.002), 3))
    return found


@pytest.mark.parametrize("freed", [2.0, 20.0, 55.0])
@pytest.mark.parametrize("hours", [2, 5, 16])
def test_a_leak_is_heard_within_half_an_hour_though_data_was_moved_away_before(
    freed: float, hours: int
) -> None:
    moved, leak = 2000, 2000 + 60 * hours
    values = filling(leak + 120, {moved: -freed, **{leak + i: 0.2 for i in range(120)}})
    found = scores(times(len(values)), values)
    assert max(found[moved : moved + 5]) >= ALARM
    assert max(found[moved + 5 : leak]) < ALARM
    assert max(found[leak : leak + 30]) >= ALARM


@pytest.mark.parametrize("days", [3, 7])
def test_data_moved_away_every_few_days_is_told_once_or_twice(days: int) -> None:
    length = 28 * DAY
    values = filling(length, dict.fromkeys(range(2000, length, days * DAY), -2.0))
    found = scores(times(length), values)
    told = [max(found[at : at + 60]) >= ALARM for at in range(2000, length, days * DAY)]
    assert told[0]
    assert sum(told) <= 2
    assert sum(s >= ALARM for s in found) <= 3


def test_one_alarm_is_no_flood_of_rows() -> None:
    values = [*noise(2000), *(v + 15 for v in noise(2000))]
    assert sum(s >= ALARM for s in scores(times(4000), values)) <= 6


def test_the_explanation_of_a_usual_point_says_so() -> None:
    detector = Detector()
    assert detector.update(0.0, 3.14159) == 0.0
    explanation = detector.explain("Latency", "ms")
    assert explanation.text == "Latency 3.142 ms; nothing unusual"
    assert (explanation.kind, explanation.expected) == (None, None)
    detector.update(60.0, math.nan)
    assert detector.explain("Latency").text == "Latency was no number"
