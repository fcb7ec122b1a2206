"""What the store said a moment ago is shared by all who ask the same in that moment."""

from __future__ import annotations

import asyncio

import pytest

from reader.lookups.single_flight import Recent
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


async def test_the_same_question_in_the_same_moment_is_asked_once_and_again_later() -> None:
    clock, ask = Clock(), Counting()
    recent = Recent[str, int](1.0, 2, clock)
    assert await asyncio.gather(*(recent.of("a", ask) for _ in range(5))) == [1] * 5
    clock.now += 0.9
    assert await recent.of("a", ask) == 1
    clock.now += 0.1
    assert await recent.of("a", ask) == 2


async def test_only_so_many_answers_are_kept_the_newest() -> None:
    ask = Counting()
    recent = Recent[str, int](1.0, 2, Clock())
    for question in "abc":
        await recent.of(question, ask)
    assert await recent.of("c", ask) == 3
    assert await recent.of("a", ask) == 4


async def test_a_failure_is_told_to_all_who_wait_and_not_kept() -> None:
    ask = Counting()
    ask.away = True
    recent = Recent[str, int](1.0, 2, Clock())
    told = await asyncio.gather(*(recent.of("a", ask) for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in told] == [StoreUnavailable] * 3
    assert ask.asked == 1
    ask.away = False
    assert await recent.of("a", ask) == 2


async def test_when_the_first_who_asks_gives_up_the_others_are_told_to_ask_again() -> None:
    recent = Recent[str, int](1.0, 2, Clock())

    async def never() -> int:
        await asyncio.Event().wait()
        return 0

    first = asyncio.create_task(recent.of("a", never))
    other = asyncio.create_task(recent.of("a", never))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(StoreUnavailable, match="ask again"):
        await other
