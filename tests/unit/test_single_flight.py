"""One query for all who ask the same in the same moment."""

from __future__ import annotations

import asyncio

import pytest

from reader.lookups.single_flight import SingleFlight
from spindle.errors import StoreUnavailable


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Counting:
    """Answers with how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.away = False

    async def __call__(self) -> int:
        self.asked += 1
        await asyncio.sleep(0)
        if self.away:
            raise StoreUnavailable("away")
        return self.asked


async def text(payload: bytes) -> bytes:
    return payload


async def test_the_same_question_in_the_same_moment_is_asked_once_and_again_later() -> None:
    clock, ask = Clock(), Counting()
    shared = SingleFlight[str, int](1.0, 2, clock=clock)
    assert await asyncio.gather(*(shared.get("a", ask) for _ in range(5))) == [1] * 5
    clock.now += 0.9
    assert await shared.get("a", ask) == 1
    clock.now += 0.1
    assert await shared.get("a", ask) == 2


async def test_an_answer_is_good_for_its_time_from_when_it_was_asked_for() -> None:
    clock = Clock()
    shared = SingleFlight[str, bytes](1.0, 2, clock=clock)

    async def slow() -> bytes:
        clock.now += 0.6
        return b"a"

    assert await shared.get("q", slow) == b"a"
    assert shared.has("q")
    clock.now += 0.3
    assert shared.has("q")
    assert not shared.has("other")
    clock.now += 0.2
    assert not shared.has("q")


async def test_who_comes_while_an_answer_is_on_its_way_waits_for_it_however_long_it_takes() -> None:
    clock, go = Clock(), asyncio.Event()
    shared = SingleFlight[str, int](1.0, 2, clock=clock)
    ask = Counting()

    async def slow() -> int:
        await go.wait()
        return await ask()

    first = asyncio.create_task(shared.get("q", slow))
    await asyncio.sleep(0)
    clock.now += 5
    assert shared.has("q")
    other = asyncio.create_task(shared.get("q", slow))
    await asyncio.sleep(0)
    go.set()
    assert (await first, await other) == (1, 1)
    assert await shared.get("q", ask) == 2, "it was too old to be kept"


async def test_only_so_many_answers_are_kept_the_newest() -> None:
    ask = Counting()
    shared = SingleFlight[str, int](1.0, 2, clock=Clock())
    for question in "abc":
        await shared.get(question, ask)
    assert await shared.get("c", ask) == 3
    assert await shared.get("a", ask) == 4


async def test_the_bytes_of_what_is_kept_are_bounded() -> None:
    shared = SingleFlight[object, bytes](60.0, 1000, 4000, Clock())
    for n in range(10):
        await shared.get(n, lambda: text(b"x" * 1000))
    assert [n for n in range(10) if shared.has(n)] == [6, 7, 8, 9]
    await shared.get("huge", lambda: text(b"x" * 1001))
    assert not shared.has("huge")


async def test_a_failure_is_told_to_all_who_wait_and_not_kept() -> None:
    ask = Counting()
    ask.away = True
    shared = SingleFlight[str, int](1.0, 2, clock=Clock())
    told = await asyncio.gather(*(shared.get("a", ask) for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in told] == [StoreUnavailable] * 3
    assert ask.asked == 1
    assert not shared.has("a")
    ask.away = False
    assert await shared.get("a", ask) == 2


async def test_when_the_first_who_asks_gives_up_the_others_are_told_to_ask_again() -> None:
    shared = SingleFlight[str, int](1.0, 2, clock=Clock())

    async def never() -> int:
        await asyncio.Event().wait()
        return 0

    first = asyncio.create_task(shared.get("a", never))
    other = asyncio.create_task(shared.get("a", never))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(StoreUnavailable, match="ask again"):
        await other
    assert not shared.has("a")


async def test_who_waits_and_gives_up_disturbs_nobody() -> None:
    go, shared = asyncio.Event(), SingleFlight[str, int](1.0, 2, clock=Clock())

    async def slow() -> int:
        await go.wait()
        return 7

    first = asyncio.create_task(shared.get("a", slow))
    await asyncio.sleep(0)
    other = asyncio.create_task(shared.get("a", slow))
    await asyncio.sleep(0)
    other.cancel()
    await asyncio.sleep(0)
    go.set()
    assert await first == 7


async def test_without_a_time_nothing_is_kept_or_shared() -> None:
    ask, shared = Counting(), SingleFlight[str, int](0)
    assert sorted(await asyncio.gather(shared.get("q", ask), shared.get("q", ask))) == [2, 2]
    assert ask.asked == 2
    assert not shared.has("q")
