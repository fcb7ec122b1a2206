"""The writer's core: batches, halving, the ledger, leases."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from spindle.store.base import Point, Points, Series
from writer.storing.batch import Answer, DeadLetter, Delivery, Limits, Mistake, Outcome, Write
from writer.storing.core import Core

STORED = Answer(Outcome.STORED)
REFUSED = Answer(Outcome.REFUSED, "no")
LATER = Answer(Outcome.LATER, "away")


def core(**limits: float) -> Core[int]:
    return Core(Limits(**{"linger": 0.0, **limits}), random.Random(1))  # type: ignore[arg-type]


def delivery(redelivered: bool = False) -> Delivery:
    return Delivery("events.metrics", "$JS.ACK.METRICS.writer.1.7.7.0.0", b"payload", redelivered)


def writes(core: Core[int], now: float = 0.0) -> list[Write[int]]:
    return list(iter(lambda: core.next_write(now), None))


def done(core: Core[int]) -> list[Delivery]:
    return [delivery for batch in core.take_settled() for delivery in batch.deliveries]


def store_but(core: Core[int], bad: set[int], now: float = 0.0) -> list[int]:
    """Answer every write as a store would that refuses ``bad``; what was stored."""
    stored: list[int] = []
    while due := writes(core, now):
        for write in due:
            assert core.ledger.adds_up
            if bad & set(write.points):
                core.answer(write, REFUSED, now)
            else:
                stored += write.points
                core.answer(write, STORED, now)
    return stored


def test_a_delivery_is_acknowledged_only_after_the_store_has_its_points() -> None:
    subject, one = core(), delivery()
    subject.take(one, [1, 2], [], now=0)
    (write,) = writes(subject)
    assert done(subject) == []
    subject.answer(write, STORED, 0)
    assert done(subject) == [one]
    assert done(subject) == []
    assert subject.ledger.stored == 2
    assert subject.idle


def test_points_wait_for_others_no_longer_than_the_linger() -> None:
    subject = core(linger=0.1)
    subject.take(delivery(), [1], [], now=5.0)
    assert writes(subject, now=5.05) == []
    assert subject.wake_at() == 5.1
    assert len(writes(subject, now=5.11)) == 1


def test_a_refused_batch_is_halved_until_the_bad_points_stand_alone() -> None:
    subject = core()
    first, second = delivery(), delivery()
    subject.take(first, list(range(500)), [], now=0)
    subject.take(second, list(range(500, 1000)), [], now=0)
    stored = store_but(subject, bad={17, 730})
    assert sorted(stored) == sorted(set(range(1000)) - {17, 730})
    letters = [subject.next_letter(), subject.next_letter()]
    places = {(letter.delivery, letter.mistake.index) for letter in letters if letter}
    assert places == {(first, 17), (second, 230)}
    assert done(subject) == [], "not before the dead letters are kept"
    for letter in letters:
        assert letter is not None
        subject.letter_kept(letter)
    assert done(subject) == [first, second]
    ledger = subject.ledger
    assert (ledger.received, ledger.stored, ledger.dead_lettered) == (1000, 998, {"refused": 2})
    assert ledger.adds_up


def test_a_refused_point_keeps_its_place_in_an_envelope_with_invalid_ones() -> None:
    subject, one = core(), delivery()
    subject.take(one, [10, 11, 12], [Mistake(0, "invalid", ""), Mistake(2, "invalid", "")], now=0)
    # envelope: bad, 10, bad, 11, 12
    store_but(subject, bad={11})
    letters = [subject.next_letter() for _ in range(3)]
    assert [letter.mistake.index for letter in letters if letter] == [0, 2, 3]


def test_a_message_with_nothing_good_is_acknowledged_when_its_dead_letter_is_kept() -> None:
    subject, one = core(), delivery()
    subject.take(one, [], [Mistake(None, "invalid", "not JSON")], now=0)
    assert writes(subject) == []
    letter = subject.next_letter()
    assert letter is not None
    assert done(subject) == []
    subject.letter_failed(letter)
    again = subject.next_letter()
    assert again is letter
    subject.letter_kept(letter)
    assert done(subject) == [one]
    assert subject.ledger.dead_lettered == {"invalid": 1}
    assert subject.ledger.adds_up


def letter_of_a_flood(subject: Core[int]) -> DeadLetter:
    """Of one message with a good point and 40 bad ones: the last, which stands for 21 of them."""
    bad = [Mistake(place, "invalid", "") for place in range(1, 41)]
    subject.take(delivery(redelivered=True), [0], bad, now=0)
    store_but(subject, bad=set())
    *others, last = iter(subject.next_letter, None)
    for letter in others:
        subject.letter_kept(letter)
    assert last.mistake.count == 21
    return last


def test_a_letter_that_another_writer_had_kept_is_in_the_ledger_of_that_one() -> None:
    subject = core()
    subject.letter_kept(letter_of_a_flood(subject), duplicate=True)
    ledger = subject.ledger
    assert (ledger.received, ledger.dead_lettered, ledger.in_flight) == (20, {"invalid": 19}, 0)
    assert ledger.adds_up
    assert len(done(subject)) == 1


def test_a_letter_that_we_had_kept_without_hearing_of_it_is_in_ours() -> None:
    subject = core()
    letter = letter_of_a_flood(subject)
    subject.letter_failed(letter)
    assert subject.next_letter() is letter
    subject.letter_kept(letter, duplicate=True)
    ledger = subject.ledger
    assert (ledger.received, ledger.dead_lettered, ledger.in_flight) == (41, {"invalid": 40}, 0)
    assert ledger.adds_up


def test_a_duplicate_letter_of_a_batch_that_was_given_to_others_changes_nothing() -> None:
    subject = core(lease=30.0)
    subject.take(delivery(), [], [Mistake(0, "invalid", "")], now=0)
    letter = subject.next_letter()
    assert letter is not None
    subject.take(delivery(), [1], [], now=31.0)
    assert len(writes(subject, now=62.0)) == 0
    before = subject.ledger
    subject.letter_kept(letter, duplicate=True)
    assert subject.ledger == before
    assert before.adds_up


def test_while_the_store_is_away_writes_pause_ever_longer_and_nothing_is_lost() -> None:
    subject = core(lease=1000)
    subject.take(delivery(), [1], [], now=0)
    now, pauses = 0.0, []
    for _ in range(8):
        (write,) = writes(subject, now)
        subject.answer(write, LATER, now)
        assert writes(subject, now) == []
        wake = subject.wake_at()
        assert wake is not None
        pauses.append(wake - now)
        now = wake
    assert pauses[0] < pauses[3] < pauses[6]
    assert subject.ledger.in_flight == 1


def test_retry_after_is_obeyed() -> None:
    subject = core(lease=1000)
    subject.take(delivery(), [1], [], now=0)
    (write,) = writes(subject)
    subject.answer(write, Answer(Outcome.LATER, "busy", retry_after=77.0), 0)
    assert writes(subject, now=76.9) == []
    assert len(writes(subject, now=77.1)) == 1


def test_a_write_that_ends_well_does_not_shorten_what_the_store_asked_another_to_wait() -> None:
    subject = core(batch_points=1)
    for point in (1, 2, 3):
        subject.take(delivery(), [point], [], now=0)
    first, second = writes(subject)
    subject.answer(second, Answer(Outcome.LATER, "busy", retry_after=5.0), 0)
    subject.answer(first, STORED, 1)
    assert writes(subject, now=4.9) == []
    assert subject.wake_at() == 5.0
    assert len(writes(subject, now=5.0)) == 2


def test_too_large_a_body_is_halved_and_later_batches_are_smaller() -> None:
    subject = core(batch_points=1000)
    subject.take(delivery(), list(range(1000)), [], now=0)
    (write,) = writes(subject)
    subject.answer(write, Answer(Outcome.TOO_LARGE), 0)
    assert [len(each.points) for each in writes(subject)] == [500, 500]
    subject.take(delivery(), list(range(500)), [], now=0)
    assert subject.ledger.dead_lettered == {}


def test_what_is_held_is_bounded() -> None:
    subject = core(held_points=100, linger=9)
    subject.take(delivery(), list(range(60)), [], now=0)
    assert subject.room() == 40
    subject.take(delivery(), list(range(60)), [], now=0)
    assert subject.room() == 0


def test_redelivered_points_count_as_duplicates() -> None:
    subject = core()
    subject.take(delivery(), [1, 2, 3], [], now=0)
    subject.take(delivery(redelivered=True), [4, 5], [], now=0)
    store_but(subject, bad=set())
    assert subject.ledger.duplicates == 2
    assert subject.ledger.stored == 5


def test_what_other_streams_store_shortens_a_pause_but_not_what_the_store_asked_for() -> None:
    subject, now = core(lease=1e6), 0.0
    subject.take(delivery(), [1], [], now=0)
    for _ in range(12):  # until its pauses are long
        (write,) = writes(subject, now)
        subject.answer(write, LATER, now)
        now = subject.wake_at() or 0.0
    (write,) = writes(subject, now)
    subject.answer(write, LATER, now)
    assert (subject.wake_at() or 0.0) > now + 5
    assert subject.others_stored(now + 0.5)
    assert not subject.others_stored(now + 0.6)
    assert subject.wake_at() == now + 1.5
    (write,) = writes(subject, now + 1.5)
    subject.answer(write, Answer(Outcome.LATER, "busy", 20.0), now + 1.5)
    subject.others_stored(now + 2)
    assert writes(subject, now + 21) == []
    assert len(writes(subject, now + 21.5)) == 1


def test_a_lease_is_extended_in_time() -> None:
    subject = core(lease=30.0)
    one = delivery()
    subject.take(one, [1], [], now=0)
    assert subject.to_extend(5.0) == []
    assert subject.to_extend(10.0) == [one]
    assert subject.to_extend(11.0) == []


def test_what_the_broker_has_given_to_another_writer_is_not_written_any_more() -> None:
    subject = core(lease=30.0)
    subject.take(delivery(), [1, 2], [Mistake(2, "invalid", "")], now=0)
    assert writes(subject, now=31.0) == []
    assert subject.idle
    assert subject.next_letter() is None
    assert done(subject) == []
    assert subject.ledger.received == 0
    assert subject.ledger.adds_up


def test_the_store_takes_no_more_writes_at_once_than_it_may() -> None:
    subject = core(batch_points=10, writes=2)
    for _ in range(4):
        subject.take(delivery(), list(range(10)), [], now=0)
    assert len(writes(subject)) == 2


def test_on_stopping_all_that_is_held_can_be_returned() -> None:
    subject = core(batch_points=2, linger=60)
    held = [delivery(), delivery()]
    subject.take(held[0], [1, 2], [], now=0)
    subject.take(held[1], [3], [], now=0)
    assert subject.held_deliveries() == held


def test_messages_of_one_point_taken_together_fill_batches_like_others() -> None:
    one = core(batch_points=4, writes=9)
    one.take(delivery(), [1, 2, 3], [], 0.0)
    one.take_each([delivery(), delivery(redelivered=True), *map(_fresh, range(7))], range(4, 13), 0)
    assert one.ledger.received == one.ledger.in_flight == 12
    assert [list(write.points) for write in writes(one)] == [
        [1, 2, 3, 4],
        [5, 6, 7, 8],
        [9, 10, 11, 12],
    ]


def test_of_messages_taken_together_the_refused_one_becomes_a_dead_letter() -> None:
    one = core(batch_points=100)
    deliveries = [Delivery("events.metrics", str(number), b"p", False) for number in range(50)]
    one.take_each(deliveries, range(50), 0.0)
    assert sorted(store_but(one, {7})) == [number for number in range(50) if number != 7]
    letter = one.next_letter()
    assert letter is not None
    assert letter.delivery.reply == "7"
    assert done(one) == []
    one.letter_kept(letter)
    assert len(done(one)) == 50
    assert one.ledger.adds_up
    assert one.room() == one.limits.held_points


def _fresh(_: int) -> Delivery:
    return delivery()


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (1, 2, 0)])
def test_readings_by_columns_and_one_by_one_share_a_batch_in_their_order(
    order: tuple[int, ...],
) -> None:
    """Plain messages come by columns, others as the models take them."""
    series = Series("DiskUnit", "DiskTemp", "sda", "")
    given: list[Sequence[Point]] = [
        Points([series, series], [1, 2], [10.0, 20.0]),
        [(series, 3, 30.0)],
        Points([series], [4], [40.0]),
    ]
    subject: Core[Point] = Core(Limits(linger=0.0), random.Random(1))
    for place in order:
        subject.take(delivery(), given[place], [], 0.0)
    (write,) = iter(lambda: subject.next_write(0.0), None)
    assert list(write.points) == [point for place in order for point in given[place]]
    assert list(write.points[1:3]) == list(write.points)[1:3]
    assert write.points[0] == next(iter(write.points))
    assert len(given[0]) == 2, "what was given is not changed"
