"""The backlog and the lane: what is kept, what is dropped, what may be sent."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daemon.backlog import OVERHEAD_BYTES, Backlog, Entry
from daemon.lane import (
    CALM_SECONDS,
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    MOST_IN_FLIGHT,
    Lane,
)
from daemon.messages import Message

PLENTY = 10**9


def message(text: str, points: int = 1, stream: str = "METRICS") -> Message:
    return Message(stream, "events.metrics", text.encode(), points)


def texts(backlog: Backlog, stream: str = "METRICS") -> list[str]:
    taken = []
    while entry := backlog.take(stream):
        taken.append(entry.message.payload.decode())
    return taken


def test_messages_leave_in_the_order_in_which_they_came() -> None:
    backlog = Backlog(PLENTY, PLENTY)
    for text in "abc":
        backlog.add(message(text))
    assert texts(backlog) == ["a", "b", "c"]


def test_a_message_that_comes_back_takes_its_old_place() -> None:
    backlog = Backlog(PLENTY, PLENTY)
    for text in "abcd":
        backlog.add(message(text))
    first, second, third = (backlog.take("METRICS") for _ in range(3))
    assert first and second and third
    for entry in (third, first, second):
        backlog.back(entry)
    assert texts(backlog) == ["a", "b", "c", "d"]


def test_over_its_points_it_drops_the_oldest_and_counts_their_points() -> None:
    backlog = Backlog(most_points=10, most_bytes=PLENTY)
    dropped = [backlog.add(message(text, points=4)) for text in "abcd"]
    assert dropped == [0, 0, 4, 4]
    assert (backlog.dropped, backlog.points) == (8, 8)
    assert texts(backlog) == ["c", "d"]


def test_over_its_bytes_it_drops_the_oldest() -> None:
    backlog = Backlog(2 * (OVERHEAD_BYTES + 1), PLENTY)
    for text in "abc":
        backlog.add(message(text))
    assert backlog.dropped == 1
    assert texts(backlog) == ["b", "c"]


def test_the_oldest_is_the_oldest_of_all_streams() -> None:
    backlog = Backlog(most_points=2, most_bytes=PLENTY)
    backlog.add(message("event", stream="EVENTS"))
    backlog.add(message("b"))
    backlog.add(message("c"))
    assert texts(backlog, "EVENTS") == []
    assert texts(backlog) == ["b", "c"]


def test_what_is_in_flight_counts_against_the_limits_but_is_not_dropped() -> None:
    backlog = Backlog(most_points=2, most_bytes=PLENTY)
    backlog.add(message("a"))
    flying = backlog.take("METRICS")
    backlog.add(message("b"))
    backlog.add(message("c"))
    assert texts(backlog) == ["c"]
    assert flying is not None
    backlog.done(flying)
    assert (backlog.points, backlog.dropped) == (1, 1)


def test_a_message_larger_than_the_whole_backlog_is_dropped_alone() -> None:
    backlog = Backlog(most_points=2, most_bytes=PLENTY)
    assert backlog.add(message("a", points=3)) == 3
    assert (backlog.points, backlog.size) == (0, 0)


@given(
    st.lists(st.tuples(st.sampled_from(["add", "take", "done", "back"]), st.integers(1, 5))),
    st.integers(1, 12),
)
def test_whatever_happens_every_point_is_held_acknowledged_or_counted_as_dropped(
    steps: list[tuple[str, int]], limit: int
) -> None:
    backlog = Backlog(PLENTY, limit)
    flying: list[Entry] = []
    added = acknowledged = 0
    for step, points in steps:
        if step == "add":
            added += points
            backlog.add(message("x", points))
        elif step == "take" and (entry := backlog.take("METRICS")):
            flying.append(entry)
        elif step == "done" and flying:
            entry = flying.pop(points % len(flying))
            acknowledged += entry.message.points
            backlog.done(entry)
        elif step == "back" and flying:
            backlog.back(flying.pop(points % len(flying)))
        assert added == acknowledged + backlog.points + backlog.dropped
        assert backlog.points <= max(limit, sum(entry.message.points for entry in flying))
    numbers = []
    while entry := backlog.take("METRICS"):
        numbers.append(entry.number)
    assert numbers == sorted(numbers)


def entry(number: int, size: int = 1000) -> Entry:
    return Entry(number, message("x"), size)


def test_a_lane_stops_at_its_window() -> None:
    lane = Lane("METRICS", ack_timeout=5)
    for number in range(MOST_IN_FLIGHT):
        assert lane.may_send(now=0)
        lane.sent(entry(number), now=0)
    assert not lane.may_send(now=0)
    lane.acknowledged(0, now=0)
    assert lane.may_send(now=0)


def test_a_lane_stops_at_its_bytes() -> None:
    lane = Lane("METRICS", ack_timeout=5)
    lane.sent(entry(1, size=10**9), now=0)
    assert not lane.may_send(now=0)
    lane.acknowledged(1, now=0)
    assert lane.may_send(now=0)


def test_after_a_failure_one_message_is_tried_after_growing_pauses() -> None:
    lane, now, pauses = Lane("METRICS", ack_timeout=5), 0.0, []
    for number in range(8):
        lane.sent(entry(number), now)
        assert lane.failed(number, now, "full") is not None
        pause = lane.pause(now)
        assert pause is not None
        assert not lane.may_send(now)
        pauses.append(pause)
        now += pause
        assert lane.may_send(now)
    lane.sent(entry(9), now)
    assert not lane.may_send(now)
    assert pauses[:3] == [
        FIRST_PAUSE_SECONDS,
        2 * FIRST_PAUSE_SECONDS,
        4 * FIRST_PAUSE_SECONDS,
    ]
    assert pauses[-1] == LONGEST_PAUSE_SECONDS


def test_a_whole_window_refused_at_once_is_one_pause() -> None:
    lane = Lane("METRICS", ack_timeout=5)
    for number in range(100):
        lane.sent(entry(number), now=0)
    for number in range(100):
        lane.failed(number, 0, "full")
    assert lane.pause(0) == FIRST_PAUSE_SECONDS


def test_what_is_not_acknowledged_in_time_comes_back_oldest_first() -> None:
    lane = Lane("METRICS", ack_timeout=5)
    lane.sent(entry(1), now=0)
    lane.sent(entry(2), now=1)
    lane.sent(entry(3), now=3)
    assert [late.number for late in lane.expired(now=6)] == [1, 2]
    assert lane.trouble == "no acknowledgement from METRICS in 5 s"
    assert lane.acknowledged(1, now=6) is None


def test_trouble_is_over_after_an_acknowledgement_and_a_calm_while() -> None:
    lane = Lane("METRICS", ack_timeout=5)
    lane.sent(entry(1), now=10)
    lane.failed(1, 10, "full")
    assert not lane.recovered(now=10 + CALM_SECONDS)
    lane.sent(entry(1), now=11)
    lane.acknowledged(1, now=11)
    assert not lane.recovered(now=11)
    assert lane.recovered(now=10 + CALM_SECONDS)
    assert lane.trouble is None


def test_a_lost_connection_brings_everything_in_flight_back() -> None:
    lane = Lane("METRICS", ack_timeout=5)
    lane.sent(entry(1), now=0)
    lane.sent(entry(2), now=0)
    assert [lost.number for lost in lane.disconnected()] == [1, 2]
    assert lane.disconnected() == []
    assert lane.may_send(now=0)
