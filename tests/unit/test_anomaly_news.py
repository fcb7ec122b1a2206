"""A departure's score is for what the series never had, its alarm for each time."""

from __future__ import annotations

import random

from reader.detection.departure import Departure
from reader.detection.news import News
from reader.detection.window import STRIDE, WINDOW

LASTS = 200  # points for which a level is off


def heard(sizes: list[float], learnt: int = 3_000, apart: int = 1_000) -> list[tuple[float, bool]]:
    """Of levels so far off, one after the other: the largest score, and whether it was an alarm.

    :param apart: points from the beginning of one to that of the next.
    """
    rng, departure, news = random.Random(7), Departure(), News()
    found = [(0.0, False)] * len(sizes)
    for at in range(learnt + apart * (len(sizes) - 1) + LASTS + WINDOW):
        number, since = divmod(at - learnt, apart)
        off = sizes[number] if number >= 0 and since < LASTS else 0.0
        departure.update(rng.gauss(10.0, 1.0) + off)
        score = news.update(departure) if departure.points % STRIDE == 0 else 0.0
        if number >= 0 and since < LASTS + WINDOW:
            score_before, alarm_before = found[number]
            found[number] = max(score, score_before), alarm_before or departure.alarm > 0.0
    return found


def test_the_same_again_is_an_alarm_again_and_no_news() -> None:
    (first, alarm), (again, alarm_again) = heard([3.0, 3.0])
    assert first > 0.0 == again
    assert alarm and alarm_again


def test_much_more_of_it_is_news() -> None:
    (first, _), (more, _) = heard([3.0, 60.0])
    assert more > first > 0.0


def test_what_lay_high_before_is_news_where_it_lies_low() -> None:
    (high, _), (low, _) = heard([3.0, -3.0])
    assert high > 0.0 < low


def test_it_is_news_long_before_enough_is_known_for_an_alarm() -> None:
    ((score, alarm),) = heard([4.0], learnt=1_000)
    assert score > 0.0
    assert not alarm


def test_what_is_long_ago_is_new_again() -> None:
    (first, _), (again, _) = heard([3.0, 3.0], apart=30_000)
    assert first > 0.0 < again
