"""When and where incidents happen: one at a time, the kinds in turn, seeded. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from daemon.sources.faults import CYCLE, Fault, Span
from daemon.sources.fleet import Unit


@dataclass(frozen=True, slots=True)
class Incident:
    """A fault that befalls one unit now.

    :ivar unit: its index in the fleet.
    """

    fault: Fault
    unit: int
    span: Span


@dataclass(frozen=True, slots=True)
class Timeline:
    """The incidents of one run; everything in seconds since the simulator's first tick.

    :ivar after: when the first begins.
    :ivar duration: of each; 0 for none at all.
    :ivar quiet: between two.
    """

    units: Sequence[Unit]
    seed: int
    after: float
    duration: float
    quiet: float

    def at(self, since: float, until: float) -> Incident | None:
        """The incident of the tick at ``until``; the tick before it was at ``since``."""
        if self.duration <= 0 or until < self.after:
            return None
        period = self.duration + self.quiet
        number, elapsed = divmod(until - self.after, period)
        if elapsed >= self.duration:
            return None
        fault = CYCLE[int(number) % len(CYCLE)]
        span = Span(elapsed - (until - since), elapsed, self.duration)
        return Incident(fault, self._unit(int(number), fault), span)

    def _unit(self, number: int, fault: Fault) -> int:
        random = Random(f"{self.seed}/{number}")  # text: the same choice in every process
        while self.units[index := random.randrange(len(self.units))].source_device != (
            fault.device_class
        ):
            pass  # there is at least one of each class; a few tries find it
        return index
