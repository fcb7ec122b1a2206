"""What somebody else changed in a stream is named and put back, one key at a time."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client
from nats.js.api import DiscardPolicy

from spindle import bus
from spindle.service.health import Health
from spindle.settings import Settings, load
from tests.servers import nats_server, running


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
