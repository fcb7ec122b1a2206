"""When and where incidents happen: one at a time, the kinds in turn, seeded. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from random import Random

from daemon.simulator.faults import CYCLE, Fault, Readings, Span
from daemon.simulator.fleet import Unit


@dataclass(frozen=True, slots=True)
class Incident:
    """A fault that befalls one unit; times are seconds since the simulator's first tick.

    :ivar unit: its index in the fleet.
    :ivar asked_for: a person wanted it, by setting or on request.
    """

    fault: Fault
    unit: int
    begins: float
    ends: float
    asked_for: bool = False

    def span(self, since: float, until: float, onset: Readings | None) -> Span:
        """Where in its life the tick at ``until`` lies; the tick before it was at ``since``."""
        return Span(since - self.begins, until - self.begins, self.ends - self.begins, onset)


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

    def at(self, now: float, taken: Collection[int] = ()) -> Incident | None:
        """The incident that lasts at ``now``.

        :param taken: units that have another fault; one after them is chosen instead.
        :returns: None between two incidents, and where every unit of the class is taken.
        """
        if self.duration <= 0 or now < self.after:
            return None
        number, elapsed = divmod(now - self.after, self.duration + self.quiet)
        if elapsed >= self.duration:
            return None
        fault = CYCLE[int(number) % len(CYCLE)]
        unit = self._unit(int(number), fault, taken)
        if unit is None:
            return None
        begins = self.after + number * (self.duration + self.quiet)
        return Incident(fault, unit, begins, begins + self.duration)

    def _unit(self, number: int, fault: Fault, taken: Collection[int]) -> int | None:
        random = Random(f"{self.seed}/{number}")  # text: the same choice in every process
        while self.units[index := random.randrange(len(self.units))].source_device != (
            fault.device_class
        ):
            pass  # there is at least one of each class; a few tries find it
        following = (*range(index, len(self.units)), *range(index)) if taken else (index,)
        return next((each for each in following if self._may(each, fault, taken)), None)

    def _may(self, unit: int, fault: Fault, taken: Collection[int]) -> bool:
        return unit not in taken and self.units[unit].source_device == fault.device_class
