"""Where events go in InfluxDB, so that none overwrites another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spindle.errors import BatchRefused
from spindle.store.base import EventRow
from spindle.store.influxdb import event_times
from spindle.store.influxdb.event_times import (
    GAP_NS,
    LONGEST_SHIFT_NS,
    Places,
    own_place,
    ranges,
    tags_of,
)

SECOND = 1_700_000_000 * 10**9


def event(event_id: str, time_ns: int, device: str = "sda") -> EventRow:
    return EventRow(time_ns, event_id, "DiskUnit", "DriveFailure", device, "", 5, "")


def test_events_close_together_are_looked_up_in_one_range() -> None:
    events = [event("a", 10 * GAP_NS), event("b", 5), event("c", 5 + GAP_NS), event("d", 5)]
    assert ranges(events) == [
        (5, 5 + GAP_NS + LONGEST_SHIFT_NS),
        (10 * GAP_NS, 10 * GAP_NS + LONGEST_SHIFT_NS),
    ]
    assert ranges([]) == []


def test_the_id_alone_says_where_an_event_goes_so_that_two_writers_never_choose_one_place() -> None:
    """Neither sees what the other is about to write."""
    events = [event(f"event-{n}", SECOND) for n in range(200)]
    alone = [Places().place([one])[0] for one in events]
    assert len(set(alone)) == len(events)
    assert Places().place(events) == alone == Places().place(events)


@pytest.mark.parametrize(("time_ns", "room"), [(SECOND, 1_000_000), (SECOND + 1, 1_000)])
def test_an_event_moves_only_below_what_a_clock_shows(time_ns: int, room: int) -> None:
    places = [Places().place([event(str(n), time_ns)])[0] for n in range(200)]
    assert all(time_ns <= place < time_ns + room for place in places)


def test_devices_do_not_take_places_from_each_other() -> None:
    first, second = Places().place([event("a", 7), event("a", 7, device="sdb")])
    assert first == second


def test_an_event_whose_place_is_taken_goes_to_the_next_free_nanosecond() -> None:
    wanted = own_place(event("c", 7))
    places = Places()
    tags = tags_of(event("c", 7))
    places.add(tags, "a", stored_ns=wanted, shift_ns=wanted - 7)
    places.add(tags, "b", stored_ns=wanted + 1, shift_ns=wanted + 1 - 7)
    assert places.place([event("c", 7)]) == [wanted + 2]


def test_an_event_that_is_stored_already_stays_where_it_is() -> None:
    places = Places()
    tags = tags_of(event("b", 7))
    places.add(tags, "a", stored_ns=7, shift_ns=0)
    places.add(tags, "b", stored_ns=8, shift_ns=1)
    assert places.place([event("b", 7), event("a", 7)]) == [8, 7]


def test_one_id_at_two_times_is_two_events() -> None:
    at_7, at_8, again = Places().place([event("a", 7), event("a", 8), event("a", 7)])
    assert at_7 == again
    assert at_8 == at_7 + 1


def test_an_event_for_which_no_place_is_left_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    places = Places()
    wanted = own_place(event("c", 7))
    monkeypatch.setattr(event_times, "LONGEST_SHIFT_NS", wanted - 7 + 1)
    places.add(tags_of(event("c", 7)), "a", stored_ns=wanted, shift_ns=wanted - 7)
    with pytest.raises(BatchRefused):
        places.place([event("c", 7)])


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 3), st.sampled_from(("x", "y")))),
    st.integers(1, 4),
)
def test_however_events_are_batched_and_repeated_each_is_stored_once_and_its_time_is_known(
    sent: list[tuple[str, int, str]], size: int
) -> None:
    stored: dict[tuple[event_times.Tags, int], EventRow] = {}
    events = [event(*one) for one in sent]
    batches = [events[n : n + size] for n in range(0, len(events), size)]
    for batch in [*batches, *reversed(batches)]:
        places = Places()  # what the database would answer
        for (tags, time_ns), row in stored.items():
            places.add(tags, row.event_id, time_ns, time_ns - row.time_ns)
        for row, time_ns in zip(batch, places.place(batch), strict=True):
            assert time_ns >= row.time_ns
            before = stored.setdefault((tags_of(row), time_ns), row)
            assert before == row, "an event was overwritten by another"
    assert sorted(map(repr, stored.values())) == sorted(map(repr, set(events)))
