"""Questions about health of the same moment share the fleet's critical events."""

from __future__ import annotations

import asyncio

import pytest

from reader.lookups.stored import shared_queries
from reader.lookups.stored.shared_queries import CriticalEvents
from spindle.errors import StoreError
from spindle.store.base import EventRow, Selection
from tests.memory_store import MemoryStore, away


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def event(n: int, device: str = "d1") -> EventRow:
    return EventRow(n, f"e{n}", "DiskUnit", "DriveFailure", device, "a1", 9, "")


async def test_critical_events_are_read_once_for_all_who_ask_in_one_moment() -> None:
    store, clock = MemoryStore(), Clock()
    await store.write_events([event(1), event(2, "d2")])
    events = CriticalEvents(clock)
    one, two, other = await asyncio.gather(
        *(events.select(store, Selection(device_id=name), 0) for name in ("d1", "d2", "d3"))
    )
    assert ([r.event_id for r in one], [r.event_id for r in two], other) == (["e1"], ["e2"], [])
    assert store.asked == 1
    clock.now += 1
    assert len(await events.select(store, Selection(source_device="DiskUnit"), 0)) == 2
    assert store.asked == 2


async def test_a_failure_is_told_to_all_and_the_next_one_asks_again() -> None:
    store, events = MemoryStore(), CriticalEvents()
    store.failing = away("gone")
    with pytest.raises(StoreError, match="gone"):
        await events.select(store, Selection(), 0)
    store.failing = None
    assert await events.select(store, Selection(), 0) == []


async def test_where_there_are_too_many_events_each_question_asks_for_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shared_queries, "MOST_EVENTS", 5)
    store, events = MemoryStore(), CriticalEvents()
    await store.write_events([event(n, "d1") for n in range(10)] + [event(0, "d2")])
    assert len(await events.select(store, Selection(device_id="d2"), 0)) == 1
    assert store.asked == 2
