"""Writers, the broker and the database killed with ``kill -9`` while points flow."""

from __future__ import annotations

import asyncio
import random

from tests.chaos.side_by_side import scenario
from tests.chaos.world import SOON_AGAIN, World, long_or_short, rounds


@scenario("sqlite", "influxdb", slow=True)
async def test_a_writer_killed_again_and_again_in_mid_batch_loses_nothing(world: World) -> None:
    rng = random.Random(1)
    writer = await world.start_writer(SOON_AGAIN)
    async with world.publishing():
        for _ in range(int(long_or_short(20, 3))):
            await world.pause(rng.uniform(0.1, 0.6))
            await world.kill(writer)
            await world.restart(writer)
    await world.nothing_lost()
    assert await world.redeliveries() > 0, "no kill hit a writer with unacknowledged messages"


@scenario("sqlite", "influxdb", slow=True)
async def test_a_broker_killed_and_started_again_loses_nothing(world: World) -> None:
    await world.start_writer(SOON_AGAIN)
    async with world.publishing() as publisher:
        for _ in rounds(2):
            await world.pause(1.5)
            await world.restart_broker(seconds_away=0.5)
    assert publisher.sent > 0
    await world.nothing_lost()


@scenario("influxdb")
async def test_a_database_killed_and_started_again_loses_nothing(world: World) -> None:
    writer = await world.start_writer()
    async with world.publishing():
        for _ in rounds(2):
            await world.pause(1.0)
            world.store.down()
            await world.until_part_says(writer, "is away")
            await asyncio.to_thread(world.store.up)
    await world.nothing_lost()
