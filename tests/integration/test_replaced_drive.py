"""A drive replaced under the same name, on real servers: a new drive without the other's past."""

from __future__ import annotations

import time

import orjson
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from reader.watching import fleet_health
from spindle.bus.buckets import Bucket
from spindle.store.base import Series, Store
from spindle.timestamps import NS, format_ns
from tests.asking import ask, reading
from tests.servers import Server
from tests.waiting import until

DRIVE = "bay-2"


async def says(client: Client, store: Store, value: float, serial: str, age: int) -> None:
    at = time.time_ns() - age * NS
    await store.write_points([(Series("DiskUnit", "DiskTemp", DRIVE, "host-a"), at, value)])
    unit = {
        "timestamp": format_ns(at),
        "sourceDevice": "DiskUnit",
        "deviceId": DRIVE,
        "arrayId": "host-a",
    }
    facts = orjson.dumps({**unit, "model": "ST4000NM", "serial": serial})
    await client.publish(f"events.facts.DiskUnit.{DRIVE}", facts)
    metric = orjson.dumps({**unit, "metricType": "DiskTemp", "value": value})
    await client.publish("events.metrics", metric)
    await client.flush()


async def test_a_replaced_drive_has_neither_past_nor_acknowledgement_of_the_one_before(
    nats_server: Server, store: Store, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet_health, "HEALTH_SECONDS", 0.1)
    heard: list[str] = []

    async def hear(message: Msg) -> None:
        said = orjson.loads(message.data)
        if said["eventType"] == "DriveReplaced":
            heard.append(said["eventMessage"])

    await client.subscribe("events.event.>", cb=hear)
    async with reading(nats_server, store, reader_watch=True):

        async def is_kept() -> bool:
            await says(client, store, 71.0, "ZA1", 5)
            bucket = Bucket(client.jetstream(), "decisions")
            return [each async for each in bucket.last_values("fitted.")] != []

        await until(is_kept)
        await ask(client, "acknowledge", device_id=DRIVE, reason="DiskTemp", note="known")
        health = (await ask(client, "device_health", device_id=DRIVE))["data"]
        assert health["health"] == "ok"
    assert heard == []
    async with reading(nats_server, store, reader_watch=True):  # replaced while none ran

        async def is_another() -> bool:
            await says(client, store, 72.0, "ZB2", 0)
            health = (await ask(client, "device_health", device_id=DRIVE))["data"]
            told = [each["since"] for each in health["reasons"] if "another" in each["message"]]
            return told != [] and (health["since"] or "") >= told[0][:18]  # ill, and not of old

        await until(is_another)
        health = (await ask(client, "device_health", device_id=DRIVE))["data"]
        assert health["health"] in ("warning", "critical")  # this one's heat nobody acknowledged
        message = next(m for r in health["reasons"] if "another" in (m := r["message"]))
        assert message.endswith("replaced: serial ZA1 -> ZB2")
        past = await ask(client, "series", device_id=DRIVE, every_seconds=1)
        assert {row["mean"] for row in past["data"]} == {72.0}
        await until(lambda: heard == ["replaced: serial ZA1 -> ZB2"])
