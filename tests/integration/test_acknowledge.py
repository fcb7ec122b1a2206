"""``acknowledge`` on real servers: kept, told everywhere, over when it got worse."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import orjson
import pytest
from nats.aio.client import Client

from reader.lookups import followed_buckets
from reader.watching import fleet_health
from spindle.store.base import Series, Store
from spindle.timestamps import NS, format_ns
from tests.asking import ask, reading
from tests.servers import Server
from tests.waiting import PATIENCE_SECONDS, keys_of, until

NAME = "naa.5000c500a1b2c3d4"
DRIVE = {"device_id": NAME}


async def says(store: Store, **values: float) -> None:
    """What the drive says now."""
    now = time.time_ns()
    await store.write_points(
        [(Series("DiskUnit", name, NAME, "md0"), now, value) for name, value in values.items()]
    )


async def health(client: Client, **which: Any) -> dict[str, Any]:
    found: dict[str, Any] = (await ask(client, "device_health", **{**DRIVE, **which}))["data"]
    return found


async def test_a_known_reason_is_quiet_until_it_gets_worse_and_may_be_revoked(
    nats_server: Server, store: Store, client: Client
) -> None:
    await says(store, PendingSectors=12.0, DiskTemp=56.0)
    async with reading(nats_server, store, shared_seconds=1.0):
        assert (await health(client))["health"] == "warning"
        note = {"note": "a spare is ordered", "reason": "PendingSectors"}
        made = (await ask(client, "acknowledge", **DRIVE, **note))["data"]
        assert [(row["reason"], row["severity"], row["value"]) for row in made] == [
            ("PendingSectors", "warning", 12.0)
        ]
        # The rest of it still alarms, and all of it is quiet once all is known.
        assert (await health(client))["health"] == "warning"
        await ask(client, "acknowledge", **DRIVE)
        now = await health(client)
        assert now["health"] == "ok"
        assert {each["acknowledged"] for each in now["reasons"]} == {"warning"}
        fleet = (await ask(client, "fleet_health"))["data"]
        assert (fleet["health"], fleet["devices"]) == ("ok", [])
        assert [row["severity"] for row in fleet["acknowledged"]] == ["warning", "warning"]
        await says(store, PendingSectors=13.0)
        worse = await health(client, source_device="DiskUnit")
        assert worse["health"] == "warning"
        assert "13 now, 12 then" in worse["reasons"][0]["message"]
        gone = (await ask(client, "revoke", **DRIVE, reason="DiskTemp"))["data"]
        assert [row["reason"] for row in gone] == ["DiskTemp"]
        left = (await ask(client, "acknowledged"))["data"]
        assert [row["reason"] for row in left] == ["PendingSectors"]
        again = (await ask(client, "revoke", **DRIVE, reason="DiskTemp"))["message"]
        assert again.startswith("DiskTemp is not acknowledged of naa.5000c500a1b2c3d4")
        assert len((await health(client, array_id="md0"))["reasons"]) == 2


async def test_it_is_kept_in_a_bucket_and_every_reader_knows_it_at_once(
    nats_server: Server, store: Store, client: Client
) -> None:
    await says(store, PendingSectors=12.0)
    async with reading(nats_server, store), reading(nats_server, store):
        await ask(client, "acknowledge", **DRIVE, until=format_ns(time.time_ns() + 3600 * NS))

        async def both_know() -> bool:
            """Whichever of the two answers."""
            return {(await health(client))["health"] for _ in range(20)} == {"ok"}

        await until(both_know)
    kept = await client.jetstream().key_value("decisions")
    (key,) = await keys_of(kept)
    value = orjson.loads((await kept.get(key)).value or b"")
    assert (value["device_id"], value["reason"]) == ("naa.5000c500a1b2c3d4", "PendingSectors")
    async with reading(nats_server, store):  # another that has just started
        assert (await health(client))["health"] == "ok"


async def test_the_watch_writes_down_what_got_worse_and_forgets_what_is_over(
    nats_server: Server, store: Store, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet_health, "HEALTH_SECONDS", 0.1)
    monkeypatch.setattr(followed_buckets, "LAPSES_NS", NS // 2)
    await says(store, DiskTemp=56.0)

    async def states() -> list[str]:
        return [row["state"] for row in (await ask(client, "acknowledged"))["data"]]

    async def published(value: float) -> None:
        await says(store, DiskTemp=value)
        said = {
            "timestamp": format_ns(time.time_ns()),
            "sourceDevice": "DiskUnit",
            "deviceId": "naa.5000c500a1b2c3d4",
            "arrayId": "md0",
            "metricType": "DiskTemp",
            "value": value,
        }
        await client.publish("events.metrics", orjson.dumps(said))

    async with reading(nats_server, store, reader_watch=True):
        await published(56.0)
        await ask(client, "acknowledge", **DRIVE)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while await states() != ["worse"]:
            assert time.monotonic() < deadline
            await published(58.5)
            await asyncio.sleep(0.1)
        await published(56.0)  # no worse than at first, and still told
        assert (await health(client))["health"] == "warning"
        await ask(client, "acknowledge", **DRIVE)
        assert (await health(client))["health"] == "ok"
        deadline = time.monotonic() + PATIENCE_SECONDS
        while await states():
            assert time.monotonic() < deadline
            await published(30.0)
            await asyncio.sleep(0.2)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"device_id": "nobody"}, "nothing was heard of nobody"),
        ({**DRIVE, "reason": "CrcErrors"}, "CrcErrors is no reason of naa.5000c500a1b2c3d4 now"),
        ({**DRIVE, "until": "2020-01-01T00:00:00Z"}, "that time is past"),
        ({**DRIVE, "note": "two\nlines"}, "one line"),
        ({"device_id": "sda"}, "sda is 2 devices"),
        ({"device_id": "sdb"}, "sdb is ok: there is nothing to acknowledge"),
    ],
)
async def test_what_cannot_be_acknowledged_is_refused_in_a_sentence(
    nats_server: Server, store: Store, client: Client, asked: dict[str, str], sentence: str
) -> None:
    await says(store, PendingSectors=12.0)
    now = time.time_ns()
    for device, host, value in (("sda", "a", 56.0), ("sda", "b", 56.0), ("sdb", "a", 30.0)):
        await store.write_points([(Series("DiskUnit", "DiskTemp", device, host), now, value)])
    async with reading(nats_server, store):
        reply = await ask(client, "acknowledge", **asked)
        assert reply["status"] == "error"
        assert sentence in reply["message"]
