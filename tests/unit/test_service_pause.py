"""A service's loops end when they are cancelled, whatever becomes of the cancellation below."""

from __future__ import annotations

import asyncio
import contextlib

from spindle.service.health import Health
from spindle.service.run import Service
from spindle.settings import Settings, load


async def test_a_loop_whose_cancellation_was_lost_below_ends_at_its_next_pause() -> None:
    service = Service("test", load(Settings), Health("test", ["nats"]))
    rounds = 0

    async def loop() -> None:
        nonlocal rounds
        while not service.stopping.is_set():
            rounds += 1
            with contextlib.suppress(asyncio.CancelledError):  # as wait_for of Python 3.11 may do
                await asyncio.sleep(0.01)
            if not await service.pause(0.01):
                return

    task = asyncio.create_task(loop(), name="loop")
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task], timeout=60)
    assert task.cancelled()
    assert rounds == 1


async def test_a_pause_is_over_after_its_time_or_at_a_stop() -> None:
    service = Service("test", load(Settings), Health("test", ["nats"]))
    assert await service.pause(0.001)
    service.stopping.set()
    assert not await service.pause(60)
