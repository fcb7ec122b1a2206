"""Where events go in InfluxDB, so that none overwrites another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spindle.errors import BatchRefused
from spindle.store import event_times
from spindle.store.base import EventRow
from spindle.store.event_times import GAP_NS, LONGEST_SHIFT_NS, Places, ranges, tags_of


def event(event_id: str, time_ns: int, device: str = "sda") -> EventRow:
    return EventRow(time_ns, event_id, "DiskUnit", "DriveFailure", device, "", 5, "")


def test_events_close_together_are_looked_up_in_one_range() -> None:
    events = [event("a", 10 * GAP_NS), event("b", 5), event("c", 5 + GAP_NS), event("d", 5)]
    assert ranges(events) == [
        (5, 5 + GAP_NS + LONGEST_SHIFT_NS),
        (10 * GAP_NS, 10 * GAP_NS + LONGEST_SHIFT_NS),
    ]
    assert ranges([]) == []


def test_an_event_with_a_place_of_its_own_keeps_its_time() -> None:
    events = [event("a", 7), event("b", 8), event("a", 7, device="sdb")]
    assert Places().place(events) == [7, 8, 7]


def test_an_event_whose_place_is_taken_goes_to_the_next_free_nanosecond() -> None:
    assert Places().place([event("a", 7), event("b", 8), event("c", 7), event("d", 7)]) == [
        7,
        8,
        9,
        10,
    ]


def test_an_event_that_is_stored_already_stays_where_it_is() -> None:
    places = Places()
    tags = tags_of(event("b", 7))
    places.add(tags, "a", stored_ns=7, shift_ns=0)
    places.add(tags, "b", stored_ns=8, shift_ns=1)
    assert places.place([event("b", 7), event("a", 7), event("c", 7)]) == [8, 7, 9]


def test_one_id_at_two_times_is_two_events() -> None:
    places = Places()
    assert places.place([event("a", 7), event("a", 8), event("a", 7)]) == [7, 8, 7]


def test_more_events_in_a_nanosecond_than_there_is_room_for_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(event_times, "LONGEST_SHIFT_NS", 3)
    places = Places()
    places.place([event(str(n), 7) for n in range(3)])
    with pytest.raises(BatchRefused):
        places.place([event("one more", 7)])


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
