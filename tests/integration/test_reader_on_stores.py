"""Every question, answered from each real store."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import nats
import pytest
from nats.aio.client import Client

from spindle.settings import Settings, load
from spindle.store.base import EventRow, Series, Store
from spindle.store.registry import open_store
from spindle.timestamps import NS, format_ns
from tests.asking import ask, parts, reading
from tests.servers import Server
from tests.waiting import until

NOW = time.time_ns() // NS * NS + 123_456_789
TEMP = Series("DiskUnit", "DiskTemp", "disk-1", "array-1")
IOPS = Series("DiskUnit", "IOPs", "disk-1", "array-1")
COOL = Series("DiskUnit", "DiskTemp", "disk-10", "array-1")
DOTTED = Series("DiskUnit", "DiskTemp", "disk.1", "array-1")
CLOUD = Series("CloudStorage", "Latency", "CloudStorage", "")


@pytest.fixture(params=["sqlite", "influxd"])
def store_settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings that name an empty store of this test's own."""
    if request.param == "sqlite":
        return load(Settings, store_url=f"sqlite:///{tmp_path}/spindle.db")
    port, name = request.getfixturevalue("influxd").port, f"reader_{uuid4().hex[:12]}"
    return load(Settings, store_url=f"influxdb://127.0.0.1:{port}/{name}")


@pytest.fixture
async def filled(store_settings: Settings) -> AsyncIterator[Store]:
    """Three disks, of which one grew hot and failed, and a slow cloud."""
    store = open_store(store_settings, writing=True)
    await store.prepare()
    points = [(TEMP, NOW - n * 60 * NS, 61.0 - n) for n in range(15)]
    points += [(COOL, NOW - n * 60 * NS, 30.0) for n in range(15)]
    points += [(DOTTED, NOW - NS, 31.0), (IOPS, NOW, 300.0), (CLOUD, NOW, 25.0)]
    await store.write_points(points)
    await store.write_events(
        [
            EventRow(NOW - n * NS, f"e-{n}", "DiskUnit", "DriveFailure", "disk-1", "array-1", c, "")
            for n, c in enumerate((9, 3, 8))
        ]
    )
    yield store
    await store.close()


@pytest.fixture
async def client(
    nats_server: Server, store_settings: Settings, filled: Store
) -> AsyncIterator[Client]:
    """A connection to a NATS on which a reader answers from the store."""
    store = open_store(store_settings)
    # NOW may be minutes ago when this test's turn comes.
    async with reading(nats_server, store, reader_stale_seconds=86_400) as service:
        await until(lambda: service.health.healthy)
        client = await nats.connect(f"nats://127.0.0.1:{nats_server.port}")
        yield client
        await client.close()
    await store.close()


async def test_critical_events_come_newest_first_with_nine_digits_and_a_summary(
    client: Client,
) -> None:
    reply = await ask(client, "alerts_critical")
    assert [row["event_id"] for row in reply["data"]] == ["e-0", "e-2"]
    assert reply["data"][0]["time"] == format_ns(NOW)
    assert reply["data"][0]["array_id"] == "array-1"
    assert reply["summary"] == [{"source_device": "DiskUnit", "critical_event_count": 2}]
    assert (await ask(client, "alerts_critical", device_id="disk-10"))["data"] == []
    second = await ask(client, "alerts_critical", limit=1, offset=1)
    assert [row["event_id"] for row in second["data"]] == ["e-2"]
    first = await ask(client, "alerts_critical", limit=1)
    assert first["truncated"] is True
    time = second["data"][0]["time"]
    assert (await ask(client, "alerts_critical", until=time))["data"] == second["data"]
    assert (await ask(client, "alerts_critical", until=time, offset=1))["data"] == []


async def test_health_of_a_class_a_device_and_one_never_heard_of(client: Client) -> None:
    disks = (await ask(client, "device_health", source_device="DiskUnit"))["data"]
    assert (disks["device"], disks["health"]) == ("DiskUnit", "critical")
    assert disks["counts"] == {"ok": 2, "unknown": 0, "warning": 0, "critical": 1}
    one = (await ask(client, "device_health", device_id="disk-10"))["data"]
    assert (one["device"], one["source_device"], one["health"]) == ("disk-10", "DiskUnit", "ok")
    cloud = (await ask(client, "device_health", source_device="CloudStorage"))["data"]
    assert (cloud["health"], cloud["reasons"][0]["metric_type"]) == ("warning", "Latency")
    never = (await ask(client, "device_health", device_id="disk-2"))["data"]
    assert never["health"] == "unknown"


async def test_the_temperature_that_rose_most_is_found_and_compared_exactly(
    client: Client,
) -> None:
    found = (await ask(client, "anomaly_temperature", source_device="DiskUnit", window_minutes=60))[
        "data"
    ]
    assert (found["device"], found["initial_temp"], found["latest_temp"]) == ("disk-1", 47, 61)
    assert (found["ratio"], found["ratio_exact"]) == (1.3, pytest.approx(61 / 47))
    assert found["anomaly"] is False
    strict = await ask(
        client, "anomaly_temperature", device_id="disk-1", threshold=1.2, window_minutes=60
    )
    assert strict["data"]["anomaly"] is True
    lone = (await ask(client, "anomaly_temperature", device_id="disk.1", window_minutes=60))["data"]
    assert (lone["ratio"], lone["anomaly"]) == (None, None)
    assert "only one DiskTemp reading of disk.1" in lone["reason"]


async def test_devices_are_listed_with_their_latest_readings(client: Client) -> None:
    devices = (await ask(client, "devices"))["data"]
    ids = [row["device_id"] for row in devices]
    assert ids == ["CloudStorage", "disk-1", "disk-10", "disk.1"]
    disk = devices[1]
    assert disk["last_seen"] == format_ns(NOW)
    assert {name: found["value"] for name, found in disk["metrics"].items()} == {
        "DiskTemp": 61.0,
        "IOPs": 300.0,
    }
    assert len((await ask(client, "devices", array_id="array-1"))["data"]) == 3
    assert len((await ask(client, "devices", limit=2))["data"]) == 2


async def test_a_series_comes_in_steps_or_reading_by_reading(client: Client) -> None:
    raw = (await ask(client, "series", device_id="disk-1", every_seconds=0))["data"]
    temperatures = [row for row in raw if row["metric_type"] == "DiskTemp"]
    assert [row["mean"] for row in temperatures] == [61.0 - n for n in reversed(range(15))]
    assert temperatures[-1]["time"] == format_ns(NOW)
    steps = await ask(
        client, "series", device_id="disk-1", metric_type="DiskTemp", every_seconds=600
    )
    assert sum(row["count"] for row in steps["data"]) == 15
    assert {row["unit"] for row in steps["data"]} == {"degC"}
    assert min(row["min"] for row in steps["data"]) == 47
    cut = await ask(client, "series", device_id="disk-1", every_seconds=0, limit=3)
    assert (len(cut["data"]), cut["truncated"]) == (3, True)


async def test_a_class_too_large_to_compare_reading_by_reading_is_compared_by_steps(
    client: Client, filled: Store
) -> None:
    fleet = [Series("Fleet", "DiskTemp", f"unit-{n}", "") for n in range(120)]
    await filled.write_points(
        [
            (series, NOW - minutes * 60 * NS, 50.0 if (n, minutes) == (77, 0) else 30.0)
            for n, series in enumerate(fleet)
            for minutes in (15, 10, 5, 0)
        ]
    )
    found = (await ask(client, "anomaly_temperature", source_device="Fleet"))["data"]
    assert (found["device"], found["devices_compared"]) == ("unit-77", 120)
    assert (found["devices_anomalous"], found["anomaly"]) == (1, True)


async def test_a_store_that_is_not_there_yet_is_waited_for(
    nats_server: Server, tmp_path: Path
) -> None:
    settings = load(Settings, store_url=f"sqlite:///{tmp_path}/later.db")
    store = open_store(settings)
    client = await nats.connect(f"nats://127.0.0.1:{nats_server.port}")
    async with reading(nats_server, store) as service:
        reply = await ask(client, "devices")
        assert reply["status"] == "error"
        assert "the store is not there yet" in reply["message"]
        assert "later.db" in parts(service)["store"]
        writing = open_store(settings, writing=True)
        await writing.prepare()
        await until(lambda: service.health.healthy)
        assert await ask(client, "devices") == {"status": "success", "data": []}
        await writing.close()
    await client.close()
    await store.close()


async def test_the_fleet_is_counted_and_the_worst_named_first(client: Client) -> None:
    fleet = (await ask(client, "fleet_health"))["data"]
    assert fleet["counts"] == {"ok": 2, "unknown": 0, "warning": 1, "critical": 1}
    assert [row["device"] for row in fleet["devices"]] == ["disk-1", "CloudStorage"]
    assert fleet["arrays"][0]["message"].startswith("1 critical of 3 devices, worst disk-1: ")
    only = (await ask(client, "fleet_health", array_id="array-1", state="ok", limit=1))["data"]
    assert (len(only["devices"]), only["matching"]) == (1, 2)
    refused = await ask(client, "fleet_health", state="fine")
    assert (
        "state: given 'fine', expected one of ok, unknown, warning, critical"
        in (refused["message"])
    )


async def test_a_stored_series_is_scored_for_the_question_about_it(
    client: Client, filled: Store
) -> None:
    random.seed(2)
    slow = Series("DiskUnit", "Latency", "disk-slow", "array-1")
    values = [2 + 0.2 * random.gauss(0, 1) for _ in range(400)]
    values[350:380] = [45 + random.gauss(0, 1) for _ in range(30)]
    await filled.write_points(
        [(slow, NOW - (400 - n) * 5 * NS, value) for n, value in enumerate(values)]
    )
    reply = await ask(client, "anomalies", device_id="disk-slow", since_minutes=20)
    (found,) = reply["data"]
    assert (reply["source"], reply["step_seconds"]) == ("store", 5)
    assert (found["device"], found["metric_type"], found["lasts"]) == (
        "disk-slow",
        "Latency",
        False,
    )
    assert found["explanation"].startswith("Latency 4")
    assert (await ask(client, "anomalies", device_id="disk-slow", since_minutes=1))["data"] == []
    assert (await ask(client, "anomalies", device_id="disk-10"))["data"] == []


@pytest.mark.parametrize(
    "name", ["DiskUnit.", "disk-1:x", "disk--1", "x" * 128, "DROP", "time", "array-1"]
)
async def test_a_name_that_is_almost_another_selects_nothing_of_the_other(
    client: Client, name: str
) -> None:
    for query in ("device_health", "fleet_health", "anomalies"):
        reply = await ask(client, query, device_id=name)
        assert reply["status"] == "success"
        data = reply["data"]
        assert data == [] or data.get("devices_known") == 0 or data.get("health") == "unknown"
