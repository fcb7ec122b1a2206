"""When and where faults happen: those asked for, and incidents that come by themselves. Pure.

Incidents come one at a time, the faults of ``CYCLE`` in turn, seeded; none begins while a fault
that was asked for is on. A unit may have several faults that were asked for, each of another kind,
as a real disk is hot and slow at once. Times are seconds since the first tick.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from random import Random

from daemon.simulator.fault import Fault, Readings, Span
from daemon.simulator.faults import CYCLE
from daemon.simulator.units import Unit
from spindle.errors import InvalidInput


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


@dataclass(frozen=True, slots=True)
class Due:
    """The faults that concern one tick.

    :ivar begun: faults whose first tick it is.
    :ivar going: all that are on, those included.
    :ivar ended: those that were on or would have been, and are over; ``ends`` is when.
    """

    begun: list[Incident]
    going: list[Incident]
    ended: list[Incident]


class FaultPlan:
    """Every fault of a run."""

    def __init__(self, timeline: Timeline, asked_for: Iterable[Incident] = ()) -> None:
        self._timeline = timeline
        self._waiting = list(asked_for)  # not begun
        self._going: dict[tuple[int, str], Incident] = {}  # by unit and fault
        self._ended: list[Incident] = []  # since the last tick
        self._last = -1.0  # when the timeline's last incident began

    def add(self, incident: Incident) -> None:
        """Take in a fault that somebody asks for; one of the timeline on its unit gives way.

        :raises InvalidInput: the unit has, or will have meanwhile, the same one, asked for before.
        """
        for other in (*self._waiting, *self._going.values()):
            if other.asked_for and _slot(other) == _slot(incident) and _meet(other, incident):
                wait = other.begins - incident.begins
                has = f"is to have {other.fault.name} in {wait:.0f} s"
                if wait <= 0:
                    has = f"has {other.fault.name} for {other.ends - incident.begins:.0f} s more"
                raise InvalidInput(f"it {has}: stop that one first")
        self._waiting.append(incident)

    def stop(self, unit: int, now: float, only: str | None = None) -> list[Incident]:
        """End the faults of a unit; where it has none, drop the first that waits.

        :param only: the fault to end; None for all of them.
        :returns: what was ended, empty if there was nothing.
        """
        mine = [
            each
            for each in (*self._going.values(), *self._waiting)
            if each.unit == unit and only in (None, each.fault.name)
        ]
        found = [each for each in mine if each.begins <= now] or mine[:1]
        return [self._stop(each, now) for each in found]

    def _stop(self, incident: Incident, now: float) -> Incident:
        over = replace(incident, ends=min(incident.ends, max(now, incident.begins)))
        if incident in self._waiting:  # of which nothing was told
            self._waiting.remove(incident)
        else:
            del self._going[_slot(incident)]
            self._ended.append(over)
        return over

    def end(self, now: float) -> list[Incident]:
        """End every fault: those that were on, and those that ended since the last tick."""
        ended, self._ended = self._ended, []
        ended += [replace(each, ends=min(each.ends, now)) for each in self._going.values()]
        self._going, self._waiting = {}, []
        return ended

    def due(self, now: float) -> Due:
        """The faults that are on at ``now``; each call must be later than the one before."""
        ended, self._ended = self._ended, []
        over = [each for each in self._going.values() if each.ends <= now]
        begun = self._begin_asked_for(now, over)
        incident = self._timeline.at(now, self._taken())
        if incident is not None and incident.begins != self._last:
            self._last = incident.begins
            # While people look at the fault they asked for, nothing else goes wrong.
            if not any(each.asked_for for each in self._going.values()):
                begun.append(incident)
                self._going[_slot(incident)] = incident
        for each in over:
            if self._going.get(_slot(each)) is each:
                del self._going[_slot(each)]
        return Due(begun, list(self._going.values()), ended + over)

    def _begin_asked_for(self, now: float, over: list[Incident]) -> list[Incident]:
        begun = [each for each in self._waiting if each.begins <= now]
        self._waiting = [each for each in self._waiting if each.begins > now]
        for incident in begun:
            for before in [each for each in self._going.values() if each.unit == incident.unit]:
                if not before.asked_for and before not in over:  # the timeline's gives way
                    over.append(replace(before, ends=incident.begins))
                    del self._going[_slot(before)]
            self._going[_slot(incident)] = incident
        return begun

    def _taken(self) -> set[int]:
        """Units that the timeline must leave alone."""
        return {each.unit for each in (*self._going.values(), *self._waiting)}


def _slot(incident: Incident) -> tuple[int, str]:
    """What a unit has once at a time: its index, and the fault."""
    return incident.unit, incident.fault.name


def _meet(one: Incident, other: Incident) -> bool:
    return one.begins < other.ends and other.begins < one.ends
