"""Whoever is told to stop stops, also where a cancellation gets lost.

Each test loses one as nats-py does on Python 3.11: it comes in the same turn of the loop as the
result that ``asyncio.wait_for`` was waiting for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NoReturn

import pytest
from prometheus_client import CollectorRegistry

from daemon.backlog import Backlog
from daemon.messages import Message
from daemon.meters import Meters
from daemon.publisher import Publisher
from daemon.settings import DaemonSettings
from gateway.http.stream import EventStream, Hub
from spindle import bus
from spindle.bus import declaration
from spindle.service import tasks
from spindle.service.checked_clock import CheckedClock
from spindle.service.health import Health
from spindle.service.run import Service
from spindle.service.tasks import cancelled, end
from spindle.settings import Settings, load
from writer.parking import matcher
from writer.parking.matcher import Matcher
from writer.settings import WriterSettings

SECONDS = 60  # more than enough for what should take none


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "AGAIN_SECONDS", 0.05)
    monkeypatch.setattr(matcher, "PAUSE_SECONDS", 0.01)


class Loser:
    """Loses the first cancellation of the task that waits for it."""

    def __init__(self) -> None:
        self.waiting = asyncio.Event()

    async def wait(self, *_: Any, **__: Any) -> None:
        self.waiting.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return

    async def wait_for_ever(self) -> NoReturn:
        while True:
            await self.wait()
            await asyncio.Event().wait()


async def test_a_task_that_lost_a_cancellation_knows_of_it() -> None:
    heard = []

    async def work() -> None:
        heard.append(cancelled())
        await asyncio.wait_for(gate, SECONDS)
        heard.append(cancelled())

    gate = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(work())
    await asyncio.sleep(0.01)
    gate.set_result(None)
    task.cancel()
    await asyncio.wait((task,), timeout=SECONDS)
    assert heard == [False, True] or task.cancelled()  # later Pythons do not lose it


async def test_a_task_is_cancelled_until_it_has_ended_and_its_result_is_told() -> None:
    loser = Loser()
    lost = asyncio.create_task(loser.wait_for_ever())
    done = asyncio.create_task(asyncio.sleep(0, "done"))
    await asyncio.gather(loser.waiting.wait(), done)
    async with asyncio.timeout(SECONDS):
        results = await end(lost, done)
    assert isinstance(results[0], asyncio.CancelledError)
    assert results[1] == "done"


async def test_work_at_start_ends_with_the_service() -> None:
    service = Service("daemon", load(Settings), Health("daemon"))
    loser = Loser()
    waiting = asyncio.create_task(service.unless_stopped(loser.wait_for_ever()))
    await loser.waiting.wait()
    service.stopping.set()
    async with asyncio.timeout(SECONDS):
        await waiting


async def test_a_stream_ends_when_its_client_goes() -> None:
    loser = Loser()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            await loser.wait_for_ever()

    async def receive() -> Any:
        await loser.waiting.wait()
        return {"type": "http.disconnect"}

    async with asyncio.timeout(SECONDS):
        await EventStream(Hub(1, 10), frozenset(), 60)({}, receive, send)


class Client:
    """Of NATS, that does nothing but what is asked of it here."""

    is_connected = True

    def __init__(self, publish: Callable[..., Any]) -> None:
        self.publish = publish

    def new_inbox(self) -> str:
        return "inbox"

    def jetstream(self, **_: Any) -> Any:
        return None

    async def subscribe(self, *_: Any, **__: Any) -> None:
        return

    async def close(self) -> None:
        return


@pytest.mark.parametrize("where", ["declare", "publish"])
async def test_a_publisher_ends(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    loser = Loser()
    health, registry = Health("daemon"), CollectorRegistry()
    backlog = Backlog(10_000, 100)
    one = Publisher(load(DaemonSettings), health, backlog, Meters(registry, backlog))

    async def connect(_: Any, __: Any, on_state: Callable[[bool], None]) -> Any:
        on_state(True)
        return Client(loser.wait)

    async def declare(*_: Any) -> None:
        if where == "declare":
            await loser.wait()

    monkeypatch.setattr(bus, "connect", connect)
    monkeypatch.setattr(bus, "declare", declare)
    one.put([Message("METRICS", "events.metrics", b"{}")])
    running = asyncio.create_task(one.run())
    await loser.waiting.wait()
    async with asyncio.timeout(SECONDS):
        await end(running)


async def test_declaring_ends_though_jetstream_never_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loser = Loser()

    async def no_answer(*_: Any) -> None:
        await loser.wait()
        raise TimeoutError

    monkeypatch.setattr(declaration, "declare_stream", no_answer)
    declaring = asyncio.create_task(bus.declare(Client(loser.wait), load(Settings)))  # type: ignore[arg-type]
    await loser.waiting.wait()
    declaring.cancel()
    async with asyncio.timeout(SECONDS):
        await asyncio.wait((declaring,))


@pytest.mark.parametrize("loop", ["_take", "_watch", "_end"])
async def test_a_matcher_ends(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    loser = Loser()

    async def idle(*_: Any) -> None:
        await asyncio.Event().wait()

    for name in ("_take", "_watch", "_end"):
        monkeypatch.setattr(Matcher, name, loser.wait if name == loop else idle)
    settings, health = load(WriterSettings), Health("writer")

    async def declare() -> None:
        return

    nats: Any = Client(loser.wait)
    clock = CheckedClock(settings, health)
    matcher = Matcher(nats, settings, health, CollectorRegistry(), declare, clock)
    running = asyncio.create_task(matcher.run())
    await loser.waiting.wait()
    running.cancel()
    async with asyncio.timeout(SECONDS):
        await asyncio.wait((running,))
    assert running.cancelled()
