"""``device_health`` of an array: by its members, its redundancy and its rebuild."""

from __future__ import annotations

import time
from typing import Any

import orjson
from nats.aio.client import Client

from spindle import bus
from spindle.settings import Settings
from spindle.store.base import Series, Store
from spindle.timestamps import NS, format_ns
from tests.asking import ask, reading
from tests.servers import Server
from tests.waiting import until


async def is_there(store: Store, client: Client, failing: int) -> None:
    """A RAID 6 of four drives that is rebuilt, of which some say that they fail."""
    now = time.time_ns() - NS
    own = {"Degraded": 1.0, "MissingMembers": 1.0, "RebuildProgress": 41.5}
    points = [
        (Series("StorageArray", name, "nas-md0", "nas"), now, value) for name, value in own.items()
    ]
    said: list[dict[str, Any]] = [
        {"sourceDevice": "StorageArray", "deviceId": "nas-md0", "model": "md raid6",
         "path": "/dev/md0"},
    ]  # fmt: skip
    for n in range(4):
        values = {"SmartFailing": float(n < failing), "ReallocatedSectors": 0.0}
        points += [
            (Series("DiskUnit", name, f"drive-{n}", "nas"), now, value)
            for name, value in values.items()
        ]
        role = f"md0 slot {n} (in_sync)"
        said.append({"sourceDevice": "DiskUnit", "deviceId": f"drive-{n}", "arrayRole": role})
    await store.write_points(points)
    for each in said:
        subject = f"events.facts.{each['sourceDevice']}.{each['deviceId']}"
        facts = {"timestamp": format_ns(now), "host": "nas", "arrayId": "nas", **each}
        await client.jetstream().publish(subject, orjson.dumps(facts))


async def test_an_array_is_asked_about_by_its_name_or_as_what_drives_belong_to(
    nats_server: Server, store: Store, client: Client
) -> None:
    await bus.declare(client, Settings())
    await is_there(store, client, failing=0)
    async with reading(nats_server, store):

        async def health(**which: str) -> dict[str, Any]:
            found: dict[str, Any] = (await ask(client, "device_health", **which))["data"]
            return found

        async def is_known() -> bool:
            return bool((await health(device_id="nas-md0")).get("array", {}).get("redundancy") == 2)

        await until(is_known)
        for which in {"device_id": "nas-md0"}, {"array_id": "nas-md0"}:
            found = await health(**which)
            assert (found["health"], found["array_id"]) == ("warning", "nas-md0")
            assert found["counts"] == {"ok": 4, "unknown": 0, "warning": 1, "critical": 0}
            assert found["array"]["message"] == (
                "1 member lost; it can lose 1 more; a rebuild is under way, 41.5 % done"
            )
        await is_there(store, client, failing=1)
        found = await health(array_id="nas-md0")
        assert found["health"] == "critical"
        assert found["array"]["message"].startswith("1 member lost; drive-0 critical: the drive")
        assert "it can lose no more" in found["array"]["message"]
        host = await health(array_id="nas")  # what the drives say that they belong to
        assert (host["health"], host["device"]) == ("critical", "nas")
        assert sum(host["counts"].values()) == 5
        nothing = await health(array_id="nowhere")
        assert (nothing["health"], "array" in nothing) == ("unknown", False)
        assert "nowhere" in nothing["reasons"][0]["message"]
