"""A clock that is wrong refuses and deletes nothing, and says so with both times."""

from __future__ import annotations

import pytest

from spindle import timestamps
from spindle.service.clock import Clock
from spindle.timestamps import NS

HOUR = 3600 * NS
NOW = timestamps.parse("2026-05-01T12:00:00Z")
MONOTONIC = 77 * NS  # of any origin


def clock(wall_ns: int = NOW, nats_ns: int | None = None) -> Clock:
    made = Clock(wall_ns, MONOTONIC)
    if nats_ns is not None:
        made.nats_says(nats_ns, MONOTONIC)
    return made


def test_clocks_that_agree_are_gone_by_and_the_safer_one_decides() -> None:
    ahead = clock(nats_ns=NOW + 60 * NS)
    assert ahead.doubt(NOW, MONOTONIC) == ""
    assert ahead.latest_ns(NOW, MONOTONIC, HOUR) == NOW + 60 * NS + HOUR
    assert ahead.expiry_ns(NOW, MONOTONIC) == NOW
    behind = clock(nats_ns=NOW - 60 * NS)
    assert behind.latest_ns(NOW, MONOTONIC, HOUR) == NOW + HOUR
    assert behind.expiry_ns(NOW, MONOTONIC) == NOW - 60 * NS


@pytest.mark.parametrize("hours", [-2, 720])
def test_a_start_under_a_wrong_clock_is_seen_by_nats_time(hours: int) -> None:
    wrong = NOW + hours * HOUR
    doubted = clock(wrong, NOW)
    assert doubted.latest_ns(wrong, MONOTONIC, HOUR) == timestamps.LATEST_NS
    assert doubted.expiry_ns(wrong, MONOTONIC) is None
    said = doubted.doubt(wrong, MONOTONIC)
    assert timestamps.format_ns(wrong) in said
    assert timestamps.format_ns(NOW) in said


def test_a_jump_is_seen_by_the_machines_own_progress_until_nats_was_heard() -> None:
    alone = clock()
    assert alone.doubt(NOW + HOUR, MONOTONIC + HOUR) == ""
    assert alone.expiry_ns(NOW + 720 * HOUR, MONOTONIC + HOUR) is None
    assert "its own progress" in alone.doubt(NOW + 720 * HOUR, MONOTONIC + HOUR)


def test_a_clock_that_was_put_right_is_believed_again() -> None:
    wrong = NOW - 2 * HOUR
    mended = clock(wrong, NOW)
    assert mended.doubt(wrong, MONOTONIC)
    assert mended.doubt(NOW + NS, MONOTONIC + NS) == ""
    assert mended.expiry_ns(NOW + NS, MONOTONIC + NS) == NOW + NS


def test_within_the_tolerance_is_no_doubt() -> None:
    assert clock(nats_ns=NOW - 300 * NS).doubt(NOW, MONOTONIC) == ""
    assert clock(nats_ns=NOW - 301 * NS).doubt(NOW, MONOTONIC)


def test_clocks_that_jump_together_are_doubted_for_a_day_or_until_they_are_back() -> None:
    """Where NATS is on the same machine."""
    both = clock(nats_ns=NOW)
    month = 720 * HOUR
    both.nats_says(NOW + month + NS, MONOTONIC + NS)
    said = both.doubt(NOW + month + NS, MONOTONIC + NS)
    assert timestamps.format_ns(NOW + month + NS) in said
    assert timestamps.format_ns(NOW + NS) in said
    assert both.expiry_ns(NOW + month + NS, MONOTONIC + NS) is None
    both.nats_says(NOW + 2 * NS, MONOTONIC + 2 * NS)
    assert both.doubt(NOW + 2 * NS, MONOTONIC + 2 * NS) == ""
    for held in range(3, 25 * 3600, 600):
        both.nats_says(NOW + month + held * NS, MONOTONIC + held * NS)
    assert both.doubt(NOW + month + held * NS, MONOTONIC + held * NS) == ""


def test_clocks_that_drift_together_are_followed() -> None:
    slow = clock(nats_ns=NOW)
    for step in range(1, 100):
        slow.nats_says(NOW + step * HOUR + step * 60 * NS, MONOTONIC + step * HOUR)
    assert slow.doubt(NOW + 99 * HOUR + 99 * 60 * NS, MONOTONIC + 99 * HOUR) == ""
