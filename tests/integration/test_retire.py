"""``retire`` on real servers: a device ends in every answer at once, and comes back with a note."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import orjson
import pytest
from nats.aio.client import Client
from prometheus_client import generate_latest

from reader.health import decisions
from reader.watching import fleet_health
from spindle.store.base import EventRow, Series, Store
from spindle.timestamps import NS, format_ns
from tests.asking import ask, reading
from tests.servers import Server
from tests.waiting import PATIENCE_SECONDS, until

DRIVE = "naa.5000c500a1b2c3d4"


async def says(store: Store, value: float, device: str = DRIVE, age: int = 0) -> None:
    now = time.time_ns() - age * NS
    for array in ("host-a", "host-b") if device == "sda" else ("md0",):
        await store.write_points([(Series("DiskUnit", "DiskTemp", device, array), now, value)])


async def publishes(client: Client, store: Store, value: float) -> None:
    """To the stream, where the watch hears it, and to the store."""
    await says(store, value)
    said = {
        "timestamp": format_ns(time.time_ns()),
        "sourceDevice": "DiskUnit",
        "deviceId": DRIVE,
        "arrayId": "md0",
        "metricType": "DiskTemp",
        "value": value,
    }
    await client.publish("events.metrics", orjson.dumps(said))


async def known(client: Client) -> set[tuple[str, Any]]:
    """What every answer names: device, array."""
    found = set()
    for question in ("devices", "alerts_critical", "anomalies", "capacity_forecast", "series"):
        for row in (await ask(client, question, source_device="DiskUnit"))["data"]:
            found.add((row.get("device_id") or row.get("device"), row["array_id"]))
    fleet = (await ask(client, "fleet_health", state="critical"))["data"]
    return found | {(row["device"], row["array_id"]) for row in fleet["devices"]}


@pytest.mark.parametrize("watch", [False, True])
async def test_a_retired_device_ends_in_every_answer_at_once_and_unretired_has_its_past(
    nats_server: Server, store: Store, client: Client, watch: bool
) -> None:
    now = time.time_ns()
    await says(store, 70.0, age=1)
    await says(store, 30.0, "disk-2")
    event = EventRow(now, "e-1", "DiskUnit", "DriveFailure", DRIVE, "md0", 9, "")
    await store.write_events([event])
    async with reading(nats_server, store, shared_seconds=1.0, reader_watch=watch):
        assert (DRIVE, "md0") in await known(client)
        done = (await ask(client, "retire", device_id=DRIVE, note="sent back"))["data"]
        assert (done["device_id"], done["note"]) == (DRIVE, "sent back")
        assert await known(client) == {("disk-2", "md0")}
        health = (await ask(client, "device_health", device_id=DRIVE))["data"]
        assert health["health"] == "unknown"
        assert health["reasons"][0]["message"].startswith("it was retired at ")
        assert health["reasons"][0]["message"].endswith(": sent back")
        assert (await ask(client, "fleet_health"))["data"]["devices_known"] == 1
        assert [row["note"] for row in (await ask(client, "retired"))["data"]] == ["sent back"]
        await ask(client, "unretire", device_id=DRIVE)
        assert (DRIVE, "md0") in await known(client)
        assert (await ask(client, "fleet_health"))["data"]["devices_known"] == 2


async def test_one_that_goes_on_publishing_stays_retired_and_leaves_the_metrics(
    nats_server: Server, store: Store, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    await says(store, 30.0)
    monkeypatch.setattr(fleet_health, "HEALTH_SECONDS", 0.1)
    async with reading(nats_server, store, reader_watch=True) as service:

        def is_scraped(device: str) -> bool:
            return f'device_id="{device}"' in generate_latest(service.registry).decode()

        await says(store, 30.0, "disk-2")
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (is_scraped(DRIVE) and is_scraped("disk-2")):
            assert time.monotonic() < deadline
            await publishes(client, store, 30.0)
            await asyncio.sleep(0.1)
        await ask(client, "retire", device_id=DRIVE)
        for _ in range(5):
            await publishes(client, store, 71.0)
            await asyncio.sleep(0.1)
            found = (await ask(client, "devices"))["data"]
            assert [row["device_id"] for row in found] == ["disk-2"]
        await until(lambda: is_scraped("disk-2") and not is_scraped(DRIVE))


async def test_a_retired_drive_that_is_pulled_is_gone_without_an_alarm(
    nats_server: Server, store: Store, client: Client
) -> None:
    await says(store, 30.0)
    await says(store, 30.0, "disk-2")
    async with reading(nats_server, store):
        await ask(client, "retire", device_id=DRIVE)
        for device in DRIVE, "disk-2":
            now, array = time.time_ns(), "md0"
            gone = EventRow(now, f"gone-{device}", "DiskUnit", "DriveGone", device, array, 8, "")
            await store.write_events([gone])

        async def alarming() -> list[str]:
            alerts = (await ask(client, "alerts_critical"))["data"]
            fleet = (await ask(client, "fleet_health"))["data"]["devices"]
            return [row["device_id"] for row in alerts] + [row["device"] for row in fleet]

        deadline = time.monotonic() + PATIENCE_SECONDS
        while (found := await alarming()) != ["disk-2", "disk-2"]:
            assert DRIVE not in found
            assert time.monotonic() < deadline, found
            await asyncio.sleep(0.05)


async def test_one_that_was_silent_comes_back_with_a_note_and_without_its_past(
    nats_server: Server, store: Store, client: Client
) -> None:
    await says(store, 70.0, age=3 * 3600)
    async with reading(nats_server, store):
        await ask(client, "retire", device_id=DRIVE, note="on the shelf")
        assert (await ask(client, "devices"))["data"] == []
        await says(store, 31.0)
        health = (await ask(client, "device_health", device_id=DRIVE))["data"]
        assert health["health"] == "ok"
        assert "back: it was retired at" in health["reasons"][0]["message"]
        assert "on the shelf" in health["reasons"][0]["message"]
        past = await ask(client, "series", device_id=DRIVE, since_minutes=120)
        assert [row["mean"] for row in past["data"]] == [31.0]


async def test_one_that_published_comes_back_after_a_long_silence(
    nats_server: Server, store: Store, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decisions, "GONE_NS", NS)
    monkeypatch.setattr(fleet_health, "HEALTH_SECONDS", 0.1)
    await says(store, 30.0)
    async with reading(nats_server, store, reader_watch=True):
        await ask(client, "retire", device_id=DRIVE)
        await publishes(client, store, 71.0)
        await asyncio.sleep(1.5)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (await ask(client, "devices"))["data"]:
            assert time.monotonic() < deadline
            await publishes(client, store, 31.0)
            await asyncio.sleep(0.1)
        (row,) = (await ask(client, "retired"))["data"]
        assert row["back"] is not None
        past = await ask(client, "series", device_id=DRIVE, every_seconds=1)
        assert {each["mean"] for each in past["data"]} == {31.0}


async def test_of_two_hosts_drives_of_one_name_the_one_that_was_named_is_retired(
    nats_server: Server, store: Store, client: Client
) -> None:
    await says(store, 30.0, "sda")
    async with reading(nats_server, store):
        reply = await ask(client, "retire", device_id="sda")
        assert "sda is 2 devices (DiskUnit in host-a, DiskUnit in host-b)" in reply["message"]
        await ask(client, "retire", device_id="sda", array_id="host-a")
        assert [row["array_id"] for row in (await ask(client, "devices"))["data"]] == ["host-b"]
        reply = await ask(client, "unretire", device_id="sda", array_id="host-b")
        assert "sda is not retired" in reply["message"]
        reply = await ask(client, "retire", device_id="nobody")
        assert reply["message"] == "nothing is known of nobody"
