"""Facts of devices: published on their subjects, kept in the bucket that anybody can ask."""

from __future__ import annotations

import asyncio

import nats
import orjson
from prometheus_client import CollectorRegistry

from daemon.backlog import Backlog
from daemon.messages import facts_message
from daemon.meters import Meters
from daemon.publisher import Publisher
from spindle.models import DeviceFacts, parse
from spindle.service import tasks
from spindle.service.health import Health
from spindle.settings import Settings, load
from tests.servers import Server
from tests.waiting import keys_of

NOW = 1_780_000_000 * 10**9


async def test_the_newest_facts_of_each_device_are_in_the_bucket_under_its_key(
    nats_server: Server,
) -> None:
    settings = load(Settings, nats_url=f"nats://127.0.0.1:{nats_server.port}")
    backlog, registry = Backlog(2**20), CollectorRegistry()
    publisher = Publisher(settings, Health("daemon"), backlog, Meters(registry, backlog))
    publishing = asyncio.create_task(publisher.run())
    said = [
        DeviceFacts(
            timestamp=NOW,
            source_device="DiskUnit",
            device_id=device,
            array_id="host-a",
            firmware=firmware,
            capacity_bytes=4 * 10**12,
        )
        for device, firmware in (
            ("naa.5000c500a1b2c3d4", "SN03"),
            ("ST1-Z1", "A"),
            ("naa.5000c500a1b2c3d4", "SN04"),
        )
    ]
    publisher.put([facts_message(each) for each in said])
    assert await publisher.drained(20) == 0
    client = await nats.connect(settings.nats_url)
    bucket = await client.jetstream().key_value("devices")
    assert await keys_of(bucket) == ["DiskUnit.ST1-Z1", "DiskUnit.naa_5000c500a1b2c3d4"]
    kept = (await bucket.get("DiskUnit.naa_5000c500a1b2c3d4")).value or b""
    assert b'"capacityBytes":4000000000000' in kept
    assert parse(DeviceFacts, orjson.loads(kept), NOW) == said[2]
    assert registry.get_sample_value("daemon_points_published_total") == 0
    await client.close()
    await tasks.end(publishing)
