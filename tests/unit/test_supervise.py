"""A long-running task ends only when it is told to; else it is started again, counted and said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from typing import Any

import pytest

from spindle.errors import InUse, StoreUnavailable
from spindle.service import tasks
from spindle.service.health import Health
from spindle.service.run import Service
from spindle.settings import Settings, load
from tests.waiting import until

Work = Callable[[], Coroutine[Any, Any, None]]


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(tasks, "STEADY_SECONDS", 0.1)
    monkeypatch.setattr(tasks, "AGAIN_SECONDS", 0.05)


class Task:
    """Ends in the given ways, one after the other; then it works until the service stops."""

    def __init__(self, *ends: Work) -> None:
        self.service = Service("reader", load(Settings), Health("reader"))
        self.ends = list(ends)
        self.starts = 0

    async def run(self) -> None:
        self.starts += 1
        if self.ends:
            await self.ends.pop(0)()
        else:
            await self.service.stopping.wait()

    @property
    def restarts(self) -> float:
        labels = {"task": "loop"}
        found = self.service.registry.get_sample_value("reader_task_restarts_total", labels)
        return found or 0.0

    @property
    def health(self) -> Any:
        return self.service.health.report()["parts"]

    @asynccontextmanager
    async def supervised(self) -> AsyncIterator[asyncio.Task[None]]:
        task = asyncio.create_task(self.service.supervise("loop", self.run))
        try:
            yield task
        finally:
            self.service.stopping.set()
            async with asyncio.timeout(60):
                await asyncio.wait((task,))


async def returns() -> None:
    return


async def fails() -> None:
    raise StoreUnavailable("the store is away")


async def is_mistaken() -> None:
    raise KeyError("oops")


async def is_cancelled_from_below() -> None:
    raise asyncio.CancelledError


async def loses_a_task_of_its_group() -> None:
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(fails())
            await asyncio.Event().wait()
    except* StoreUnavailable:
        pass
    # Python before 3.13 goes on counting the group's cancellation of its parent here.
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def goes_on_without_a_task(how: Work) -> None:
    never = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(tasks.lasting(how(), never), name="part")
        group.create_task(tasks.lasting(never_ends(), never))


async def never_ends() -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("how", [returns, is_cancelled_from_below])
async def test_a_group_of_which_a_task_ended_is_started_again_whole(how: Work) -> None:
    task = Task(lambda: goes_on_without_a_task(how))
    async with task.supervised():
        await until(lambda: task.starts == 2)
        assert task.health["loop"] == "part ended before the stop; it is started again"
        await until(lambda: task.service.health.healthy)


async def test_a_lasting_task_may_end_once_the_service_stops_or_its_group_ends() -> None:
    stopping = asyncio.Event()
    stopping.set()
    await tasks.lasting(returns(), stopping)
    waiting = asyncio.create_task(tasks.lasting(never_ends(), asyncio.Event()))
    await asyncio.sleep(0)
    await tasks.end(waiting)
    assert waiting.cancelled()


@pytest.mark.parametrize(
    "how", [returns, fails, is_mistaken, is_cancelled_from_below, loses_a_task_of_its_group]
)
async def test_however_a_task_ends_it_is_started_again_counted_and_said(how: Work) -> None:
    task = Task(how, how)
    async with task.supervised():
        await until(lambda: task.starts == 3)
        assert task.restarts == 2
        assert "it is started again" in task.health["loop"]
        assert not task.service.health.healthy
        await until(lambda: task.health["loop"] == "ok")


async def test_health_names_the_reason_and_a_mistake_of_the_program_is_traced_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    task = Task(fails, is_mistaken, is_mistaken)
    async with task.supervised():
        await until(lambda: task.starts == 4)
    assert "the store is away" in caplog.text
    assert caplog.text.count("Traceback") == 1
    assert task.health["loop"] == "'oops'; it is started again"


async def test_pauses_grow_and_begin_anew_once_the_task_has_lasted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tasks, "FIRST_PAUSE_SECONDS", 0.04)
    at: list[float] = []

    async def lasts() -> None:
        await asyncio.sleep(0.15)

    task = Task(returns, returns, returns, lasts)
    run = task.run

    async def timed() -> None:
        at.append(asyncio.get_running_loop().time())
        await run()

    monkeypatch.setattr(task, "run", timed)
    async with task.supervised():
        await until(lambda: task.starts == 5)
    pauses = [later - earlier for earlier, later in pairwise(at)]
    assert all(pause >= least for pause, least in zip(pauses, (0.04, 0.08, 0.16), strict=False))
    assert 0.15 <= pauses[3] < 0.15 + 0.32


async def test_a_task_that_is_told_to_stop_is_not_started_again() -> None:
    task = Task()
    async with task.supervised() as supervision:
        await until(lambda: task.starts == 1)
        task.service.stopping.set()
        await until(supervision.done)
    assert (task.starts, task.restarts) == (1, 0)
    assert task.service.health.healthy


async def test_what_only_a_person_can_mend_ends_the_service() -> None:
    async def in_use() -> None:
        raise InUse("another writer has the file")

    task = Task(in_use)
    async with task.supervised() as supervision:
        await until(supervision.done)
    assert isinstance(supervision.exception(), InUse)


async def test_a_supervision_that_is_cancelled_ends_its_task_though_that_loses_the_first() -> None:
    ended = asyncio.Event()

    async def loses_one() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    task = Task(loses_one)
    async with task.supervised() as supervision:
        await until(lambda: task.starts == 1)
        await asyncio.sleep(0)
        supervision.cancel()
        await until(supervision.done)
        assert supervision.cancelled()
        assert ended.is_set()
