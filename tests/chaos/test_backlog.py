"""A long backlog, and memory."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psutil

from tests.chaos.numbers import Message
from tests.chaos.side_by_side import scenario
from tests.chaos.world import World, long_or_short, rounds, until
from tests.services import ServiceProcess

POINTS = int(long_or_short(2_000_000, 200_000))
MOST_BYTES = 256 * 2**20
ENVELOPE = 500
AS_FAST_AS_IT_GOES = 1e9


@scenario("sqlite", "influxdb")
async def test_with_the_store_away_and_a_long_backlog_memory_stays_bounded_and_all_is_stored(
    world: World,
) -> None:
    writer = await world.start_writer(store_timeout_seconds=2)
    messages = away = 0

    def make() -> Message:
        """A tenth of the points comes in single messages, the rest in envelopes."""
        nonlocal messages
        messages += 1
        return world.numbers.metrics(ENVELOPE if messages % 50 == 0 else 1)

    for number in rounds():  # the first is the long one
        await asyncio.to_thread(world.store.down)
        points = POINTS if number == 0 else POINTS // 20
        await world.publisher(make, AS_FAST_AS_IT_GOES).run(points * 50 // (ENVELOPE + 49))
        await until(lambda: world.holds(writer, 1_000), "the writer to hold what it may")
        await world.pause(long_or_short(60, 3) if number == 0 else 3)
        assert await world.waiting() > 0
        away = away or peak(writer)
        await asyncio.to_thread(world.store.up)
        await world.quiet(600)
    await world.nothing_lost()
    whole = peak(writer)
    world.notes.append(
        f"{POINTS} points: at most {away >> 20} MiB while the store was away, "
        f"{whole >> 20} MiB in all"
    )
    assert whole < MOST_BYTES, f"{whole >> 20} MiB resident"


def peak(writer: ServiceProcess) -> int:
    """The most memory it ever had resident, in bytes (on other systems than Linux: has now)."""
    assert writer.process is not None
    status = Path(f"/proc/{writer.process.pid}/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return int(psutil.Process(writer.process.pid).memory_info().rss)
