"""Read one source again and again, at a fixed cadence that does not drift."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from math import floor
from typing import Any

from daemon.deadlines import in_thread
from daemon.messages import Message
from daemon.meters import Meters
from daemon.source import Source
from spindle.service import tasks
from spindle.service.health import Health
from spindle.service.run import Service

log = logging.getLogger("daemon.ticker")

PART = "sources"
#: A reading that is under way when the daemon is told to stop has so long to end.
GRACE_SECONDS = 2.0


class SourceHealth:
    """Which sources, and which parts of them, cannot be read; told to ``/healthz`` per change."""

    def __init__(self, health: Health, names: tuple[str, ...]) -> None:
        self._health = health
        self._unread = set(names)  # not read yet since start
        self._failing: dict[str, str] = {}  # name -> the first reason since it last worked
        self._troubles: dict[str, Mapping[str, str]] = {}  # name -> part of it -> reason

    def ok(self, name: str, troubles: Mapping[str, str] | None = None) -> None:
        """A source was read, all of it but the parts in ``troubles``."""
        self._unread.discard(name)
        self._failing.pop(name, None)
        self._troubles[name] = dict(troubles or {})
        self._report()

    def failed(self, name: str, reason: str) -> None:
        """A source could not be read."""
        self._unread.discard(name)
        self._failing.setdefault(name, f"{name} {reason}")
        self._report()

    def _report(self) -> None:
        reasons = list(self._failing.values())
        for name, troubles in self._troubles.items():
            if name not in self._failing:
                reasons += [f"{name}: {part} {reason}" for part, reason in troubles.items()]
        if reasons:
            self._health.failing(PART, "; ".join(reasons))
        elif not self._unread:
            self._health.ok(PART)


async def tick(
    service: Service[Any],
    source: Source,
    put: Callable[[list[Message]], None],
    health: SourceHealth,
    meters: Meters,
) -> None:
    """Start the source and read it once per interval until the service stops, then part from it.

    A reading that takes longer than the interval costs the ticks that it overran; they are counted.
    One that does not end within the source's deadline is reported, and waited for: no second one
    is begun beside it, and a stop does not wait.
    """
    due, going, started = time.monotonic(), True, False
    while going:
        try:
            if not started:
                await service.unless_stopped(source.start())
                if service.stopping.is_set():
                    return
                started = True
            if not await _read(service, source, put, health, meters):
                return
        except Exception as error:
            meters.source_failures.labels(source.name).inc()
            log.debug("%s cannot be read", source.name, exc_info=error)
            health.failed(source.name, f"cannot be read ({type(error).__name__}: {error})")
        due, skipped = next_due(due, time.monotonic(), source.interval_seconds)
        meters.ticks_skipped.labels(source.name).inc(skipped)
        going = await service.pause(due - time.monotonic())
    put(source.farewell(time.time_ns()))


async def _read(
    service: Service[Any],
    source: Source,
    put: Callable[[list[Message]], None],
    health: SourceHealth,
    meters: Meters,
) -> bool:
    """Read it once; False if the service was told to stop while the source hung."""
    with meters.tick_seconds.labels(source.name).time():
        reading = in_thread(source.read, time.time_ns(), name=f"read {source.name}")
        if not await _done(service, reading, source.deadline_seconds):
            meters.source_failures.labels(source.name).inc()
            health.failed(source.name, f"has not answered for {source.deadline_seconds:g} s")
            if not await _done(service, reading, None):
                return False
        put(reading.result())
    health.ok(source.name, source.troubles)
    return True


async def _done(service: Service[Any], reading: asyncio.Future[Any], seconds: float | None) -> bool:
    """Whether it ended within ``seconds``, or within the grace of a stop."""
    stop = asyncio.create_task(service.stopping.wait(), name="stop")
    try:
        await asyncio.wait({reading, stop}, timeout=seconds, return_when="FIRST_COMPLETED")
        if stop.done() and not reading.done():
            await asyncio.wait({reading}, timeout=GRACE_SECONDS)
    finally:
        await tasks.end(stop)
    return reading.done()


def next_due(due: float, now: float, interval: float) -> tuple[float, int]:
    """When the next tick is due, on the grid of the first, and how many were overrun."""
    overrun = max(0, floor((now - due) / interval))
    return due + (overrun + 1) * interval, overrun
