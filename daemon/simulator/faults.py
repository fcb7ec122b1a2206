"""The shapes of trouble: what a fault does to one unit's readings, and its events. Pure.

A fault is a function of the time since it began; it holds no state. ``incidents`` decides when and
where one happens by itself, ``fault_kinds`` has those that a person can ask for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from daemon.source import ARRAY, DISK
from spindle import catalog


class Readings(NamedTuple):
    """What one unit says in one tick, in the catalogue's units."""

    temperature: float
    iops: float
    latency: float
    capacity: float


@dataclass(frozen=True, slots=True)
class Trouble:
    """An event that a fault brings; ``criticality`` 8-10."""

    event_type: str
    criticality: int
    message: str


@dataclass(frozen=True, slots=True)
class Span:
    """Where in a fault's life a tick lies, in seconds since the fault began.

    :ivar since: the tick before (negative if that was before the fault).
    :ivar until: this tick.
    :ivar duration: the fault's whole life.
    :ivar onset: what the unit would have said at the first tick of it; None where nobody looked.
    """

    since: float
    until: float
    duration: float
    onset: Readings | None = None

    def strength(self, rise: float) -> float:
        """From 0 to 1 within ``rise`` seconds, and back to 0 at the end."""
        fall = min(20.0, self.duration / 4)
        left = self.duration - self.until
        return max(0.0, min(1.0, self.until / rise, left / fall if fall else 0.0))

    def strikes(self, first: float, every: float) -> bool:
        """Something that happens at ``first`` and then ``every`` so often happened in this tick."""
        if self.until < first:
            return False
        return (self.until - first) // every > (self.since - first) // every or self.since < first


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of trouble; by itself it changes nothing.

    :ivar name: a short name for it.
    :ivar metric_types: what it shows in; all of them where the unit falls silent.
    :ivar device_class: the class of device that it befalls, or None for any.
    """

    name: str
    metric_types: tuple[str, ...]
    device_class: str | None = None

    def readings(self, span: Span, healthy: Readings) -> Readings:  # noqa: ARG002
        """What the unit says instead of what it would say in health."""
        return healthy

    def trouble(self, span: Span, readings: Readings) -> Trouble | None:  # noqa: ARG002
        """The event of this tick, if there is one, given what the unit says in it."""
        return None

    def silent(self, span: Span) -> bool:  # noqa: ARG002
        """The unit says nothing at all in this tick."""
        return False


@dataclass(frozen=True, slots=True)
class Overheat(Fault):
    """A unit gets too hot within seconds and throttles itself.

    :ivar peak: degC, of a disk that has 35 degC in health.
    :ivar rise: seconds to the peak.
    :ivar first: seconds to the first event.
    """

    name: str = "overheat"
    metric_types: tuple[str, ...] = ("DiskTemp", "IOPs", "Latency")
    device_class: str | None = DISK
    peak: float = 67.0
    rise: float = 12.0
    first: float = 10.0

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
        if readings.temperature < limit or not span.strikes(self.first, every=8):
            return None
        message = f"temperature {readings.temperature:.1f} degC, critical from {limit:g} degC"
        if span.until < 40:
            return Trouble("DriveFailure", 8, message)
        return Trouble("DriveFailure", 9, f"{message}, the drive throttles itself")


@dataclass(frozen=True, slots=True)
class FailingDrive(Fault):
    """A disk answers slower and slower, loses data, then fails commands."""

    name: str = "drive_failure"
    metric_types: tuple[str, ...] = ("Latency", "IOPs")
    device_class: str | None = DISK
    slowest: float = 120.0  # ms, added at the height of it

    def readings(self, span: Span, healthy: Readings) -> Readings:
        strength = span.strength(rise=20)
        return healthy._replace(
            latency=healthy.latency * (1 + 10 * strength) + self.slowest * strength**2,
            iops=healthy.iops * (1 - 0.9 * strength),
        )

    def trouble(self, span: Span, readings: Readings) -> Trouble | None:
        if not span.strikes(first=5, every=7) or (span.until > 25 and readings.latency < 100):
            return None
        answers = f"answers take {readings.latency:.0f} ms"
        if span.until < 25:
            sectors = 1 + int(span.until / 4)
            return Trouble("DataCorruption", 8, f"{sectors} sectors cannot be read, {answers}")
        if span.until < 60:
            return Trouble("DriveFailure", 9, f"commands time out, {answers}")
        return Trouble("DriveFailure", 10, f"the drive is failing: commands time out, {answers}")


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
        if span.strength(rise=10) < 0.2 or not span.strikes(first=4, every=6):
            return None
        logins = 10 + 3 * int(min(span.until, 20))
        message = f"{logins} failed logins to the management interface from {self.address}"
        if span.until < 20:
            return Trouble("UnauthorizedAccess", 8, message)
        message += f", then one as admin that succeeded; {readings.iops:.0f} IOPs are being read"
        return Trouble("UnauthorizedAccess", 9 if span.until < 60 else 10, message)


#: In the order in which incidents bring them.
CYCLE: tuple[Fault, ...] = (Overheat(), FailingDrive(), Intrusion())
