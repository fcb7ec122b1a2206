"""Writes to InfluxDB pass side by side, but for the first into a stretch of time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from spindle.store.influxdb.first_writes import STRETCH_NS, WARM_SECONDS, FirstWrites

SECONDS = 10.0


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Writes:
    """Writes that stay under way until they are told to end."""

    def __init__(self, first: FirstWrites) -> None:
        self._first = first
        self._pool = ThreadPoolExecutor(8)

    def begin(self, *stretches: int) -> tuple[threading.Event, Callable[[], None]]:
        """Set when it has begun; call to end it and wait until it has."""
        begun, end = threading.Event(), threading.Event()

        def write() -> None:
            with self._first.passing([stretch * STRETCH_NS for stretch in stretches]):
                begun.set()
                assert end.wait(SECONDS)

        future: Future[None] = self._pool.submit(write)

        def finish() -> None:
            end.set()
            future.result(SECONDS)

        return begun, finish

    def done(self, *stretches: int) -> None:
        """One that ends at once."""
        begun, finish = self.begin(*stretches)
        assert begun.wait(SECONDS)
        finish()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def writes(clock: Clock) -> Writes:
    return Writes(FirstWrites(clock))


def wait_for_one(*begun: threading.Event) -> None:
    deadline = time.monotonic() + SECONDS / 2  # sooner than a write gives up
    while not any(each.is_set() for each in begun):
        assert time.monotonic() < deadline
        time.sleep(0.005)


def is_held_up(begun: threading.Event) -> bool:
    return not begun.wait(0.1)


def test_writes_into_a_stretch_that_was_just_written_to_go_side_by_side(writes: Writes) -> None:
    writes.done(7)
    first, finish_first = writes.begin(7)
    second, finish_second = writes.begin(7)
    assert first.wait(SECONDS)
    assert second.wait(SECONDS)
    finish_second()
    finish_first()


def test_the_first_write_into_a_stretch_waits_for_others_and_others_for_it(writes: Writes) -> None:
    writes.done(7)
    before, finish_before = writes.begin(7)
    assert before.wait(SECONDS)
    new, finish_new = writes.begin(7, 8)
    assert is_held_up(new)
    after, finish_after = writes.begin(8)
    assert is_held_up(after)
    finish_before()
    wait_for_one(new, after)
    assert new.is_set() != after.is_set(), "one of them goes alone"
    (finish_new if new.is_set() else finish_after)()
    assert new.wait(SECONDS)
    assert after.wait(SECONDS)
    finish_new()
    finish_after()


def test_a_first_write_is_not_passed_for_ever_by_others(writes: Writes) -> None:
    writes.done(7)
    before, finish_before = writes.begin(7)
    assert before.wait(SECONDS)
    new, finish_new = writes.begin(8)
    assert is_held_up(new)
    other, finish_other = writes.begin(7)
    assert is_held_up(other)
    finish_before()
    wait_for_one(new, other)
    finishes = (finish_new, finish_other)
    for finish in finishes if new.is_set() else reversed(finishes):
        finish()


def test_a_stretch_that_rested_is_new_again(writes: Writes, clock: Clock) -> None:
    writes.done(7)
    clock.now += WARM_SECONDS
    first, finish_first = writes.begin(7)
    assert first.wait(SECONDS)
    second, finish_second = writes.begin(7)
    assert is_held_up(second)
    finish_first()
    finish_second()


def test_a_write_that_failed_leaves_its_stretch_new_and_lets_others_pass() -> None:
    first = FirstWrites()
    with pytest.raises(OSError, match="away"), first.passing([0]):
        raise OSError("away")
    writes = Writes(first)
    again, finish_again = writes.begin(0)
    assert again.wait(SECONDS)
    second, finish_second = writes.begin(0)
    assert is_held_up(second)
    finish_again()
    finish_second()
