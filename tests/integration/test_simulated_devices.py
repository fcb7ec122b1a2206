"""Simulated devices say so in their facts, and answers say so, or know nothing of them."""

from __future__ import annotations

import asyncio
import time

import nats
import pytest
from nats.aio.client import Client

from daemon.messages import facts_message
from reader import gauges
from spindle import bus
from spindle.models import DeviceFacts
from spindle.settings import Settings
from spindle.store.base import EventRow, Series, Store
from spindle.timestamps import NS
from tests.asking import ask, reading
from tests.servers import Server
from tests.waiting import until


async def _stored(server: Server, store: Store) -> Client:
    """A real disk that is well, a simulated one that is hot and rang an alarm."""
    client = await nats.connect(f"nats://127.0.0.1:{server.port}")
    await bus.declare(client, Settings(nats_url=f"nats://127.0.0.1:{server.port}"))
    now = time.time_ns()
    for device, value in (("real-1", 30.0), ("made-up-1", 70.0)):
        series = Series("DiskUnit", "DiskTemp", device, f"of-{device}")
        await store.write_points([(series, now - n * NS, value) for n in range(30)])
    event = EventRow(
        now - NS, "e1", "DiskUnit", "DriveFailure", "made-up-1", "of-made-up-1", 9, "gone"
    )
    await store.write_events([event])
    facts = DeviceFacts(
        timestamp=now, source_device="DiskUnit", device_id="made-up-1", simulated=True
    )
    message = facts_message(facts)
    await client.jetstream().publish(message.subject, message.payload)
    return client


async def test_an_answer_says_which_devices_are_simulated_and_counts_them_apart(
    nats_server: Server, store: Store
) -> None:
    client = await _stored(nats_server, store)
    async with reading(nats_server, store):
        devices = (await ask(client, "devices"))["data"]
        assert [(row["device_id"], row.get("simulated")) for row in devices] == [
            ("real-1", None),
            ("made-up-1", True),
        ]
        fleet = (await ask(client, "fleet_health"))["data"]
        assert (fleet["health"], fleet["devices_known"]) == ("ok", 1)
        assert (fleet["simulated"]["health"], fleet["simulated"]["devices_known"]) == (
            "critical",
            1,
        )
        assert [row["simulated"] for row in fleet["devices"] + fleet["arrays"]] == [True, True]
        (alert,) = (await ask(client, "alerts_critical"))["data"]
        assert alert["simulated"] is True
        health = (await ask(client, "device_health", device_id="made-up-1"))["data"]
        assert (health["health"], health["simulated"]) == ("critical", True)
    await client.close()


async def test_where_real_drives_alone_are_wanted_no_answer_knows_the_simulated(
    nats_server: Server, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gauges, "MOST_SECONDS", 0.2)
    client = await _stored(nats_server, store)
    async with reading(nats_server, store, reader_simulated=False, reader_watch=True) as service:
        assert [row["device_id"] for row in (await ask(client, "devices"))["data"]] == ["real-1"]
        fleet = (await ask(client, "fleet_health"))["data"]
        assert (fleet["health"], fleet["devices_known"], fleet["devices"]) == ("ok", 1, [])
        assert (await ask(client, "alerts_critical"))["data"] == []
        health = (await ask(client, "device_health", device_id="made-up-1"))["data"]
        assert health["health"] == "unknown"
        await until(lambda: service.registry.get_sample_value("reader_devices") == 1)
    await client.close()


async def test_a_device_that_says_it_is_simulated_while_the_reader_runs_is_taken_for_one(
    nats_server: Server, store: Store
) -> None:
    client = await _stored(nats_server, store)
    async with reading(nats_server, store):
        assert "simulated" not in (await ask(client, "device_health", device_id="real-1"))["data"]
        facts = DeviceFacts(
            timestamp=time.time_ns(), source_device="DiskUnit", device_id="real-1", simulated=True
        )
        message = facts_message(facts)
        await client.jetstream().publish(message.subject, message.payload)
        for _ in range(100):
            answer = (await ask(client, "device_health", device_id="real-1"))["data"]
            if answer.get("simulated"):
                break
            await asyncio.sleep(0.05)
        assert answer["simulated"] is True
    await client.close()
