"""Several writers on one stream, of which some are killed, frozen or stopped."""

from __future__ import annotations

import signal
import time
from functools import partial

from tests.chaos.proxy import Proxy, Request, Say, first
from tests.chaos.side_by_side import scenario
from tests.chaos.world import SOON_AGAIN, World, long_or_short, rounds, until

#: Shorter than the 30 s after which the broker would give messages to another writer by itself.
AT_ONCE_SECONDS = 20.0
#: Messages that the broker had taken up and not yet sent when the writer ended its subscription
#: reach nobody; the broker notices after those 30 s.
ON_THEIR_WAY = 10


@scenario("influxdb", slow=True)
async def test_of_two_writers_one_is_killed_and_the_other_stores_what_it_held(
    world: World,
) -> None:
    await world.start_writer(SOON_AGAIN)
    for _ in rounds():
        # So that it holds points.
        doomed = await world.start_writer({**SOON_AGAIN, "writer.main.LINGER_SECONDS": 20})
        async with world.publishing():
            await world.kill(doomed)
            await world.pause(2.0)
    await world.nothing_lost()
    assert await world.redeliveries() > 0, "the killed writer held nothing"


@scenario("influxdb", slow=True, long_only="takes 70 s")
async def test_a_writer_frozen_beyond_its_lease_writes_nothing_that_another_has_stored(
    world: World,
) -> None:
    port = world.influx.server.port
    async with Proxy(port) as one, Proxy(port) as other:
        await world.start_writer(store_url=world.influx.url_at(one.port))
        frozen = await world.start_writer(
            {"writer.main.LINGER_SECONDS": 2}, store_url=world.influx.url_at(other.port)
        )
        for _ in rounds():
            before = await world.redeliveries()
            async with world.publishing(rate=40):
                await until(lambda: world.holds(frozen, 50), "the second writer to hold points")
                frozen.send(signal.SIGSTOP)
                began = time.monotonic()
                await until(partial(redelivered, world, before), "the first to get its messages")
                await world.pause(2.0)
                stored = lines_since(began, one.answered(204))
                thawed = time.monotonic()
                frozen.send(signal.SIGCONT)
                await world.pause(3.0)
            await world.quiet()
            again = stored & lines_since(thawed, other.writes)
            assert not again, f"{len(again)} points written again"
        await world.nothing_lost()


async def redelivered(world: World, before: int) -> bool:
    return await world.redeliveries() > before and await world.waiting() < 40


def lines_since(moment: float, writes: list[Request]) -> set[bytes]:
    return {line for write in writes if write.began > moment for line in write.lines}


@scenario("sqlite", "influxdb")
async def test_a_writer_stopped_while_the_store_is_away_leaves_its_points_to_the_next(
    world: World,
) -> None:
    writer = await world.start_writer({"writer.main.DRAIN_SECONDS": 1}, store_timeout_seconds=1)
    for _ in rounds():
        async with world.publishing():
            await world.pause(0.5)
            world.store.down()
            await until(lambda: world.holds(writer, 200), "the writer to hold points")
        await world.stop(writer)
        world.store.up()
        await world.restart(writer)
        await all_but_few_at_once(world)
    await world.nothing_lost()
    assert await world.redeliveries() > 0


async def all_but_few_at_once(world: World) -> None:
    """What a stopped writer held is stored without waiting for the broker to notice its end."""

    async def few() -> bool:
        return 0 <= await world.waiting() <= ON_THEIR_WAY

    await until(few, "what was returned to be stored", AT_ONCE_SECONDS)


@scenario("sqlite", "influxdb")
async def test_writers_stopped_and_started_under_load_finish_what_they_hold(world: World) -> None:
    writer = await world.start_writer()
    async with world.publishing():
        for _ in rounds(2):
            await until(lambda: world.holds(writer, 1), "the writer to hold points")
            await world.stop(writer)
            await world.restart(writer)
    await all_but_few_at_once(world)
    await world.nothing_lost()


@scenario("influxdb")
async def test_a_writer_whose_database_is_away_leaves_the_rest_to_one_who_reaches_it(
    world: World,
) -> None:
    async with Proxy(world.influx.server.port) as proxy:
        cut_off = await world.start_writer(store_url=world.influx.url_at(proxy.port))
        await world.start_writer()
        for number in rounds():
            before = await world.redeliveries()
            proxy.decide = lambda _: Say(503)
            async with world.publishing():
                # The first time for longer than the broker's lease of 30 s.
                await world.pause(long_or_short(40, 4) if number == 0 else 4)
                assert await world.holds(cut_off, 1)
            # Its lease was extended all the time: only what it returns at the end comes again.
            assert await world.redeliveries() == before
            await world.stop(cut_off)
            await all_but_few_at_once(world)
            proxy.decide = first([])
            await world.restart(cut_off)
        await world.nothing_lost()
