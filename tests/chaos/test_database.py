"""A database that freezes, refuses, breaks off and answers too late, while points flow."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Sequence

from tests.chaos.numbers import Message
from tests.chaos.proxy import (
    CutAfterStoring,
    CutInBody,
    Deed,
    Late,
    Proxy,
    Request,
    Say,
    StoredLate,
    TooLargeOver,
    first,
)
from tests.chaos.side_by_side import scenario
from tests.chaos.world import LONG, World, long_or_short, rounds, until
from tests.services import ServiceProcess

#: Pauses grow to 30 s, so that more would take long.
TIMES = len(rounds(4))


@contextlib.asynccontextmanager
async def behind_proxy(
    world: World, **settings: object
) -> AsyncIterator[tuple[ServiceProcess, Proxy]]:
    """A healthy writer that reaches its database through a proxy."""
    async with Proxy(world.influx.server.port) as proxy:
        writer = await world.start_writer(
            None, store_url=world.influx.url_at(proxy.port), **settings
        )
        yield writer, proxy


async def suffer(
    world: World, proxy: Proxy, deeds: Sequence[Deed], make: Callable[[], Message] | None = None
) -> None:
    """Have so many writes suffer while points flow, until all that is over."""
    async with world.publishing(make=make):
        await world.pause(1.0)
        begin = len(proxy.writes)
        proxy.decide = first(deeds)

        async def done() -> bool:
            suffering = proxy.writes[begin : begin + len(deeds)]
            return len(suffering) == len(deeds) and all(request.ended for request in suffering)

        await until(done, f"{len(deeds)} writes to suffer")
        await world.pause(0.5)


@scenario("influxdb")
async def test_a_frozen_database_costs_time_and_no_points(world: World) -> None:
    frozen, timeout = (8.0, 3.0) if LONG else (4.0, 1.5)
    writer = await world.start_writer(store_timeout_seconds=timeout)
    async with world.publishing():
        for _ in rounds():
            await world.pause(1.0)
            world.influx.server.send(signal.SIGSTOP)
            await world.pause(frozen)
            await world.until_part_says(writer, "did not answer within")
            world.influx.server.send(signal.SIGCONT)
            await until(lambda: world.well(writer), "the writer to store again")
    await world.nothing_lost()


@scenario("influxdb")
async def test_answers_of_500_are_tried_again(world: World) -> None:
    async with behind_proxy(world) as (_, proxy):
        await suffer(world, proxy, [Say(500)] * TIMES)
        await world.nothing_lost()


@scenario("influxdb")
async def test_a_retry_after_is_obeyed(world: World) -> None:
    asked = 2.0
    busy = Say(503, f"Retry-After: {asked:g}\r\n")
    async with behind_proxy(world) as (_, proxy):
        # Now and then a write that began before ends well while others have to wait.
        await suffer(world, proxy, [Late(1.0), busy] * len(rounds(2)))
        await world.nothing_lost()
        for refused in proxy.answered(503):
            # Those that were under way already are not meant.
            early = [
                f"{write.began - refused.ended:.2f} s after"
                for write in proxy.writes
                if refused.ended + 0.5 < write.began < refused.ended + asked - 0.1
                and kind(write) == kind(refused)
            ]
            assert not early, f"told to wait {asked:g} s and wrote {', '.join(early)}"


def kind(request: Request) -> bytes:
    """The measurement: each has a pipeline of its own."""
    return request.body.partition(b",")[0]


@scenario("influxdb")
async def test_too_large_bodies_are_halved_and_no_point_is_blamed(world: World) -> None:
    async with behind_proxy(world) as (_, proxy):
        proxy.decide = lambda _: TooLargeOver(4_000)
        async with world.publishing():
            await world.pause(long_or_short(15, 3))
        await world.nothing_lost()
        assert proxy.answered(413)


@scenario("influxdb")
async def test_connections_cut_in_the_middle_of_a_body_or_an_answer_lose_nothing(
    world: World,
) -> None:
    async with behind_proxy(world) as (_, proxy):
        deeds: list[Deed] = [CutInBody(), CutAfterStoring()] * len(rounds(2))
        await suffer(world, proxy, deeds)
        await world.nothing_lost()


@scenario("influxdb")
async def test_an_answer_after_the_time_out_although_it_was_stored_counts_as_no_answer(
    world: World,
) -> None:
    async with behind_proxy(world, store_timeout_seconds=1) as (writer, proxy):
        await suffer(world, proxy, [Late(2.5)] * TIMES)
        await world.nothing_lost()
        readings = await world.readings(writer)
        assert readings is not None
        assert readings.sum("writer_stored_points_total") == world.numbers.good


@scenario("influxdb")
async def test_a_write_that_arrives_long_after_it_was_given_up_harms_nothing(world: World) -> None:
    """Not even events of the same instant, that were stored in the meantime."""
    async with behind_proxy(world, store_timeout_seconds=1) as (_, proxy):
        await suffer(world, proxy, [StoredLate(3.0)] * TIMES, lambda: world.numbers.events(1))
        await world.nothing_lost()


@scenario("influxdb")
async def test_a_denied_writer_keeps_its_batch_and_says_why(world: World) -> None:
    async with behind_proxy(world) as (writer, proxy):
        async with world.publishing():
            for _ in rounds():
                for status, because in ((401, "INFLUXDB_TOKEN"), (403, "403"), (404, "404")):
                    proxy.decide = lambda _, status=status: Say(status)  # type: ignore[misc]
                    await world.until_part_says(writer, because)
                    assert proxy.answered(status)
                assert await world.holds(writer, 1)
                proxy.decide = first([])
                await until(lambda: world.well(writer), "the writer to store again")
        await world.nothing_lost()
        assert await world.well(writer)
