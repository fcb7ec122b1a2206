"""Read one source again and again, at a fixed cadence that does not drift."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from math import floor

from daemon.messages import Message
from daemon.meters import Meters
from daemon.settings import DaemonSettings
from daemon.source import Source
from spindle.service.health import Health
from spindle.service.run import Service

log = logging.getLogger("daemon.ticker")

PART = "sources"


class Sources:
    """Which sources cannot be read, told to ``/healthz`` at each change."""

    def __init__(self, health: Health, names: tuple[str, ...]) -> None:
        self._health = health
        self._unread = set(names)  # not read yet since start
        self._failing: dict[str, str] = {}  # name -> the first error since it last worked

    def ok(self, name: str) -> None:
        """A source was read."""
        self._unread.discard(name)
        self._failing.pop(name, None)
        self._report()

    def failed(self, name: str, error: Exception) -> None:
        """A source could not be read."""
        self._unread.discard(name)
        if name not in self._failing:
            self._failing[name] = f"{name} cannot be read ({type(error).__name__}: {error})"
            log.debug("%s", self._failing[name], exc_info=error)
        self._report()

    def _report(self) -> None:
        if self._failing:
            self._health.failing(PART, "; ".join(self._failing.values()))
        elif not self._unread:
            self._health.ok(PART)


async def tick(
    service: Service[DaemonSettings],
    source: Source,
    put: Callable[[list[Message]], None],
    sources: Sources,
    meters: Meters,
) -> None:
    """Read the source once per interval until the service stops.

    A reading that takes longer than the interval costs the ticks that it overran; they are counted.
    """
    interval = service.settings.generation_interval_seconds
    due, going = time.monotonic(), True
    while going:
        try:
            with meters.tick_seconds.labels(source.name).time():
                put(await asyncio.to_thread(source.tick, time.time_ns()))
        except Exception as error:  # noqa: BLE001 - whatever it is, the other sources go on
            meters.source_failures.labels(source.name).inc()
            sources.failed(source.name, error)
        else:
            sources.ok(source.name)
        due, skipped = next_due(due, time.monotonic(), interval)
        meters.ticks_skipped.labels(source.name).inc(skipped)
        going = await service.pause(due - time.monotonic())


def next_due(due: float, now: float, interval: float) -> tuple[float, int]:
    """When the next tick is due, on the grid of the first, and how many were overrun."""
    overrun = max(0, floor((now - due) / interval))
    return due + (overrun + 1) * interval, overrun
