"""The clock that services judge "in the future", refuse and delete by: this machine's, checked
against NATS's. ``spindle.bus.nats_time`` asks NATS."""

from __future__ import annotations

import time

from spindle.service.clock import Clock
from spindle.service.health import Health
from spindle.settings import Settings

PART = "clock"  #: of a service's health, once the clocks did not agree


def _progress_ns() -> int:
    """A clock that nobody sets; where there is one, one that counts a machine's sleep too."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic_ns() if boot is None else time.clock_gettime_ns(boot)


class CheckedClock:
    """Reads this machine's clocks, is told NATS's time, and tells ``/healthz`` of a doubt."""

    def __init__(self, settings: Settings, health: Health) -> None:
        wall, monotonic = self._read()
        self._clock = Clock(wall, monotonic)
        self._future_ns = settings.latest_ns(0)
        self._health = health
        self._doubting = False

    @staticmethod
    def _read() -> tuple[int, int]:
        return time.time_ns(), _progress_ns()

    def now_ns(self) -> int:
        """The present in nanoseconds since the epoch, by NATS where the clocks disagree."""
        return self._clock.now_ns(*self._read())

    def latest_ns(self) -> int:
        """Timestamps after this are refused as lying in the future, in nanoseconds."""
        return self._clock.latest_ns(*self._read(), self._future_ns)

    def expiry_ns(self) -> int | None:
        """The time that retention counts from; None while nothing may be deleted."""
        return self._clock.expiry_ns(*self._read())

    def nats_ns(self) -> int:
        """NATS's time in nanoseconds, or this machine's where NATS's is not known."""
        return self._clock.nats_ns(self._read()[1])

    @property
    def doubt(self) -> str:
        """How the clocks disagree, in a sentence with both times; empty where they do not."""
        return self._clock.doubt(*self._read())

    @property
    def in_doubt(self) -> bool:
        """Whether the clocks disagree, so that nothing may end because time has passed."""
        return bool(self.doubt)

    def compare(self, nats_ns: int | None) -> None:
        """Compare the clocks, and tell.

        :param nats_ns: NATS's time at this moment; None where it does not answer.
        """
        wall, monotonic = self._read()
        if nats_ns is not None:
            self._clock.nats_says(nats_ns, monotonic)
        doubt = self._clock.doubt(wall, monotonic)
        # The times at the moment when it was noticed: said once, not every few seconds anew.
        if doubt and not self._doubting:
            self._health.failing(PART, doubt)
        elif self._doubting and not doubt:
            self._health.ok(PART)
        self._doubting = bool(doubt)
