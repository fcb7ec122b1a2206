"""The faults that there are, each of its own severity. Pure.

They end as they began: what was hot cools down, what leaked is cleaned up, a drive that died is
replaced by one that is well. ``CYCLE`` are those that happen by themselves, in turn;
``fault_requests`` has those that a person can ask for.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from daemon.messages import ARRAY, DISK
from daemon.simulator.fault import Fault, Readings, Span, Trouble
from daemon.simulator.units import METRICS
from spindle import catalog


@dataclass(frozen=True, slots=True)
class Overheat(Fault):
    """A unit gets too hot within seconds and throttles itself.

    :ivar peak: degC, of a disk that has 35 degC in health.
    :ivar rise: seconds to the peak.
    :ivar first: seconds to the first event.
    :ivar throttles: seconds until the drive throttles itself, and says so.
    """

    name: str = "overheat"
    metric_types: tuple[str, ...] = ("DiskTemp", "IOPs", "Latency")
    device_class: str | None = DISK
    peak: float = 67.0
    rise: float = 12.0
    first: float = 10.0
    throttles: float = 40.0

    def readings(self, span: Span, healthy: Readings) -> Readings:
        strength = span.strength(self.rise)
        hot = self.peak + 0.5 * (healthy.temperature - 35)  # load and noise still show
        return healthy._replace(
            temperature=healthy.temperature + (hot - healthy.temperature) * strength,
            iops=healthy.iops * (1 - 0.5 * strength),
            latency=healthy.latency * (1 + strength),
        )

    def trouble(self, span: Span, readings: Readings) -> Trouble | None:
        limit = catalog.METRICS["DiskTemp"].critical or 60.0
        if readings.temperature < limit or not span.tells(self.first, self.throttles):
            return None
        message = f"temperature {readings.temperature:.1f} degC, critical from {limit:g} degC"
        if span.until < self.throttles:
            return Trouble("DriveFailure", 8, message)
        return Trouble("DriveFailure", 9, f"{message}, the drive throttles itself")


@dataclass(frozen=True, slots=True)
class SlowDisk(Fault):
    """Every answer takes long at once: retries, a bad cable, a saturated controller.

    :ivar extra: ms on top of ``times`` the healthy latency.
    """

    name: str = "slow_disk"
    metric_types: tuple[str, ...] = ("Latency", "IOPs")
    times: float = 5.0
    extra: float = 20.0

    def readings(self, span: Span, healthy: Readings) -> Readings:
        strength = span.strength(rise=4)
        slow = healthy.latency * self.times + self.extra
        return healthy._replace(
            latency=healthy.latency + (slow - healthy.latency) * strength,
            iops=healthy.iops * (1 - 0.6 * strength),
        )


@dataclass(frozen=True, slots=True)
class LatencySpikes(Fault):
    """Some answers take very long, as where a drive re-reads a weak sector.

    :ivar height: ms of a typical spike.
    :ivar share: of readings that show one.
    """

    name: str = "latency_spikes"
    metric_types: tuple[str, ...] = ("Latency",)
    height: float = 60.0
    share: float = 0.25

    def readings(self, span: Span, healthy: Readings) -> Readings:
        chance = Random(f"{self.height}/{span.until:.3f}")  # text: the same in every process
        if not 0 < span.until < span.duration or chance.random() >= self.share:
            return healthy
        return healthy._replace(latency=healthy.latency + self.height * chance.uniform(0.5, 2))


@dataclass(frozen=True, slots=True)
class IopsCollapse(Fault):
    """Hardly anything gets through any more, though what does is answered in time.

    :ivar left: share of the healthy rate that is left.
    """

    name: str = "iops_collapse"
    metric_types: tuple[str, ...] = ("IOPs",)
    left: float = 0.06

    def readings(self, span: Span, healthy: Readings) -> Readings:
        return healthy._replace(iops=healthy.iops * (1 - (1 - self.left) * span.strength(rise=4)))


@dataclass(frozen=True, slots=True)
class CapacityLeak(Fault):
    """Something writes and never deletes: a runaway log, snapshots that nobody expires.

    :ivar per_minute: % of the capacity.
    """

    name: str = "capacity_leak"
    metric_types: tuple[str, ...] = ("CapacityUsed",)
    per_minute: float = 1.0
    full: float = 99.5  # %

    def readings(self, span: Span, healthy: Readings) -> Readings:
        if not 0 < span.until < span.duration:
            return healthy
        leaked = healthy.capacity + self.per_minute * span.until / 60
        return healthy._replace(capacity=max(healthy.capacity, min(leaked, self.full)))


@dataclass(frozen=True, slots=True)
class StuckSensor(Fault):
    """The temperature sensor repeats what it said when it froze; the disk itself is well."""

    name: str = "stuck_sensor"
    metric_types: tuple[str, ...] = ("DiskTemp",)
    said_last: bool = True

    def readings(self, span: Span, healthy: Readings) -> Readings:
        if span.onset is None or span.until >= span.duration:
            return healthy
        return healthy._replace(temperature=span.onset.temperature)


@dataclass(frozen=True, slots=True)
class Flapping(Fault):
    """A link that goes down and comes back, again and again; commands wait for it.

    :ivar period: seconds from one loss to the next.
    :ivar down: seconds of each that the link is away.
    """

    name: str = "flapping"
    metric_types: tuple[str, ...] = ("Latency", "IOPs")
    period: float = 50.0
    down: float = 20.0
    wait: float = 150.0  # ms, added to what a command takes

    def readings(self, span: Span, healthy: Readings) -> Readings:
        up = span.until % self.period >= self.down
        if up or not 0 < span.until < span.duration:
            return healthy
        return healthy._replace(latency=healthy.latency + self.wait, iops=healthy.iops * 0.04)

    def trouble(self, span: Span, readings: Readings) -> Trouble | None:  # noqa: ARG002
        if span.until >= span.duration or not span.strikes(first=1, every=self.period):
            return None
        lost = 1 + int((span.until - 1) // self.period)
        times = "once" if lost == 1 else f"{lost} times"
        message = f"the link to the device was lost {times}, commands wait for it"
        return Trouble("DriveFailure", 8, message)


@dataclass(frozen=True, slots=True)
class Silent(Fault):
    """The device stops reporting."""

    name: str = "silent"
    metric_types: tuple[str, ...] = METRICS

    def silent(self, span: Span) -> bool:
        return 0 <= span.until < span.duration


@dataclass(frozen=True, slots=True)
class DriveFailure(Fault):
    """A disk answers slower and slower, loses data, fails commands, and may fall silent.

    :ivar slowest: ms, added at the height of it.
    :ivar rise: seconds to the height; None for a fifth of its life, at most ten minutes.
    :ivar heard: share of its life after which nothing is heard of it; 1 for never.
    """

    name: str = "drive_failure"
    metric_types: tuple[str, ...] = METRICS
    device_class: str | None = DISK
    slowest: float = 120.0
    rise: float | None = None
    heard: float = 0.6

    def _rise(self, span: Span) -> float:
        return min(0.2 * span.duration, 600.0) if self.rise is None else self.rise

    def readings(self, span: Span, healthy: Readings) -> Readings:
        strength = span.strength(self._rise(span))
        return healthy._replace(
            latency=healthy.latency * (1 + 10 * strength) + self.slowest * strength**2,
            iops=healthy.iops * (1 - 0.9 * strength),
        )

    def trouble(self, span: Span, readings: Readings) -> Trouble | None:
        rise = self._rise(span)
        if self.silent(span) or not span.tells(rise / 4, rise, 0.45 * span.duration):
            return None
        if span.until > rise and span.strength(rise) < 0.85:
            return None  # it is over: the drive is being replaced
        answers = f"answers take {readings.latency:.0f} ms"
        if span.until < rise:
            return Trouble("DataCorruption", 8, f"sectors cannot be read, {answers}")
        if span.until < 0.45 * span.duration:
            return Trouble("DriveFailure", 9, f"commands time out, {answers}")
        return Trouble("DriveFailure", 10, f"the drive is failing: commands time out, {answers}")

    def silent(self, span: Span) -> bool:
        return self.heard * span.duration <= span.until < span.duration


@dataclass(frozen=True, slots=True)
class FailSlow(Fault):
    """A disk that does its work, but takes longer for it than its peers under the same load.

    :ivar times: its latency as a multiple of what it would be; 1.5 to 3.
    """

    name: str = "fail_slow"
    metric_types: tuple[str, ...] = ("Latency",)
    times: float = 2.0

    def readings(self, span: Span, healthy: Readings) -> Readings:
        strength = span.strength(rise=min(600.0, span.duration / 10))
        return healthy._replace(latency=healthy.latency * (1 + (self.times - 1) * strength))


@dataclass(frozen=True, slots=True)
class Intrusion(Fault):
    """Someone tries to log in to an array, gets in, and reads it out."""

    name: str = "intrusion"
    metric_types: tuple[str, ...] = ("IOPs", "Latency")
    device_class: str | None = ARRAY
    address: str = "203.0.113.66"  # RFC 5737: an address for documentation, nobody's

    def readings(self, span: Span, healthy: Readings) -> Readings:
        strength = span.strength(rise=10)
        return healthy._replace(
            iops=healthy.iops + 2500 * strength, latency=healthy.latency + 30 * strength
        )

    def trouble(self, span: Span, readings: Readings) -> Trouble | None:
        if span.strength(rise=10) < 0.2 or not span.tells(4, 20, 60):
            return None
        logins = 10 + 3 * int(min(span.until, 20))
        message = f"{logins} failed logins to the management interface from {self.address}"
        if span.until < 20:
            return Trouble("UnauthorizedAccess", 8, message)
        message += f", then one as admin that succeeded; {readings.iops:.0f} IOPs are being read"
        return Trouble("UnauthorizedAccess", 9 if span.until < 60 else 10, message)


#: What happens by itself, in the order in which it comes. The failing drive is watched to its end.
CYCLE: tuple[Fault, ...] = (Overheat(), DriveFailure(rise=20, heard=1), Intrusion())
