"""How readers share the fleet: every part has one owner at most, whatever happens to them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reader.watching.ownership import (
    LEASE_SECONDS,
    SHARES,
    Alive,
    Table,
    due,
    renewed,
    share_of,
    without,
)
from spindle.store.base import SeriesKey


def settle(table: Table, readers: list[str], rounds: int = 4) -> Table:
    """Each reader renews in turn."""
    for _ in range(rounds):
        for me in readers:
            table = renewed(table, me, readers, due(table, me, readers))
    return table


def test_a_lone_reader_follows_everything() -> None:
    assert len(settle(Table(), ["a"]).owned("a")) == SHARES


def test_readers_come_to_equal_parts_and_every_part_has_an_owner() -> None:
    table = settle(settle(Table(), ["a"]), ["a", "b", "c"])
    parts = [table.owned(each) for each in "abc"]
    assert sorted(map(len, parts)) == [2, 3, 3]
    assert frozenset().union(*parts) == frozenset(range(SHARES))


def test_what_a_reader_left_or_lost_is_taken_by_the_others() -> None:
    table = settle(Table(), ["a", "b"])
    assert len(settle(without(table, "b"), ["a"]).owned("a")) == SHARES
    assert len(settle(table, ["a"]).owned("a")) == SHARES
    assert "b" not in settle(table, ["a"]).beats


@given(
    st.lists(
        st.tuples(st.sampled_from("abcd"), st.sets(st.sampled_from("abcd")), st.booleans()),
        max_size=30,
    )
)
def test_nobody_takes_what_a_living_reader_owns(
    turns: list[tuple[str, set[str], bool]],
) -> None:
    table = Table()
    for me, alive, leaves in turns:
        before = {each: table.owned(each) for each in alive - {me}}
        table = without(table, me) if leaves else renewed(table, me, alive, due(table, me, alive))
        for each, owned in before.items():
            assert owned <= table.owned(each)


def test_a_reader_is_gone_when_its_beat_has_not_changed_on_our_own_clock() -> None:
    alive = Alive()
    table = Table({"a": 1, "b": 7})
    assert alive.among(table, 100.0) == {"a", "b"}
    table = Table({"a": 2, "b": 7})
    assert alive.among(table, 100.0 + LEASE_SECONDS - 1) == {"a", "b"}
    assert alive.among(table, 100.0 + LEASE_SECONDS) == {"a"}
    assert alive.among(Table({"b": 8}), 200.0) == {"b"}


def test_members_of_an_array_are_in_one_share_and_devices_alone_are_spread() -> None:
    together, alone = (
        {share_of(SeriesKey("DiskUnit", "IOPs", f"d{n}", array)) for n in range(100)}
        for array in ("array1", "")
    )
    assert (len(together), len(alone)) == (1, SHARES)


def test_a_table_that_somebody_broke_is_an_empty_one() -> None:
    whole = settle(Table(), ["a"])
    assert Table.from_json(whole.to_json()) == whole
    broken: object
    for broken in (None, [], {}, {"beats": {}, "owners": ["a"]}, {"beats": 1, "owners": None}):
        assert Table.from_json(broken) == Table()
