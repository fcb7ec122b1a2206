"""What belongs together is one anomaly: its beginning, its end, its weight."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from functools import partial

import pytest

from reader.detection import anomaly
from reader.detection.anomaly import Anomaly
from reader.detection.detector import Detector, Explanation
from reader.detection.episodes import CALM, LONGEST, Episode, Episodes, criticality, severity
from reader.questions.anomalies import chosen, row
from spindle.store.base import Bucket, Selection, SeriesKey
from spindle.timestamps import NS


def explained(value: float, expected: float, score: float, kind: str = "surge") -> Explanation:
    return Explanation(score, kind, value, expected, f"value {value:g}")


def _identity(said: Explanation) -> Explanation:
    return said


def run(points: Sequence[tuple[float, float]], expected: float = 1.0) -> list[tuple[str, int]]:
    """``(value, score)`` each second; what began and ended, and when."""
    episodes, found = Episodes("Latency"), []
    for second, (value, score) in enumerate(points):
        said = explained(value, expected, score)
        began, ended = episodes.take(second, value, score, partial(_identity, said))
        found += [("begin", second)] * (began is not None) + [("end", second)] * (ended is not None)
    return found


QUIET = [(1.0, 0.0)] * 5


def test_alarms_that_follow_each_other_are_one_anomaly() -> None:
    spike = [(9.0, 0.9), (1.0, 0.0), (8.0, 0.7), (1.0, 0.0), (9.0, 0.6)]
    assert run(QUIET + spike + [(1.0, 0.0)] * CALM) == [("begin", 5), ("end", 9 + CALM)]


def test_while_the_value_stays_away_from_what_was_expected_it_lasts_though_alarms_fade() -> None:
    away = [(9.0, 0.9)] + [(8.8, 0.0)] * 50
    assert run(QUIET + away + [(1.0, 0.0)] * CALM) == [("begin", 5), ("end", 55 + CALM)]


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
        said = explained(value, 1.0, score)
        episodes.take(second, value, score, partial(_identity, said))
        now = episodes.open
        assert now is not None
        told = {0: (9.0, 0.6), 1: (9.0, 0.9), 2: (9.0, 0.9), 3: (9.6, 0.95)}[second]
        assert (now.value, now.score) == told
        assert now.text == f"value {told[0]:g}"
        assert now.peak_time == (3 if second == 3 else 0)


def test_what_has_lasted_long_enough_is_the_new_usual() -> None:
    found = run(QUIET + [(9.0, 0.9)] + [(9.0, 0.0)] * (LONGEST + CALM + 5))
    assert [what for what, _ in found] == ["begin", "end"]


def test_a_change_of_no_consequence_is_no_anomaly_however_certain() -> None:
    episodes = Episodes("CapacityUsed")
    began, _ = episodes.take(0, 45.3, 0.99, lambda: explained(45.3039, 45.3036, 0.99))
    assert began is None
    began, _ = episodes.take(1, 45.4, 0.99, lambda: explained(45.4, 45.3, 0.99))
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
    episodes.take(0, 9.0, 0.9, lambda: explained(9.0, 1.0, 0.9))
    restored = Episodes.restored("Latency", episodes.state())
    assert restored.open == episodes.open
    for second in range(1, CALM + 1):
        began, ended = restored.take(second, 1.0, 0.0, lambda: explained(0, 0, 0))
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
    found = anomaly.of_series([*steps(noise(500), device="well"), *steps(values)], 0.5)
    shown = row(*found)
    assert (shown["device"], shown["metric_type"], shown["lasts"]) == ("d1", "Latency", False)
    assert shown["from"] == "1970-01-01T00:33:20Z"
    assert "Latency" in shown["explanation"]
    assert shown["value"] > 40
    assert shown["expected"] < 3
    detector, best = Detector(), 0.0
    for n, value in enumerate(values):
        best = max(best, detector.update(n * 5.0, value))
    assert shown["score"] == pytest.approx(best, abs=0.2)
    assert anomaly.of_series(steps(values), 0.5, lambda: True) == []


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


def test_the_step_grows_with_the_number_of_series_until_they_are_too_many() -> None:
    assert anomaly.step_seconds(4, 3600, 5, 60_000) == 5
    longer = anomaly.step_seconds(100, 3600, 5, 60_000)
    assert longer is not None
    assert 5 < longer < 60
    assert 100 * (3600 / longer + anomaly.LEARNT) <= 60_000 + 1
    assert anomaly.step_seconds(4000, 3600, 5, 60_000) is None
    assert math.isfinite(anomaly.step_seconds(0, 1, 5, 60_000) or 0)
