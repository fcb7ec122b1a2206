"""A device whose clock was ahead, then put right, through a running writer and reader."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from nats.aio.client import Client

from spindle import timestamps
from spindle.settings import Settings
from tests.services import ServiceProcess
from tests.waiting import until

AHEAD_NS = 3_000 * 10**9


@pytest.fixture
def writer(tmp_path: Path, settings: Settings) -> Iterator[ServiceProcess]:
    given = {"nats_url": settings.nats_url, "store_url": settings.store}
    services = [ServiceProcess(name, tmp_path / name, **given) for name in ("writer", "reader")]
    for service in services:
        service.start()
    yield services[0]
    for service in services:
        service.stop()


async def publish(client: Client, device: str, value: float, time_ns: int) -> None:
    reading = {
        "timestamp": timestamps.format_ns(time_ns),
        "sourceDevice": "DiskUnit",
        "deviceId": device,
        "metricType": "DiskTemp",
        "value": value,
    }
    await client.publish("events.metrics", orjson.dumps(reading))


async def health(client: Client, device: str) -> dict[str, Any]:
    asked = orjson.dumps({"device_id": device})
    answer = await client.request("reader.device_health", asked, timeout=10)
    return dict(orjson.loads(answer.data)["data"])


@pytest.mark.fault("4")
async def test_a_disk_that_overheats_after_its_clock_was_put_right_is_critical(
    client: Client, writer: ServiceProcess
) -> None:
    await publish(client, "hot", 35.0, time.time_ns() + AHEAD_NS)
    for count in range(25):
        await publish(client, "hot", 70.0, time.time_ns())
        await publish(client, "control", 70.0, time.time_ns())
        await asyncio.sleep(1)
        if count > 12 and (await health(client, "hot"))["health"] == "critical":
            break
    hot, control = await health(client, "hot"), await health(client, "control")
    assert (hot["health"], control["health"]) == ("critical", "critical")
    messages = " ".join(reason["message"] for reason in hot["reasons"])
    assert "DiskTemp 70" in messages
    assert "its clock was ahead" in messages


@pytest.mark.fault("5")
async def test_a_device_that_falls_silent_after_its_clock_was_ahead_is_not_well(
    client: Client, writer: ServiceProcess
) -> None:
    for number in range(5):
        await publish(client, "silent", 35.0, time.time_ns() + AHEAD_NS + number * 10**9)
    await until(lambda: writer.total("writer_stored_points_total") == 5)
    judged = await health(client, "silent")
    assert judged["health"] == "warning"
    messages = [reason["message"] for reason in judged["reasons"]]
    assert any("its clock is 50 min ahead" in message for message in messages), messages


@pytest.mark.fault("10")
async def test_readings_of_1970_are_dead_letters_at_once_and_never_called_stored(
    client: Client, writer: ServiceProcess
) -> None:
    for number in range(10):
        await publish(client, f"old{number}", 35.0, number * 10**9)
    await until(lambda: writer.total("writer_dead_lettered_points_total") == 10)
    assert writer.total("writer_stored_points_total") == 0
    js = client.jetstream()
    letter = await js.get_msg("DEADLETTERS", 1)
    assert "expired" in str(letter.headers)
