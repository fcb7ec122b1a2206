"""Identical questions share an answer; questions about health share the fleet's critical events."""

from __future__ import annotations

import asyncio

import pytest

from reader.lookups import critical_events
from reader.lookups.answer_cache import MOST_BYTES, AnswerCache
from reader.lookups.critical_events import RecentEvents
from spindle.errors import StoreError
from spindle.store.base import EventRow, Selection
from tests.memory_store import MemoryStore, away


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


async def text(payload: bytes) -> bytes:
    return payload


async def test_an_answer_is_good_for_its_time_from_when_it_was_asked_for() -> None:
    clock = Clock()
    cache = AnswerCache(1.0, clock)

    async def slow() -> bytes:
        clock.now += 0.6
        return b"a"

    assert await cache.answer("q", slow) == b"a"
    assert cache.known("q") == b"a"
    clock.now += 0.3
    assert cache.known("q") == b"a"
    assert cache.known("other") is None
    clock.now += 0.2
    assert cache.known("q") is None


async def test_who_comes_while_the_answer_is_sought_waits_for_it_and_shares_its_failure() -> None:
    cache, go = AnswerCache(1.0), asyncio.Event()

    async def failing() -> bytes:
        await go.wait()
        raise away("gone")

    first = asyncio.create_task(cache.answer("q", failing))
    await asyncio.sleep(0)
    waiting = cache.on_its_way("q")
    assert waiting is not None
    go.set()
    for each in (first, waiting):
        with pytest.raises(StoreError, match="gone"):
            await each
    assert cache.on_its_way("q") is None
    assert cache.known("q") is None


async def test_without_a_time_nothing_is_kept_or_shared() -> None:
    cache = AnswerCache(0)
    assert await cache.answer("q", lambda: text(b"a")) == b"a"
    assert cache.known("q") is None


async def test_memory_is_bounded() -> None:
    cache = AnswerCache(60.0)
    large = b"x" * (MOST_BYTES // 4)
    for n in range(10):
        await cache.answer(n, lambda: text(large))
    assert [n for n in range(10) if cache.known(n)] == [6, 7, 8, 9]
    await cache.answer("huge", lambda: text(large + b"x"))
    assert cache.known("huge") is None


def event(n: int, device: str = "d1") -> EventRow:
    return EventRow(n, f"e{n}", "DiskUnit", "DriveFailure", device, "a1", 9, "")


async def test_critical_events_are_read_once_for_all_who_ask_in_one_moment() -> None:
    store, clock = MemoryStore(), Clock()
    await store.write_events([event(1), event(2, "d2")])
    events = RecentEvents(clock)
    one, two, other = await asyncio.gather(
        *(events.of(store, Selection(device_id=name), 0) for name in ("d1", "d2", "d3"))
    )
    assert ([r.event_id for r in one], [r.event_id for r in two], other) == (["e1"], ["e2"], [])
    assert store.asked == 1
    clock.now += 1
    assert len(await events.of(store, Selection(source_device="DiskUnit"), 0)) == 2
    assert store.asked == 2


async def test_a_failure_is_told_to_all_and_the_next_one_asks_again() -> None:
    store, events = MemoryStore(), RecentEvents()
    store.failing = away("gone")
    with pytest.raises(StoreError, match="gone"):
        await events.of(store, Selection(), 0)
    store.failing = None
    assert await events.of(store, Selection(), 0) == []


async def test_where_there_are_too_many_events_each_question_asks_for_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(critical_events, "MOST", 5)
    store, events = MemoryStore(), RecentEvents()
    await store.write_events([event(n, "d1") for n in range(10)] + [event(0, "d2")])
    assert len(await events.of(store, Selection(device_id="d2"), 0)) == 1
    assert store.asked == 2
