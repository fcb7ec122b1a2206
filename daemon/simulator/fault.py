"""What a fault is: a function of the time since it began, without state of its own. Pure.

It changes one unit's readings and brings events. ``faults`` holds those that there are, ``plan``
decides when and where one happens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


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


#: A device repeats itself as seldom as real ones do: who reads the log wants to know what is new.
REMIND_SECONDS = 300.0


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

    def tells(self, *moments: float) -> bool:
        """Whether there is something to tell now: at the moments at which something begins or
        worsens, in seconds since the fault began, and a reminder every ``REMIND_SECONDS``.
        """
        begins = any(self.since < moment <= self.until for moment in moments)
        return begins or self.strikes(moments[0] + REMIND_SECONDS, REMIND_SECONDS)

    def strikes(self, first: float, every: float) -> bool:
        """Whether something due at ``first``, and again every ``every`` seconds, is due now."""
        if self.until < first:
            return False
        return (self.until - first) // every > (self.since - first) // every or self.since < first


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of trouble; by itself it changes nothing.

    :ivar name: as it is written in settings and requests.
    :ivar metric_types: the metrics that show it; all of them where the unit falls silent.
    :ivar device_class: the class of device that it befalls, or None for any.
    :ivar said_last: it changes what the unit says, not how it is: whatever else befalls the unit,
        this has the last word.
    """

    name: str
    metric_types: tuple[str, ...]
    device_class: str | None = None
    said_last: bool = False

    def readings(self, span: Span, healthy: Readings) -> Readings:  # noqa: ARG002
        """What the unit says instead of what it would say in health."""
        return healthy

    def trouble(self, span: Span, readings: Readings) -> Trouble | None:  # noqa: ARG002
        """The event of this tick, if there is one, given what the unit says in it."""
        return None

    def silent(self, span: Span) -> bool:  # noqa: ARG002
        """The unit says nothing at all in this tick."""
        return False
