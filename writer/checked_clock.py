"""The clock that the writer refuses and deletes by: this machine's, checked against NATS's."""

from __future__ import annotations

import time

from nats.aio.client import Client

from spindle.bus import nats_server
from spindle.service.health import Health
from spindle.service.run import Service
from writer.clock import Clock
from writer.settings import WriterSettings

EVERY_SECONDS = 5.0
PART = "clock"  #: of the writer's health, once the clocks did not agree


def _progress_ns() -> int:
    """A clock that nobody sets; where there is one, one that counts a machine's sleep too."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic_ns() if boot is None else time.clock_gettime_ns(boot)


class CheckedClock:
    """Reads this machine's clocks, asks NATS for its time, and tells ``/healthz`` of a doubt."""

    def __init__(self, settings: WriterSettings, health: Health) -> None:
        wall, monotonic = self._now()
        self._clock = Clock(wall, monotonic, settings.clock_tolerance_seconds)
        self._future_ns = settings.latest_ns(0)
        self._health = health
        self._doubting = False

    @staticmethod
    def _now() -> tuple[int, int]:
        return time.time_ns(), _progress_ns()

    def latest_ns(self) -> int:
        """Timestamps after this are refused as lying in the future, in nanoseconds."""
        return self._clock.latest_ns(*self._now(), self._future_ns)

    def expiry_ns(self) -> int | None:
        """The time that retention counts from; None while nothing may be deleted."""
        return self._clock.expiry_ns(*self._now())

    def nats_ns(self) -> int:
        """NATS's time in nanoseconds, or this machine's where NATS's is not known."""
        return self._clock.nats_ns(self._now()[1])

    @property
    def in_doubt(self) -> bool:
        """Whether the clocks disagree, so that nothing may end because time has passed."""
        return bool(self._clock.doubt(*self._now()))

    async def run(self, service: Service[WriterSettings], client: Client) -> None:
        """Compare the clocks every few seconds until told to stop."""
        while await service.pause(EVERY_SECONDS):
            await service.unless_stopped(self.look(client))

    async def look(self, client: Client) -> None:
        """Ask NATS for its time, where it answers, and compare."""
        nats_ns = await nats_server.time_ns(client) if client.is_connected else None
        wall, monotonic = self._now()
        if nats_ns is not None:
            self._clock.nats_says(nats_ns, monotonic)
        doubt = self._clock.doubt(wall, monotonic)
        # The times at the moment when it was noticed: said once, not every few seconds anew.
        if doubt and not self._doubting:
            self._health.failing(PART, doubt)
        elif self._doubting and not doubt:
            self._health.ok(PART)
        self._doubting = bool(doubt)
