"""Run the chaos scenarios side by side: most of their time they wait for a server's time-out.

Each is a test of its own to pytest; the first one that is asked for starts all that were selected,
and each test then waits for the outcome of its own scenario.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import inspect
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from tests.chaos.world import LONG, World

AT_ONCE = 8
THREADS = 64  # blocked on processes that start and on rows that are read
LONGEST_SECONDS = 1800.0

Body = Callable[[World], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario on one store.

    :ivar slow: begins before the others, because it waits for the broker's 30 s.
    """

    body: Body
    kind: str
    slow: bool

    @property
    def name(self) -> str:
        return f"{self.body.__name__}-{self.kind}"


def scenario(*kinds: str, slow: bool = False, long_only: str = "") -> Callable[[Body], Any]:
    """Make a coroutine function of a World a test on each of these stores.

    :param long_only: why it has no short form.
    """

    def decorate(body: Body) -> Any:
        @pytest.mark.timeout(LONGEST_SECONDS)
        @pytest.mark.parametrize("kind", kinds)
        def test(kind: str, side_by_side: SideBySide) -> None:
            for note in side_by_side.outcome(Scenario(body, kind, slow)):
                print(note)

        if long_only and not LONG:
            reason = f"{long_only}: ./run.sh test chaos runs it"
            test = pytest.mark.skip(reason=reason)(test)
        test.__name__ = test.__qualname__ = body.__name__
        test.__module__, test.__doc__ = body.__module__, inspect.getdoc(body)
        test.scenario = (body, slow)  # type: ignore[attr-defined]
        return test

    return decorate


def selected(items: Sequence[pytest.Item]) -> list[Scenario]:
    """The scenarios among pytest's tests that are to be run, the slow ones first."""
    found = []
    for item in items:
        made = getattr(getattr(item, "function", None), "scenario", None)
        if made is not None and item.get_closest_marker("skip") is None:
            body, slow = made
            found.append(Scenario(body, item.callspec.params["kind"], slow))  # type: ignore[attr-defined]
    return sorted(found, key=lambda each: not each.slow)


class SideBySide:
    """Owns the thread whose event loop runs the scenarios."""

    def __init__(self, scenarios: Sequence[Scenario], folder: Path) -> None:
        self._scenarios = scenarios
        self._folder = folder
        self._outcomes: dict[Scenario, Future[list[str]]] = {each: Future() for each in scenarios}
        self._loop = asyncio.new_event_loop()
        self._all: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="chaos")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # it has just ended
                self._loop.call_soon_threadsafe(self._cancel)
        self._thread.join()

    def outcome(self, scenario: Scenario) -> list[str]:
        """The scenario's notes, or its failure."""
        return self._outcomes[scenario].result()

    def _cancel(self) -> None:
        if self._all is not None:
            self._all.cancel()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            self._loop.set_default_executor(ThreadPoolExecutor(THREADS, "chaos"))
            with contextlib.suppress(asyncio.CancelledError):
                runner.run(self._run_all())

    async def _run_all(self) -> None:
        self._all = asyncio.current_task()
        places = asyncio.Semaphore(AT_ONCE)
        await asyncio.gather(*(self._run_one(each, places) for each in self._scenarios))

    async def _run_one(self, scenario: Scenario, places: asyncio.Semaphore) -> None:
        outcome = self._outcomes[scenario]
        try:
            async with places:
                folder = self._folder / scenario.name
                folder.mkdir()
                async with World(scenario.kind, folder) as world:
                    await scenario.body(world)
        except asyncio.CancelledError:
            outcome.set_exception(concurrent.futures.CancelledError())
            raise
        except Exception as error:  # noqa: BLE001 - it is the test's, and is raised there
            outcome.set_exception(error)
        else:
            outcome.set_result(world.notes)
