"""What belongs together is one anomaly: its beginning, its end, its weight."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from reader.detection import anomaly
from reader.detection.anomaly import Anomaly
from reader.detection.departure import GLANCE
from reader.detection.detector import Detector
from reader.detection.episode import Episode, criticality, severity
from reader.detection.episodes import ACCEPTED, CALM, Episodes
from reader.detection.explanation import Explanation
from reader.detection.window import WINDOW
from reader.questions.anomalies import _before, _still_learning, chosen, row
from reader.watching.series import FollowedSeries
from spindle.store.base import Bucket, Selection, SeriesKey
from spindle.timestamps import NS


@dataclass
class Said:
    """What a detector would say of a point."""

    value: float
    expected: float | None
    alarm: float
    kind: str = "surge"
    departed: float = 0.0
    grew: bool | None = None
    away: bool = False
    began_anew: bool = False
    is_sure: bool = True

    def hold(self) -> None:
        """Nothing is learnt here."""

    @property
    def lately(self) -> float | None:
        return self.value

    def is_away(self, *, high: bool) -> bool:
        return self.away and high

    def climb(self, metric: str, unit: str) -> str:
        assert metric and unit
        return ""

    def explain_lately(self, metric: str, unit: str) -> Explanation:
        return self.explain(metric, unit)

    def explain(self, metric: str, unit: str, usual: float | None = None) -> Explanation:
        assert metric and unit
        assert usual in (None, self.expected)
        text = f"value {self.value:g}"
        return Explanation(self.alarm, self.kind, self.value, self.expected, text, self.grew)


def run(points: Sequence[tuple[float, float]], expected: float = 1.0) -> list[tuple[str, int]]:
    """``(value, score)`` each second; what began and ended, and when."""
    episodes, found = Episodes("Latency"), []
    for second, (value, score) in enumerate(points):
        began, ended = episodes.take(second, value, Said(value, expected, score))
        found += [("begin", second)] * (began is not None) + [("end", second)] * (ended is not None)
    return found


QUIET = [(1.0, 0.0)] * 5


def test_alarms_that_follow_each_other_are_one_anomaly() -> None:
    spike = [(9.0, 0.9), (1.0, 0.0), (8.0, 0.7), (1.0, 0.0), (9.0, 0.6)]
    assert run(QUIET + spike + [(1.0, 0.0)] * CALM) == [("begin", 5), ("end", 9 + CALM)]


def test_while_the_value_stays_away_from_what_was_expected_it_lasts_though_alarms_fade() -> None:
    away = [(9.0, 0.9)] + [(8.8, 0.0)] * 50
    assert run(QUIET + away + [(1.0, 0.0)] * CALM) == [("begin", 5), ("end", 55 + CALM)]


@pytest.mark.parametrize("sure", [False, True])
def test_what_is_not_ill_is_told_once_enough_is_known(sure: bool) -> None:
    episodes, told = Episodes("IOPs"), list[str]()
    burst = [(300.0, 0.0)] * 5 + [(700.0, 0.9)] + [(700.0, 0.0)] * 20
    back = [(300.0, 0.9)] + [(300.0, 0.0)] * 2 * CALM
    collapse = [(10.0, 0.9)] + [(10.0, 0.0)] * 5
    for second, (value, score) in enumerate([*burst, *back, *collapse]):
        expected = 700.0 if second == len(burst) else 300.0  # a fast level has followed
        said = Said(value, expected, score, is_sure=sure)
        began, ended = episodes.take(second, value, said)
        told += [] if began is None else [began.text]
        told += [] if ended is None else ["over"]
        assert episodes.lasting is None or sure or value == 10.0
    assert told == (["value 700", "over"] if sure else []) + ["value 10"]
    again = Episodes.restored("IOPs", episodes.state())
    assert again.lasting == episodes.lasting


def test_what_is_not_ill_and_is_heard_again_while_it_lasts_is_told_all_the_same() -> None:
    episodes, told = Episodes("IOPs"), list[int]()
    for second, score in enumerate([0.9, 0.0, 0.0, 0.95, 0.0, 0.97]):
        began, _ = episodes.take(second, 700.0, Said(700.0, 300.0, score, is_sure=False))
        told += [] if began is None else [second]
    assert told == [3]
    assert episodes.lasting is not None


@pytest.mark.parametrize(
    ("metric", "value", "away", "told"),
    [
        ("Latency", 8.5, True, 2),
        ("Latency", 6.0, True, 1),  # not as it was
        ("Latency", 8.5, False, 1),  # as usual by now
        ("IOPs", 8.5, True, 1),  # no trouble
    ],
)
def test_the_same_again_is_told_once_it_has_lasted_though_no_alarm_is_raised(
    metric: str, value: float, away: bool, told: int
) -> None:
    episodes, begun = Episodes(metric), list[int]()
    first = [(9.0, 0.9)] + [(9.0, 0.0)] * 20 + [(1.0, 0.0)] * 100
    for second, (now, score) in enumerate([*first, *[(value, 0.0)] * 40]):
        began, _ = episodes.take(second, now, Said(now, 1.0, score, away=away and second > 120))
        begun += [] if began is None else [second]
    assert begun == [0, len(first) + CALM - 1][:told]


def test_the_way_back_is_part_of_it_and_no_anomaly_of_its_own() -> None:
    there = [(9.0, 0.9)] + [(9.0, 0.0)] * 20
    back = [(1.0, 0.95)] + [(1.0, 0.0)] * (CALM + 3)
    late = [(1.1, 0.9)] + [(1.0, 0.0)] * 30
    found = run(QUIET + there + back + late)
    assert [what for what, _ in found] == ["begin", "end"]
    again = run(QUIET + there + back + [(9.5, 0.9)])
    assert [what for what, _ in again] == ["begin", "end", "begin"]


def test_an_anomaly_is_told_by_its_peak_though_the_way_back_is_a_greater_surprise() -> None:
    episodes = Episodes("Latency")
    for second, (value, score) in enumerate([(9.0, 0.6), (8.0, 0.9), (9.5, 0.7), (9.6, 0.95)]):
        episodes.take(second, value, Said(value, 1.0, score))
        now = episodes.open
        assert now is not None
        told = {0: (9.0, 0.6), 1: (9.0, 0.9), 2: (9.0, 0.9), 3: (9.6, 0.95)}[second]
        assert (now.value, now.score) == told
        assert now.text == f"value {told[0]:g}"
        assert now.peak_time == (3 if second == 3 else 0)


def stays_away(metric: str, points: int, value: float, expected: float) -> Episodes:
    """Away from what was expected for so many points, with one alarm at the first of them."""
    episodes = Episodes(metric)
    for second in range(points):
        episodes.take(second, value, Said(value, expected, 0.0 if second else 0.9))
    return episodes


@pytest.mark.parametrize(
    ("metric", "value", "expected", "lasts"),
    [
        ("Latency", 9.0, 2.0, True),  # slow, however long
        ("Latency", 1.0, 4.0, False),  # faster than it was is the new usual
        ("CapacityUsed", 70.0, 40.0, False),  # what was filled stays full
        ("IOPs", 900.0, 300.0, False),  # load is what it is
        ("IOPs", 20.0, 300.0, False),
    ],
)
def test_what_has_lasted_long_is_the_new_usual_unless_it_is_ill_however_long_it_lasts(
    metric: str, value: float, expected: float, lasts: bool
) -> None:
    assert stays_away(metric, ACCEPTED, value, expected).open is not None
    after = stays_away(metric, 7 * ACCEPTED, value, expected).open
    assert (after is not None) is lasts


def test_the_same_again_is_told_again_with_how_often_it_has_been_so() -> None:
    episodes, told = Episodes("Latency"), []
    for start in (0, 10_000, 17_000, 30 * 86_400):
        for second in range(80):
            slow = second < 20
            said = Said(9.0 if slow else 1.0, 1.0, 0.0 if second else 0.95)
            began, _ = episodes.take(start + second, said.value, said)
            if began is not None:
                told.append(began)
    assert [each.text for each in told] == [
        "value 9",
        "value 9; for the 2nd time in 3 h, as at 00:00 UTC",
        "value 9; for the 3rd time in 5 h, as at 02:46 UTC",
        "value 9",  # a month later nothing is a precedent
    ]
    assert [criticality("Latency", each) for each in told] == [6, 5, 5, 6]


def lasting(metric: str, *stretches: tuple[int, float]) -> list[tuple[int, str, bool]]:
    """``(points, value)``, expected at 1, one alarm; when something began, its text, and whether
    something ended by that as worse."""
    episodes, found, second = Episodes(metric), [], 0
    for points, value in stretches:
        for _ in range(points):
            said = Said(value, 1.0, 0.0 if second else 0.9)
            began, ended = episodes.take(second, value, said)
            if began is not None:
                found.append((second, began.text, ended is not None and ended.worse))
            second += 1
    return found


def test_what_gets_twice_as_bad_while_it_lasts_is_told_again_though_no_alarm_is_raised() -> None:
    first, more = lasting("Latency", (3 * ACCEPTED, 4.0), (200, 12.0))
    assert first == (0, "value 4", False)
    assert 3 * ACCEPTED <= more[0] < 3 * ACCEPTED + GLANCE
    assert more[1:] == ("value 12; worse than at 00:00 UTC, when the middle was 4 ms", True)


@pytest.mark.parametrize(
    ("metric", "stretches"),
    [
        ("Latency", ((200, 4.0), (200, 6.0))),  # half as much again is the same story
        ("Latency", ((20, 4.0), (300, 12.0))),  # as is how far it goes at first
        ("DiskTemp", ((200, -3.0), (200, -9.0))),  # better still
    ],
)
def test_what_lasts_is_one_anomaly_while_it_is_not_much_worse(
    metric: str, stretches: tuple[tuple[int, float], ...]
) -> None:
    assert len(lasting(metric, *stretches)) == 1


def test_a_gap_within_what_lasts_is_no_trouble() -> None:
    rng, detector, episodes = random.Random(4), Detector(), Episodes("Latency")
    for second in range(700):
        value = (8.0 if second >= 500 else 2.0) + 0.1 * rng.gauss(0, 1)
        time = 5.0 * second + (600.0 if second >= 550 else 0.0)
        detector.update(time, value)
        episodes.take(time, value, detector)
    assert episodes.open is not None
    assert episodes.open.value == pytest.approx(8.0, abs=0.5)


def test_what_gets_worse_before_a_window_is_remembered_is_no_trouble() -> None:
    rng, detector, episodes = random.Random(4), Detector(), Episodes("Latency")
    for second in range(260):
        value = (2.0, 8.0, 40.0)[(second >= 155) + (second >= 195)] + 0.1 * rng.gauss(0, 1)
        detector.update(5.0 * second, value)
        episodes.take(5.0 * second, value, detector)
    assert episodes.open is not None


def told_of(metric: str, values: Sequence[float], step: float = 60.0) -> list[Episode]:
    """What a detector tells of a series."""
    detector, episodes, told = Detector(), Episodes(metric), []
    for number, value in enumerate(values):
        detector.update(step * number, value)
        began, _ = episodes.take(step * number, value, detector)
        told += [began] if began else []
    return told


def test_a_recording_that_begins_amid_a_job_does_not_get_worse_when_that_is_over() -> None:
    rng = random.Random(4)
    job = [1500.0 * rng.lognormvariate(0.0, 0.1) for _ in range(155)]
    told = told_of("IOPs", job + [300.0 * rng.lognormvariate(0.0, 0.1) for _ in range(700)])
    assert [each.text for each in told if "worse" in each.text] == []
    assert len(told) == 1


@pytest.mark.parametrize("seed", range(50, 54))
def test_what_is_usual_is_not_told_as_worse(seed: int) -> None:
    rng, busy, values = random.Random(seed), False, []
    for _ in range(17_280):  # a disk that is idle or busy, a day at one reading in five seconds
        busy ^= rng.random() < 5.0 / (1800.0 if busy else 7200.0)
        values.append(busy * min(100.0, max(1.0, rng.gauss(40.0, 20.0))))
    assert [each.text for each in told_of("Utilisation", values, 5.0) if "worse" in each.text] == []


def test_a_step_of_what_was_constant_does_not_make_the_usual_unusual() -> None:
    values = [5.0] * 8 * 1440
    for _ in range(4):
        values += [7.0] * 60 + [5.0] * 180
    told = told_of("Value", values)
    assert len(told) == 4
    assert [each.text for each in told if "scattered by 0 " in each.text] == []


@pytest.mark.parametrize("seed", range(60, 63))
def test_a_collapse_of_a_load_with_a_daily_rhythm_is_told_each_time(seed: int) -> None:
    rng, slow, values, starts = random.Random(seed), 0.0, list[float](), list[int]()
    for minute in range(11 * 1440):
        slow = 0.97 * slow + 0.03 * rng.gauss(0.0, 1.0)
        load = 400.0 * (1.0 + 0.5 * math.sin(minute * math.tau / 1440.0)) * math.exp(slow)
        is_down = minute >= 8 * 1440 and minute % 400 < 60
        starts += [minute] if is_down and minute % 400 == 0 else []
        values.append(0.0 if is_down else load * rng.lognormvariate(0.0, 0.15))
    told = [round(each.start / 60.0) for each in told_of("IOPs", values)]
    heard = [sum(start <= when < start + 60 for when in told) for start in starts]
    assert heard == [1] * len(starts), (starts, told)


@pytest.mark.parametrize("seed", range(70, 73))
def test_one_slow_answer_is_no_change_of_an_hour(seed: int) -> None:
    rng = random.Random(seed)
    values = [2.0 * rng.lognormvariate(0.0, 0.2) for _ in range(10 * 1440)]
    for slow in range(0, len(values), 80):  # one at most in an hour
        values[slow] *= 1.0 + 4.0 * rng.paretovariate(1.3)
    texts = [each.text for each in told_of("Latency", values)]
    assert [text for text in texts if "changed by" in text or "in the mean" in text] == []


@pytest.mark.parametrize("seed", [84, 86])
def test_a_slow_run_that_ends_in_the_middle_of_what_is_usual_is_not_told(seed: int) -> None:
    rng, slow, values = random.Random(seed), 0.0, list[float]()
    for minute in range(15 * 1440):
        slow = 0.967 * slow + 0.255 * rng.gauss(0.0, 1.0)
        load = 1.0 + 0.6 * math.exp(-((((minute % 1440) / 1440 - 0.58) / 0.14) ** 2))
        load *= 0.6 if minute // 1440 % 7 > 4 else 1.0
        answer = 2.0 * load**0.7 * math.exp(0.084 * slow) * rng.lognormvariate(0.0, 0.18)
        values.append(answer * (3.0 * rng.paretovariate(2.5) - 2.0 if rng.random() < 0.01 else 1.0))
    low, high = sorted(values)[len(values) // 10], sorted(values)[len(values) * 9 // 10]
    for each in told_of("Latency", values):
        if each.kind == "surge" and each.start > 3 * 86_400 and each.expected is not None:
            near = 0.0 < each.value - each.expected < 0.25
            assert not (near and low < each.value < high), each.text


def test_a_rise_is_a_change_of_an_hour() -> None:
    rng = random.Random(7)
    values = [2.0 * rng.lognormvariate(0.0, 0.2) for _ in range(4 * 1440)]
    rising = [value + 0.01 * max(0, n - 3 * 1440) for n, value in enumerate(values)]
    assert "departure" in {each.kind for each in told_of("Latency", rising)}


def test_each_doubling_is_told_once_and_a_restart_between_forgets_none() -> None:
    episodes, told, second = Episodes("Latency"), [], 0
    for value in (4.0, 12.0, 13.0, 40.0):
        for _ in range(100):
            began, _ = episodes.take(second, value, Said(value, 1.0, 0.0 if second else 0.9))
            told += [value] if began is not None else []
            second += 1
        episodes = Episodes.restored("Latency", episodes.state())
    assert told == [4.0, 12.0, 40.0]


def test_what_is_better_than_usual_does_not_hide_what_is_worse() -> None:
    episodes, found = Episodes("Latency"), []
    for second, value in enumerate([1.0] * 50 + [2.1] + [1.0] * 50 + [9.0] * 5):
        alarmed = second in (0, 50, 101)  # faster than usual, for one point as usual, slow
        began, ended = episodes.take(second, value, Said(value, 2.0, 0.9 if alarmed else 0.0))
        found += [(second, each.value) for each in (ended, began) if each is not None]
    assert found == [(0, 1.0), (101, 1.0), (101, 9.0)]


def test_a_fault_that_is_less_than_the_one_just_over_is_told_all_the_same() -> None:
    episodes, told = Episodes("Latency"), []
    for second, value in enumerate([12.0] * 20 + [2.0] * 30 + [6.0] * 20):
        began, _ = episodes.take(second, value, Said(value, 2.0, 0.9 * (second in (0, 50))))
        told += [second] if began else []
    assert told == [0, 50]


def test_a_departure_lasts_while_the_last_hour_is_not_as_usual() -> None:
    episodes = Episodes("Latency")
    rough = Said(3.0, None, 0.6, "departure", 0.6, grew=True)
    began, _ = episodes.take(0, 3.0, rough)
    assert began is not None
    assert severity("Latency", began) == "warning"
    ends = []
    for second in range(1, 400):
        lasting = Said(3.0, None, 0.0, "", 0.4 if second < 300 else 0.0)
        _, ended = episodes.take(second, 3.0, lasting)
        ends += [second] if ended else []
    assert ends == [299 + CALM]


def test_the_window_that_reaches_back_into_what_is_over_is_no_anomaly_of_its_own() -> None:
    episodes = Episodes("Latency")
    episodes.take(0, 9.0, Said(9.0, 1.0, 0.9))
    begins = []
    for second in range(1, 200):
        said = Said(1.0, None, 0.7 if second in (20, 40) else 0.0, "departure", 0.7, grew=True)
        began, _ = episodes.take(second, 1.0, said)
        begins += [second] if began else []
    assert begins == [CALM + WINDOW]  # it is still so when nothing of the former is in sight


@pytest.mark.parametrize(
    ("metric", "grew", "says"),
    [
        ("Latency", True, "warning"),
        ("Latency", False, "ok"),
        ("IOPs", True, "ok"),
        ("IOPs", False, "ok"),
        ("Unheard", True, "warning"),
    ],
)
def test_more_scatter_is_a_warning_where_a_metric_has_a_bad_side(
    metric: str, grew: bool, says: str
) -> None:
    found = Episode(0, 0, 0, 5.0, None, 0.6, "departure", "", grew)
    assert severity(metric, found) == says


def test_a_change_of_no_consequence_is_no_anomaly_however_certain() -> None:
    episodes = Episodes("CapacityUsed")
    began, _ = episodes.take(0, 45.3, Said(45.3039, 45.3036, 0.99))
    assert began is None
    began, _ = episodes.take(1, 45.4, Said(45.4, 45.3, 0.99))
    assert began is not None


def episode(value: float, expected: float, score: float = 0.6, kind: str = "surge") -> Episode:
    return Episode(0, 0, 0, value, expected, score, kind, "")


@pytest.mark.parametrize(
    ("metric", "found", "says", "level"),
    [
        ("DiskTemp", episode(45, 35), "warning", 4),
        ("DiskTemp", episode(45, 35, 0.8), "warning", 5),
        ("DiskTemp", episode(45, 35, 0.95), "warning", 6),
        ("DiskTemp", episode(57, 35, 0.95), "warning", 7),
        ("DiskTemp", episode(66, 35, 0.6), "warning", 7),  # not sure enough
        ("DiskTemp", episode(66, 35, 0.95), "warning", 8),
        ("DiskTemp", episode(25, 35, 0.95), "ok", 3),  # cooler is no illness
        ("IOPs", episode(5000, 500, 0.99), "ok", 3),  # nor is load
        ("IOPs", episode(20, 500, 0.99), "warning", 6),  # but its collapse may be
        ("DiskTemp", episode(33, 33, 0.6, "stuck"), "warning", 4),
        ("Unheard", episode(9, 1), "warning", 4),
    ],
)
def test_an_anomaly_weighs_what_it_means_and_is_critical_only_where_limit_and_score_agree(
    metric: str, found: Episode, says: str, level: int
) -> None:
    assert (severity(metric, found), criticality(metric, found)) == (says, level)


def test_episodes_go_on_where_their_state_was_saved() -> None:
    episodes = Episodes("Latency")
    episodes.take(0, 9.0, Said(9.0, 1.0, 0.9))
    restored = Episodes.restored("Latency", episodes.state())
    assert restored.open == episodes.open
    for second in range(1, CALM + 1):
        began, ended = restored.take(second, 1.0, Said(0, 0, 0))
        assert began is None
    assert ended is not None


def steps(values: Sequence[float], metric: str = "Latency", device: str = "d1") -> list[Bucket]:
    return [
        Bucket("DiskUnit", metric, device, "a1", n * 5 * NS, v, v, v, 5)
        for n, v in enumerate(values)
    ]


def noise(count: int, seed: int = 1) -> list[float]:
    random.seed(seed)
    return [2 + 0.2 * random.gauss(0, 1) for _ in range(count)]


def test_a_stored_series_gives_the_anomalies_that_following_it_would_give() -> None:
    values = noise(400) + [40 + each for each in noise(30)] + noise(100)
    young = steps(noise(140), device="young")
    found = anomaly.of_series([*steps(noise(500), device="well"), *steps(values), *young], 0.5)
    assert found.learning == {young[0].key: pytest.approx(11 * 5.0)}
    shown = row(*found.anomalies)
    assert (shown["device"], shown["metric_type"], shown["lasts"]) == ("d1", "Latency", False)
    assert shown["from"] == "1970-01-01T00:33:20Z"
    assert "Latency" in shown["explanation"]
    assert shown["value"] > 40
    assert shown["expected"] < 3
    detector, best = Detector(), 0.0
    for n, value in enumerate(values):
        best = max(best, detector.update(n * 5.0, value))
    assert shown["score"] == pytest.approx(best, abs=0.2)
    assert anomaly.of_series(steps(values), 0.5, lambda: True).anomalies == []


def test_what_is_chosen_reaches_into_the_window_the_highest_score_first() -> None:
    def made(device: str, last: float, score: float) -> Anomaly:
        key = SeriesKey("DiskUnit", "Latency", device, "a1")
        return Anomaly(key, Episode(last - 5, last, last, 9.0, 1.0, score, "surge", ""), 5)

    found = [made("a", 100, 0.6), made("b", 200, 0.9), made("c", 200, 0.95), made("d", 200, 0.4)]

    def devices(which: Selection, start: float) -> list[str]:
        return [each.key.device_id for each in chosen(found, which, start, 0.5)]

    assert devices(Selection(), 150) == ["c", "b"]
    assert devices(Selection(device_id="a"), 0) == ["a"]
    assert devices(Selection(metric_type="IOPs"), 0) == []


def test_before_the_record_began_the_store_is_scored_and_nothing_is_told_twice() -> None:
    def made(device: str, start: float, last: float) -> Anomaly:
        key = SeriesKey("DiskUnit", "Latency", device, "a1")
        return Anomaly(key, Episode(start, last, last, 9.0, 1.0, 0.9, "surge", ""), 5)

    recorded = [made("a", 100, 200), made("a", 300, 400)]
    scored = [made("a", 20, 40), made("a", 90, 120), made("b", 50, 120)]
    found = [
        (each.key.device_id, each.start_ns // NS, each.ended) for each in _before(recorded, scored)
    ]
    assert found == [("a", 20, True), ("b", 50, True)]


def test_an_empty_answer_says_when_it_is_not_known_yet_what_is_usual() -> None:
    one, two = (SeriesKey("DiskUnit", name, "d", "") for name in ("Latency", "IOPs"))
    assert _still_learning({one: 55.0}) == "1 series is still learning, 1 minute left"
    assert _still_learning({one: 55.0, two: 301.0}) == "2 series are still learning, 6 minutes left"
    assert _still_learning({one: 130_500.0}) == "1 series is still learning, 36 h left"


def test_what_is_left_to_learn_goes_by_the_pace_of_the_readings() -> None:
    """A drive that is asked every quarter of an hour gives a point a quarter, not every 5 s."""
    series = FollowedSeries(SeriesKey("DiskUnit", "PowerOnHours", "d", ""), 5.0)
    for number in range(12):
        series.take(900.0 * number, 7.0 * number)
    assert series.learning_seconds == pytest.approx((150 - 10) * 900.0)


def test_the_step_grows_with_the_number_of_series_until_they_are_too_many() -> None:
    assert anomaly.step_seconds(4, 3600, 5, 60_000) == 5
    longer = anomaly.step_seconds(100, 3600, 5, 60_000)
    assert longer is not None
    assert 5 < longer < 60
    assert 100 * (3600 / longer + anomaly.LEARNT) <= 60_000 + 1
    assert anomaly.step_seconds(4000, 3600, 5, 60_000) is None
    assert math.isfinite(anomaly.step_seconds(0, 1, 5, 60_000) or 0)
