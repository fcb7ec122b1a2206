"""Matching: what becomes of entries and exits, however they come in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from writer.parking import codec
from writer.parking.core import MOST_REMEMBERED, advance, due_ns
from writer.parking.state import Anomaly, Kind, Passage, Rules, State, Visit

S = 10**9
HOUR = 3600 * S
RULES = Rules(reorder_ns=10 * S, settle_ns=0, max_stay_ns=720 * HOUR, remember_ns=24 * HOUR)
PATIENT = replace(RULES, settle_ns=10 * S)
NOW = 1_800_000_000 * S
PLATE = "B-XY1234"


def passage(kind: Kind, time_s: float, name: str = "", arrived: float = 0.0) -> Passage:
    arrived_ns = NOW + int(arrived * S)
    name = name or f"{kind}-{time_s:g}"
    return Passage(kind, name, NOW + int(time_s * S), arrived_ns, arrived_ns)


def entry(time_s: float, name: str = "", arrived: float = 0.0) -> Passage:
    return passage("entry", time_s, name, arrived)


def leave(time_s: float, name: str = "", arrived: float = 0.0) -> Passage:
    return passage("exit", time_s, name, arrived)


def fed(
    arrivals: Iterable[Passage],
    rules: Rules = RULES,
    until: float = 0.0,
    state: State | None = None,
) -> State:
    """The state after these arrivals one by one, and then when all is recorded ``until``."""
    state = state or State()
    for arrival in arrivals:
        state = advance(state, PLATE, [arrival], arrival.arrived_ns, 0, rules).state
    until_ns = NOW + int(until * S)
    return advance(state, PLATE, [], until_ns, until_ns, rules).state if until else state


Result = tuple[set[tuple[float, float]], set[float], set[float], float | None]


def result(state: State) -> Result:
    """Stays (entry, exit), unmatched exits, entries given up, and the entry of who is inside."""

    def seconds(time_ns: int) -> float:
        return (time_ns - NOW) / S

    visits = [item for item in state.outbox if isinstance(item, Visit)]
    stays = {(seconds(v.entry_ns), seconds(v.exit_ns)) for v in visits if v.entry_ns is not None}
    unmatched = {seconds(v.exit_ns) for v in visits if v.status == "unmatched"}
    anomalies = {seconds(a.entry.time_ns) for a in state.outbox if isinstance(a, Anomaly)}
    assert len(visits) + len(anomalies) == len(state.outbox) == len({i.id for i in state.outbox})
    return stays, unmatched, anomalies, seconds(state.inside.time_ns) if state.inside else None


def brute_force(passages: Iterable[Passage], rules: Rules) -> Result:
    """The same by walking through all of them in the order of their times."""
    stays, unmatched, given_up = set(), set(), set()
    open_at: float | None = None
    known = {(one.kind, one.id, one.time_ns) for one in passages}
    for kind, _, time_ns in sorted(known, key=lambda one: one[2]):
        time_s = (time_ns - NOW) / S
        if kind == "entry":
            if open_at is not None:
                given_up.add(open_at)
            open_at = time_s
        elif open_at is None:
            unmatched.add(time_s)
        elif (time_s - open_at) * S > rules.max_stay_ns:
            given_up.add(open_at)
            unmatched.add(time_s)
            open_at = None
        else:
            stays.add((open_at, time_s))
            open_at = None
    return stays, unmatched, given_up, open_at


def test_an_exit_finds_its_entry_at_once() -> None:
    state = fed([entry(0), leave(60)])
    assert result(state) == ({(0, 60)}, set(), set(), None)
    [visit] = state.outbox
    assert isinstance(visit, Visit)
    assert (visit.status, visit.entry_id, visit.exit_id) == ("matched", "entry-0", "exit-60")


def test_an_exit_that_is_delivered_first_finds_its_entry() -> None:
    state = fed([leave(60)])
    assert state.outbox == ()
    assert state.inside is None
    assert result(fed([entry(0, arrived=9)], state=state)) == ({(0, 60)}, set(), set(), None)


def test_an_exit_is_unmatched_when_no_entry_came_in_time_and_not_before() -> None:
    assert fed([leave(60)], until=9.9).outbox == ()
    state = fed([leave(60)], until=10)
    assert result(state) == (set(), {60}, set(), None)
    assert [v.reason for v in state.outbox] == [
        "no entry came within 10 s (PARKING_REORDER_SECONDS)"
    ]


def test_an_entry_that_comes_after_its_exit_was_settled_does_not_open_what_is_over() -> None:
    state = fed([entry(0, arrived=20)], until=40, state=fed([leave(60)], until=15))
    assert result(state) == (set(), {60}, {0}, None)
    [_, anomaly] = state.outbox
    assert isinstance(anomaly, Anomaly)
    assert anomaly.kind == "late_entry"


def test_of_two_entries_in_a_row_the_later_counts_and_the_earlier_is_an_anomaly() -> None:
    state = fed([entry(0), entry(30, arrived=30)], until=39)
    assert result(state) == (set(), set(), set(), 30)
    state = fed([leave(90, arrived=90)], until=101, state=state)
    assert result(state) == ({(30, 90)}, set(), {0}, None)
    assert {a.kind for a in state.outbox if isinstance(a, Anomaly)} == {"second_entry"}


def test_an_exit_between_two_entries_may_still_come_after_the_second() -> None:
    state = fed([entry(0), entry(30, arrived=30), leave(20, arrived=35)], until=60)
    assert result(state) == ({(0, 20)}, set(), set(), 30)


def test_an_exit_before_its_entry_is_unmatched_and_the_reason_says_so() -> None:
    state = fed([entry(50), leave(40, arrived=1)], until=20)
    assert result(state) == (set(), {40}, set(), 50)
    assert [v.reason.split(":")[0] for v in state.outbox] == ["exit before its entry"]


def test_a_stay_longer_than_allowed_is_no_visit() -> None:
    rules = replace(RULES, max_stay_ns=HOUR)
    assert result(fed([entry(0), leave(3600)], rules))[0] == {(0, 3600)}
    state = fed([entry(0), leave(3600.5)], rules, until=10)
    assert result(state) == (set(), {3600.5}, {0}, None)
    assert {item.reason.split(" (")[0] for item in state.outbox} == {
        "its exit at 2027-01-15T09:00:00.5Z is more than 1 h",
        "stay too long: its entry at 2027-01-15T08:00:00Z is more than 1 h",
    }


def test_a_vehicle_that_never_leaves_is_given_up_after_the_longest_stay() -> None:
    rules = replace(RULES, max_stay_ns=HOUR)
    assert result(fed([entry(0)], rules, until=3599))[3] == 0
    state = fed([entry(0)], rules, until=3600)
    assert result(state) == (set(), set(), {0}, None)
    assert [a.kind for a in state.outbox if isinstance(a, Anomaly)] == ["no_exit"]


def test_a_stay_of_no_length_is_a_visit() -> None:
    assert result(fed([leave(5), entry(5)]))[0] == {(5, 5)}


def test_what_is_delivered_again_changes_nothing_before_and_after_it_is_settled() -> None:
    state = fed([entry(0), entry(0), leave(60), leave(60), entry(0), leave(60)], until=3600)
    assert result(state) == ({(0, 60)}, set(), set(), None)
    again = advance(state, PLATE, [entry(0), leave(60)], NOW, 0, RULES)
    assert again.fresh == ()
    assert again.state == state


def test_the_same_id_at_another_time_is_another_event() -> None:
    state = fed([entry(0, "1"), leave(5, "1"), entry(10, "1"), leave(20, "1")])
    assert result(state)[0] == {(0, 5), (10, 20)}


def test_settled_passages_are_forgotten_in_time_and_their_number_is_bounded() -> None:
    state = fed([entry(0), leave(60)])
    later = 25 * 3600.0
    state = fed([entry(later, arrived=later)], state=state)
    assert state.settled == ()
    for n in range(MOST_REMEMBERED):
        state = fed([entry(2 * n + later + 1), leave(2 * n + later + 2)], state=state)
    assert len(state.settled) == MOST_REMEMBERED


def test_nothing_waits_past_the_time_that_it_says() -> None:
    state = fed([leave(60), entry(100, arrived=3), entry(130, arrived=4)])
    due = due_ns(state, RULES)
    assert due == NOW + 10 * S
    assert advance(state, PLATE, [], due - 1, due - 1, RULES).state == state
    state = advance(state, PLATE, [], due, due, RULES).state
    assert result(state)[1] == {60}
    assert due_ns(state, RULES) == NOW + 14 * S
    assert due_ns(State(), RULES) is None


@pytest.mark.parametrize("rules", [RULES, PATIENT])
def test_a_visit_is_decided_once_whoever_publishes_it_and_however_often(rules: Rules) -> None:
    state = fed([entry(0), leave(60)], rules, until=30)
    published = state.outbox
    assert len(published) == 1
    state = fed([entry(100)], rules, until=60, state=state)
    assert state.without(published).without(published).outbox == ()


passages = st.lists(
    st.builds(
        passage,
        st.sampled_from(("entry", "exit")),
        st.integers(0, 40).map(float),
        st.just(""),
        st.floats(0, 9).map(lambda seconds: round(seconds, 2)),
    ),
    max_size=16,
    unique_by=lambda one: one.time_ns,
)


@settings(deadline=None)
@given(passages, st.data())
def test_any_order_with_any_repeats_gives_the_visits_of_a_brute_force_matcher(
    history: list[Passage], data: st.DataObject
) -> None:
    """Where visits wait as long as passages may be late."""
    again = data.draw(st.lists(st.sampled_from(history))) if history else []
    order = data.draw(st.permutations([*history, *again]))
    state = fed(order, PATIENT, until=60)
    assert result(state) == brute_force(history, PATIENT)
    assert result(fed(order, PATIENT, until=60, state=state)) == result(state)  # all of it again


@settings(deadline=None)
@given(st.integers(0, 12), st.booleans(), st.data())
def test_neighbours_swapped_and_repeated_give_the_same_although_visits_wait_for_nothing(
    count: int, ghost: bool, data: st.DataObject
) -> None:
    """A vehicle's own history: in, out, in, out; perhaps an exit first whose entry nobody saw."""
    history = [(leave if n % 2 != ghost else entry)(float(n)) for n in range(count)]
    order = swapped(history, data.draw(st.lists(st.booleans(), max_size=count)))
    for repeat in data.draw(st.lists(st.integers(0, max(0, count - 1)), max_size=count)):
        if order:
            first = order.index(history[repeat])
            order.insert(data.draw(st.integers(first, len(order))), history[repeat])
    assert result(fed(order, RULES, until=60)) == brute_force(history, RULES)


def swapped(history: Sequence[Passage], which: Sequence[bool]) -> list[Passage]:
    """Neighbours change places, each at most once."""
    order = list(history)
    place = 0
    for swap in which:
        if swap and place + 1 < len(order):
            order[place], order[place + 1] = order[place + 1], order[place]
            place += 1
        place += 1
    return order


@settings(deadline=None)
@given(passages, st.integers(0, 60), st.sampled_from((RULES, PATIENT)))
def test_a_state_survives_being_written_and_read(
    history: list[Passage], until: int, rules: Rules
) -> None:
    state = fed(history, rules, until=float(until))
    key = "B-XY1234"
    value, live = codec.encode(key, state)
    back = codec.decode(value)
    assert replace(back, outbox=()) == replace(state, outbox=())
    assert set(back.outbox) == set(state.outbox)
    assert live == bool(state.inside or any(v.status == "matched" for v in visits_of(state)))


def visits_of(state: State) -> list[Visit]:
    return [item for item in state.outbox if isinstance(item, Visit)]


def test_the_value_of_a_vehicle_inside_says_so_in_words() -> None:
    value, live = codec.encode("B=20X", fed([entry(0, "e-1")]))
    data = orjson.loads(value)
    assert live
    assert data["entry_time"] == "2027-01-15T08:00:00Z"
    assert data["parking_enter_data"] == {
        "id": "e-1",
        "vehicle_plate": "B X",
        "entry_date_time": "2027-01-15T08:00:00Z",
    }
    assert "parking_exit_data" not in data


@pytest.mark.parametrize(
    "value",
    [b"", b"nonsense", b"{}", b'{"matcher":{"waiting":[["entry",1]],"settled":[],"visits":[]}}'],
)
def test_a_value_that_somebody_put_there_by_hand_counts_as_nothing_known(value: bytes) -> None:
    assert codec.decode(value) == State()
