"""What every store does with visits: one suite, run on SQLite and on InfluxDB."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from spindle.settings import Settings, load
from spindle.store.base import EventRow, Selection, Store, VisitRow, VisitSelection
from spindle.store.registry import open_store

S = 10**9
T0 = (time.time_ns() // (60 * S) - 2) * 60 * S
EVERY = VisitSelection()


def visit(visit_id: str, time_ns: int = T0, **given: object) -> VisitRow:
    fields = {
        "plate": "B-XY1234",
        "lot": "main",
        "status": "matched",
        "entry_ns": time_ns - 3600 * S,
        "reason": "",
    }
    return VisitRow(time_ns, visit_id, **{**fields, **given})  # type: ignore[arg-type]


async def ids(store: Store, which: VisitSelection = EVERY, since: int = 0) -> list[str]:
    return sorted(row.visit_id for row in await store.visits(which, since))


async def test_a_store_without_visits_answers_with_none(store: Store, reading: Store) -> None:
    await store.write_visits([])
    assert await reading.visits(EVERY, 0) == []
    assert await reading.visits(VisitSelection("matched", "main", "B-1"), T0, 5) == []


async def test_a_visit_comes_back_whole_with_all_nine_digits(store: Store, reading: Store) -> None:
    plate = "é\"\\ '漢 =,#🚗"
    sent = [
        visit("1", T0 + 123_456_789, plate=plate, lot="P.2-north:a_b", entry_ns=T0 + 123_456_788),
        visit("2", T0 + 2, status="unmatched", entry_ns=None, reason='no entry, "they" say\\'),
        visit("3 é", T0 + 1, status="manual", entry_ns=T0 + 1),
    ]
    await store.write_visits(sent)
    assert await reading.visits(EVERY, 0) == sent
    assert [row.duration_seconds for row in sent] == [1e-9, None, 0.0]


async def test_two_visits_that_end_in_the_same_instant_are_both_kept(store: Store) -> None:
    await store.write_visits([visit("a"), visit("b", plate="B-2")])
    await store.write_visits([visit("c"), visit("d", T0 + 1), visit("a", status="manual")])
    got = sorted((row.visit_id, row.status, row.time_ns) for row in await store.visits(EVERY, 0))
    assert got == [
        ("a", "manual", T0),
        ("a", "matched", T0),
        ("b", "matched", T0),
        ("c", "matched", T0),
        ("d", "matched", T0 + 1),
    ]


async def test_a_visit_delivered_again_is_stored_once(store: Store) -> None:
    batch = [visit("a"), visit("b"), visit("c", T0 + 1)]
    for again in (batch, batch[::-1], [batch[1]], [*batch, visit("e")], [batch[2], batch[0]]):
        await store.write_visits(again)
    assert await ids(store) == ["a", "b", "c", "e"]


async def test_visits_are_selected_by_status_lot_and_plate(store: Store) -> None:
    await store.write_visits(
        [
            visit("a"),
            visit("b", T0 + 1, status="unmatched", entry_ns=None),
            visit("c", T0 + 2, lot="west"),
            visit("d", T0 + 3, plate="B-2"),
        ]
    )
    assert await ids(store, VisitSelection(status="matched")) == ["a", "c", "d"]
    assert await ids(store, VisitSelection(lot="west")) == ["c"]
    assert await ids(store, VisitSelection(plate="B-XY1234", status="matched")) == ["a", "c"]
    assert await ids(store, EVERY, T0 + 2) == ["c", "d"]


async def test_visits_come_latest_first_and_as_many_as_asked_for(store: Store) -> None:
    await store.write_visits([visit(f"v{n}", T0 + n, lot=f"lot-{n % 2}") for n in (3, 1, 2, 0)])
    found = [row.visit_id for row in await store.visits(EVERY, 0)]
    assert found == ["v3", "v2", "v1", "v0"]
    assert [row.visit_id for row in await store.visits(EVERY, 0, 2)] == ["v3", "v2"]
    assert await store.visits(EVERY, 0, 0) == []


@pytest.mark.parametrize(
    "plate", ["' OR ''='", '"; DROP MEASUREMENT parking_visits; --', "\\", "a\0", "\r", "x" * 5000]
)
async def test_no_text_changes_the_meaning_of_a_question(store: Store, plate: str) -> None:
    await store.write_visits([visit("a")])
    assert await ids(store, VisitSelection(plate=plate)) == []
    assert await ids(store, VisitSelection(lot=plate)) == []
    assert await ids(store) == ["a"]


async def test_a_plate_is_no_tag_and_events_are_left_alone(store: Store) -> None:
    await store.write_events([EventRow(T0, "a", "main", "matched", "x", "", 5, "")])
    await store.write_visits([visit("a")])
    assert len(await store.events(Selection(), 0)) == 1
    assert await ids(store) == ["a"]


async def test_any_time_may_be_asked_about(store: Store) -> None:
    await store.write_visits([visit("a")])
    assert await ids(store, EVERY, -(10**30)) == ["a"]
    assert await ids(store, EVERY, 10**30) == []


async def test_visits_older_than_the_retention_expire_in_sqlite(tmp_path: Path) -> None:
    settings = load(Settings, store_url=f"sqlite:///{tmp_path}/spindle.db")
    for_ever = load(Settings, store_url=settings.store_url, retention_hours=0)
    store = open_store(for_ever, writing=True)
    await store.prepare()
    old = T0 - int(settings.retention_hours * 3600 * S) - 200 * S
    await store.write_visits([visit("new"), *(visit(f"old-{n}", old - n) for n in range(3))])
    await store.close()
    store = open_store(settings, writing=True)
    assert await store.expire(time.time_ns()) == 3
    assert await ids(store) == ["new"]
    await store.close()
