"""What somebody else changed in a stream is named and put back, one key at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import nats
import orjson
import pytest
from nats.aio.client import Client
from nats.js.api import DiscardPolicy

from spindle import bus
from spindle.service.health import Health
from spindle.settings import Settings, load
from tests.servers import nats_server, running
from tests.services import ServiceProcess
from tests.waiting import until


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    with running(nats_server(tmp_path / "nats")) as server:
        client = await nats.connect(f"nats://{server.url}")
        yield client
        await client.close()


async def test_an_operators_edit_is_named_and_put_back(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    settings, js, health = load(Settings), client.jetstream(), Health("writer", ["nats"])
    await bus.declare(client, settings, health)
    there = (await js.stream_info("METRICS")).config
    edited = there.evolve(
        max_age=20, duplicate_window=10, discard=DiscardPolicy.OLD, max_msgs_per_subject=3
    )
    await js.update_stream(edited)
    with caplog.at_level(logging.WARNING, "spindle.bus"):
        await bus.declare(client, settings, health)
    now = (await js.stream_info("METRICS")).config
    assert (now.max_age, now.duplicate_window, now.discard) == (0, 600, DiscardPolicy.NEW)
    assert now.max_msgs_per_subject == -1
    for said in (
        "max_age is 20.0 and should be 0",
        "duplicate_window is 10.0 and should be 600.0",
        "discard is old and should be new",
        "max_msgs_per_subject is 3 and should be -1",
    ):
        assert f"stream METRICS: {said}: put right" in caplog.text
    assert health.report()["parts"] == {"nats": "ok"}


_EDITS: dict[str, object] = {
    "max_age": 3600 * 10**9,
    "discard": "old",
    "max_msgs": 100,
    "max_msgs_per_subject": 7,
    "max_msg_size": 100,
    "max_consumers": 50,
    "max_bytes": 10**6,
    "no_ack": True,
    "republish": {"src": ">", "dest": "stolen.>"},
    "subject_transform": {"src": "events.metrics", "dest": "events.other"},
    "sources": [{"name": "EVENTS"}],
    "retention": "interest",
    "subjects": ["elsewhere"],
    "consumer_limits": {"inactive_threshold": 10**9},
    "allow_direct": False,
}


async def test_what_may_lose_a_message_is_put_back_in_every_stream_and_bucket(
    client: Client,
) -> None:
    settings, js, tried = load(Settings), client.jetstream(), set()
    await bus.declare(client, settings)

    async def api(verb: str, name: str, body: dict[str, object] | None = None) -> dict[str, Any]:
        sent = b"" if body is None else orjson.dumps(body)
        answer = await client.request(f"$JS.API.STREAM.{verb}.{name}", sent)
        return dict(orjson.loads(answer.data))

    for name in [str(each.config.name) for each in await js.streams_info()]:
        before = (await api("INFO", name))["config"]
        for key, value in _EDITS.items():
            answer = await api("UPDATE", name, before | {key: value})
            if "error" in answer or answer["config"] == before:
                continue  # not to be had there, or so already
            await bus.declare(client, settings)
            assert (await api("INFO", name))["config"] == before, (name, key)
            tried.add(key)
    assert tried == set(_EDITS)


async def test_what_the_server_refuses_to_put_back_stays_named_in_health(client: Client) -> None:
    settings, js, health = load(Settings), client.jetstream(), Health("writer", ["nats"])
    await bus.declare(client, settings, health)
    there = (await js.stream_info("EVENTS")).config
    await js.delete_stream("EVENTS")
    await js.add_stream(there.evolve(deny_delete=True))
    for _ in range(2):
        await bus.declare(client, settings, health)
        parts = health.report()["parts"]
        assert isinstance(parts, dict)
        assert parts["streams"].startswith(
            "stream EVENTS: deny_delete is True and should be False, which the server refuses: "
        )
    await js.delete_stream("EVENTS")
    await bus.declare(client, settings, health)
    assert health.healthy


@pytest.mark.fault("h4")
async def test_an_edit_under_a_running_writer_is_named_in_healthz_and_put_back(
    client: Client, tmp_path: Path
) -> None:
    url = str(client.connected_url.geturl()) if client.connected_url else ""
    store = f"sqlite:///{tmp_path / 'w.db'}"
    writer = ServiceProcess("writer", tmp_path, nats_url=url, store_url=store)
    writer.constants = {"writer.main.DECLARE_EVERY_SECONDS": 3.0}
    writer.start()
    try:
        js = client.jetstream()
        there = (await js.stream_info("METRICS")).config
        await js.update_stream(
            there.evolve(max_age=20, duplicate_window=10, discard=DiscardPolicy.OLD)
        )
        said = await _once(lambda: _streams_part(writer) not in {"", "ok"}, writer)
        now = (await js.stream_info("METRICS")).config
        assert (now.max_age, now.duplicate_window, now.discard) == (0, 600, DiscardPolicy.NEW)
        assert "stream METRICS: max_age is 20.0 and should be 0: put right" in said
        assert "discard is old and should be new: put right" in said
        await _once(lambda: _streams_part(writer) == "ok", writer)
    finally:
        writer.stop()


def _streams_part(writer: ServiceProcess) -> str:
    parts = writer.health().get("parts", {})
    assert isinstance(parts, dict)
    return str(parts.get("streams", ""))


async def _once(holds: Callable[[], bool], writer: ServiceProcess) -> str:
    """The part ``streams`` of ``/healthz`` once it holds."""
    await until(lambda: asyncio.to_thread(holds), otherwise=writer.said)
    return await asyncio.to_thread(_streams_part, writer)
