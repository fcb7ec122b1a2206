"""Lengths of time as users read them."""

from __future__ import annotations

import pytest

from spindle.timestamps import duration

MINUTE, HOUR, DAY = 60, 3600, 86_400


@pytest.mark.parametrize(
    ("seconds", "whole", "exact"),
    [
        (-3, "0 s", "0 s"),
        (17.4, "17 s", "17 s"),
        (90, "90 s", "1.5 min"),
        (2 * MINUTE, "2 min", "2 min"),
        (100 * MINUTE, "100 min", "1.67 h"),
        (2.1 * HOUR, "2 h", "2.1 h"),
        (1.5 * DAY, "36 h", "36 h"),
        (2.14 * DAY, "2 days", "2.14 days"),
        (12.4 * DAY, "12 days", "12 days"),
    ],
)
def test_a_length_of_time_is_said_in_its_natural_unit(
    seconds: float, whole: str, exact: str
) -> None:
    assert (duration(seconds), duration(seconds, decimals=True)) == (whole, exact)
