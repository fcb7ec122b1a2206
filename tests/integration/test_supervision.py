"""Whichever long-running task of a service is stopped, it comes back, is counted and is said.

The tasks are found in the running services themselves, so that a new one cannot be forgotten: what
lasts in the event loop, has a name of ours, and is not the supervision itself.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import nats
import orjson
import pytest

import client.main
import daemon.main
import gateway.main
import reader.main
import writer.main
from client.settings import ClientSettings
from daemon.settings import DaemonSettings
from gateway.settings import GatewaySettings
from reader.settings import ReaderSettings
from spindle import bus, timestamps
from spindle.bus import streams
from spindle.service import tasks
from spindle.service.health import Health
from spindle.service.run import Service
from spindle.settings import Settings, load
from spindle.store.registry import open_store
from tests.servers import ROOT, Server, free_port
from tests.stored import counts
from tests.waiting import PATIENCE_SECONDS, until
from writer.settings import WriterSettings

Main = Callable[[Any], Coroutine[Any, Any, None]]
SERVICES: dict[str, tuple[Main, type[Settings], tuple[str, ...]]] = {
    "writer": (writer.main.main, WriterSettings, writer.main.PARTS),
    "reader": (reader.main.main, ReaderSettings, reader.main.PARTS),
    "client": (client.main.main, ClientSettings, client.main.PARTS),
    "gateway": (gateway.main.main, GatewaySettings, gateway.main.PARTS),
    "daemon": (daemon.main.main, DaemonSettings, daemon.main.PARTS),
}
LASTS_SECONDS = 1.0  #: what is there at both ends of it is long-running
NOT_TASKS = {"stop"}  #: a wait for the event that ends a service; it ends nothing by its own end


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "FIRST_PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(tasks, "STEADY_SECONDS", 0.5)
    for module in (streams, writer.main):  # after it, what a stopped pipeline held comes again
        monkeypatch.setattr(module, "ACK_WAIT_SECONDS", 3.0)


@pytest.fixture
async def given(nats_server: Server, settings: Settings, tmp_path: Path) -> dict[str, object]:
    """Settings of all services; the store and the streams are there."""
    store = open_store(settings, writing=True)
    await store.prepare()
    await store.close()
    connection = await nats.connect(settings.nats_url)
    await bus.declare(connection, settings)
    await connection.close()
    return {
        "nats_url": settings.nats_url,
        "store_url": settings.store,
        "client_output": f"{tmp_path}/client_output.log",
        "client_parking_output": f"{tmp_path}/parking_summary.csv",
        "gateway_http_port": free_port(),
        "daemon_sources": "simulator,host",
    }


@asynccontextmanager
async def running(name: str, given: dict[str, object]) -> AsyncIterator[Service[Any]]:
    main, kind, parts = SERVICES[name]
    service = Service(name, load(kind, **given), Health(name, parts))
    task = asyncio.create_task(main(service), name=f"main of {name}")
    try:
        yield service
        assert not task.done(), "the service ended"
    finally:
        service.stopping.set()
        async with asyncio.timeout(30):
            await task


def of_ours(task: asyncio.Task[Any]) -> bool:
    """It runs our code, or has a name that we gave it."""
    code = getattr(task.get_coro(), "cr_code", None)
    file = Path(code.co_filename) if code is not None else Path()
    if file.is_relative_to(ROOT / "spindle" / "bus" / "client.py"):
        return False  # nats-py's read loop, which has a guard and tests of its own
    ours = file.is_relative_to(ROOT) and "site-packages" not in file.parts
    part = task.get_name().endswith("until stopped")  # of the task that awaits it
    return (ours or not task.get_name().startswith("Task-")) and not part


def is_supervision(task: asyncio.Task[Any]) -> bool:
    return getattr(task.get_coro(), "__qualname__", "") in {"Service.supervise", "lasting"}


async def long_running(before: set[asyncio.Task[Any]]) -> dict[str, asyncio.Task[Any]]:
    """By name, the tasks that last, but supervision and what was there before."""
    first = asyncio.all_tasks() - before
    await asyncio.sleep(LASTS_SECONDS)
    lasting = [
        task
        for task in first & asyncio.all_tasks()
        if of_ours(task) and not is_supervision(task) and task.get_name() not in NOT_TASKS
    ]
    names = Counter(task.get_name() for task in lasting)
    assert not [name for name in names if name.startswith("Task-")], "every task has a name"
    assert max(names.values()) == 1, names
    return {task.get_name(): task for task in lasting if not task.get_name().startswith("main of")}


def restarts(service: Service[Any]) -> float:
    families = service.registry.collect()
    name = f"{service.name}_task_restarts_total"
    return sum(s.value for family in families for s in family.samples if s.name == name)


def said(service: Service[Any]) -> str:
    return " ".join(map(str, service.health.report()["parts"].values()))  # type: ignore[attr-defined]


async def needs(name: str, given: dict[str, object], stack: Any) -> None:
    """Start what a service needs to be well."""
    if name in {"client", "gateway"}:
        await stack.enter_async_context(running("reader", given))


@pytest.mark.parametrize("name", SERVICES)
async def test_every_task_that_is_stopped_comes_back(name: str, given: dict[str, object]) -> None:
    """Fault 2 and its kind: a task that ends is started again, counted, and /healthz says so."""
    async with AsyncExitStack() as stack:
        await needs(name, given, stack)
        await asyncio.sleep(LASTS_SECONDS)
        before = asyncio.all_tasks()
        service = await stack.enter_async_context(running(name, given))
        await until(lambda: service.health.healthy)
        found, settled = await long_running(before), 0
        while settled < 3:  # the watch begins a while after the reader answers
            now = await long_running(before)
            settled, found = settled + 1 if now.keys() == found.keys() else 0, now
        assert found
        now = found
        for task_name in sorted(found):
            if now[task_name].done():  # it went with another, a while after that
                now = await long_running(before)
            victim, count = now[task_name], restarts(service)
            victim.cancel()
            await until(lambda: restarts(service) == count + 1)  # noqa: B023
            assert "it is started again" in said(service), task_name
            await until(lambda: service.health.healthy)
            now, deadline = await long_running(before), time.monotonic() + PATIENCE_SECONDS
            while now.keys() != found.keys():
                assert time.monotonic() < deadline, f"{task_name}: {found.keys() ^ now.keys()}"
                now = await long_running(before)
            assert now[task_name] is not victim


async def test_a_pipeline_that_is_stopped_again_and_again_loses_and_doubles_nothing(
    given: dict[str, object], settings: Settings
) -> None:
    before = asyncio.all_tasks()
    connection = await nats.connect(settings.nats_url)
    js, now_ns, messages, each = connection.jetstream(), time.time_ns(), 400, 50
    async with running("writer", given) as service:
        await until(lambda: service.health.healthy)
        for number in range(messages):
            if number % 40 == 0:
                await asyncio.sleep(0.3)
                for task in asyncio.all_tasks() - before:
                    if task.get_name() == "pipeline of METRICS" and not is_supervision(task):
                        task.cancel()
            envelope = [
                {
                    "timestamp": timestamps.format_ns(now_ns - number * 1_000_000),
                    "sourceDevice": "DiskUnit",
                    "metricType": "Latency",
                    "value": 1.0,
                    "deviceId": f"d{place}",
                }
                for place in range(each)
            ] + [{"sourceDevice": "no value"}]
            await js.publish("events.metrics", orjson.dumps(envelope))
        registry, stream = service.registry, {"stream": "METRICS"}

        def sample(metric: str, **labels: str) -> float:
            return registry.get_sample_value(metric, {**stream, **labels}) or 0.0

        async def empty() -> bool:
            return (await js.stream_info("METRICS")).state.messages == 0

        await until(empty, otherwise=service.health.report)
        assert restarts(service) >= 2
        assert sample("writer_received_points") == sample("writer_stored_points_total") + sum(
            sample("writer_dead_lettered_points_total", reason=kind)
            for kind in ("invalid", "refused", "too_large")
        )
        assert (await js.stream_info("DEADLETTERS")).state.messages == messages
    store = open_store(settings)
    assert (await counts(store))["device_metrics"] == messages * each
    await store.close()
    await connection.close()
