"""``capacity_forecast`` of a fleet, asked over NATS, from a real store."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import nats
import pytest
from nats.aio.client import Client

from spindle.settings import Settings, load
from spindle.store.base import Bucket, Selection, Series, Store
from spindle.store.registry import open_store
from spindle.timestamps import NS
from tests.asking import ask, reading
from tests.servers import Server
from tests.waiting import until

NOW = time.time_ns()
HOUR = 3600 * NS
FLEET = 200


def _growth(device: int) -> float:
    """Per day: the higher the number, the faster."""
    return device / 100.0


@pytest.fixture(params=["sqlite", "influxd"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """200 disks with a week of hourly readings, and a wearing drive."""
    url = f"sqlite:///{tmp_path}/spindle.db"
    if request.param == "influxd":
        port = request.getfixturevalue("influxd").port
        url = f"influxdb://127.0.0.1:{port}/forecast_{uuid4().hex[:12]}"
    store = open_store(load(Settings, store_url=url), writing=True)
    await store.prepare()
    for device in range(FLEET):
        head = Series("DiskUnit", "CapacityUsed", f"disk-{device}", f"array-{device % 10}")
        await store.write_points(
            [
                (head, NOW - hours * HOUR, 80.0 - _growth(device) * hours / 24 + hours % 3 / 50)
                for hours in range(167)
            ]
        )
    worn = Series("DiskUnit", "PercentageUsed", "disk-7", "")
    await store.write_points(
        [(worn, NOW - hours * HOUR, float(int(89 - hours / 24))) for hours in range(167)]
    )
    yield store
    await store.close()


@pytest.fixture
async def client(nats_server: Server, store: Store) -> AsyncIterator[Client]:
    async with reading(nats_server, store) as service:
        await until(lambda: service.health.healthy)
        client = await nats.connect(f"nats://127.0.0.1:{nats_server.port}")
        yield client
        await client.close()


async def test_a_fleet_is_answered_soonest_full_first_from_a_few_queries(
    client: Client, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Selection] = []
    series = store.series

    async def counted(which: Selection, *args: Any, sampled: bool = False) -> list[Bucket]:
        if sampled:
            asked.append(which)
        return await series(which, *args, sampled=sampled)

    monkeypatch.setattr(store, "series", counted)
    reply = await ask(client, "capacity_forecast", limit=FLEET)
    rows = reply["data"]
    assert (reply["status"], len(rows)) == ("success", FLEET)
    assert 1 <= len(asked) <= 4
    assert rows[0]["device_id"] in {f"disk-{n}" for n in range(FLEET - 5, FLEET)}
    days = [row["days_until"][1]["days"] for row in rows if row["days_until"][1]["days"]]
    assert len(days) > 150
    fast = next(row for row in rows if row["device_id"] == "disk-150")
    assert fast["verdict"] == "filling"
    assert fast["growth_per_day"] == pytest.approx(1.5, rel=0.05)
    assert fast["days_until"][1]["days"] == pytest.approx(10 / 1.5, rel=0.1)
    assert fast["message"].startswith("CapacityUsed 80 %, growing 1.")
    still = next(row for row in rows if row["device_id"] == "disk-0")
    assert still["verdict"] == "not_filling"


async def test_one_device_one_array_wear_and_too_little_are_answered(client: Client) -> None:
    one = await ask(client, "capacity_forecast", device_id="disk-30", horizon_days=10)
    assert [row["device_id"] for row in one["data"]] == ["disk-30"]
    assert one["data"][0]["horizon_days"] == 10.0
    array = await ask(client, "capacity_forecast", array_id="array-3", limit=5)
    assert len(array["data"]) == 5
    assert {row["array_id"] for row in array["data"]} == {"array-3"}
    assert array["truncated"] is True
    wear = (await ask(client, "capacity_forecast", metric_type="PercentageUsed"))["data"]
    assert [(row["device_id"], row["verdict"]) for row in wear] == [("disk-7", "filling")]
    assert wear[0]["growth_per_day"] == pytest.approx(1.0, abs=0.5)
    assert (await ask(client, "capacity_forecast", device_id="nobody"))["data"] == []


async def test_what_cannot_be_asked_is_refused_in_a_sentence(client: Client) -> None:
    reply = await ask(client, "capacity_forecast", horizon_days=-1)
    assert reply["status"] == "error"
    assert "horizon_days: given -1, expected a number above 0 and up to 730" in reply["message"]
