"""What rhythm, one of the detector's views, remembers of odd days."""

from __future__ import annotations

import math
import random

import pytest

from reader.detection.explanation import ALARM
from reader.detection.rhythm import BINS, DAY, Rhythm

START = 1_750_032_000.0


def broken(days: int, odd: tuple[int, ...], seed: int = 2) -> list[float]:
    """The highest score of each day of a series that is upside down on the odd days."""
    rng, update, highest = random.Random(seed), Rhythm().update, [0.0] * days
    for i in range(days * BINS):
        swing = 30 * math.sin(2 * math.pi * i / BINS) * (-1 if i // BINS in odd else 1)
        score = update(START + DAY / BINS * i, 50 + swing + rng.gauss(0, 1.5))
        highest[i // BINS] = max(highest[i // BINS], score)
    return highest


@pytest.mark.parametrize("first", [4, 6])
def test_an_odd_day_long_ago_does_not_deafen_it_for_the_next(first: int) -> None:
    highest = broken(60, (first, 58))
    assert max(highest[58:]) >= ALARM
    assert max(highest[first + 2 : 58]) < ALARM


def test_an_odd_day_is_no_news_a_few_days_after_the_like() -> None:
    highest = broken(20, (12, 15))
    assert max(highest[12:14]) >= ALARM
    assert max(highest[15:]) < ALARM
