"""Which faults are on in a tick: those asked for, and the timeline's; never two on one unit.

The timeline begins none while one that was asked for is on: incidents come one at a time.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace

from daemon.simulator.incidents import Incident, Timeline
from spindle.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Due:
    """What a tick has to do.

    :ivar begun: faults whose first tick it is.
    :ivar going: all that are on, those included.
    :ivar ended: those that were on or would have been, and are over; ``ends`` is when.
    """

    begun: list[Incident]
    going: list[Incident]
    ended: list[Incident]


class FaultPlan:
    """Every fault of a run. Safe to use from several threads. Seconds since the first tick."""

    def __init__(self, timeline: Timeline, asked_for: Iterable[Incident] = ()) -> None:
        self._timeline = timeline
        self._lock = threading.Lock()
        self._waiting = list(asked_for)  # not begun
        self._going: dict[int, Incident] = {}  # by unit
        self._ended: list[Incident] = []  # since the last tick
        self._last = -1.0  # when the timeline's last incident began

    def add(self, incident: Incident) -> None:
        """Take in a fault that somebody asks for; one of the timeline on its unit gives way.

        :raises InvalidInput: the unit has, or will have meanwhile, another that was asked for.
        """
        with self._lock:
            for other in (*self._waiting, *self._going.values()):
                if other.asked_for and other.unit == incident.unit and _meet(other, incident):
                    raise InvalidInput(
                        f"it has {other.fault.name} for {other.ends - incident.begins:.0f} s more: "
                        "stop that one first"
                    )
            self._waiting.append(incident)

    def stop(self, unit: int, now: float) -> Incident | None:
        """End the fault of a unit, or drop one that waits; None if it has none."""
        with self._lock:
            found = self._going.pop(unit, None)
            if found is not None:
                found = replace(found, ends=min(found.ends, max(now, found.begins)))
                self._ended.append(found)
                return found
            found = next((each for each in self._waiting if each.unit == unit), None)
            if found is not None:
                self._waiting.remove(found)
            return found

    def end(self, now: float) -> list[Incident]:
        """End every fault: those that were on, and those that ended since the last tick."""
        with self._lock:
            ended, self._ended = self._ended, []
            ended += [replace(each, ends=min(each.ends, now)) for each in self._going.values()]
            self._going, self._waiting = {}, []
            return ended

    def due(self, now: float) -> Due:
        """What is on at ``now``; each call is later than the one before."""
        with self._lock:
            ended, self._ended = self._ended, []
            over = [each for each in self._going.values() if each.ends <= now]
            begun = self._begin_asked_for(now, over)
            incident = self._timeline.at(now, self._taken())
            if incident is not None and incident.begins != self._last:
                self._last = incident.begins
                # While people look at the fault they asked for, nothing else goes wrong.
                if not any(each.asked_for for each in self._going.values()):
                    begun.append(incident)
                    self._going[incident.unit] = incident
            for each in over:
                if self._going.get(each.unit) is each:
                    del self._going[each.unit]
            return Due(begun, list(self._going.values()), ended + over)

    def _begin_asked_for(self, now: float, over: list[Incident]) -> list[Incident]:
        begun = [each for each in self._waiting if each.begins <= now]
        self._waiting = [each for each in self._waiting if each.begins > now]
        for incident in begun:
            before = self._going.get(incident.unit)
            if before is not None and before not in over:  # the timeline's gives way
                over.append(replace(before, ends=incident.begins))
            self._going[incident.unit] = incident
        return begun

    def _taken(self) -> set[int]:
        """Units that the timeline must leave alone."""
        return {*self._going, *(each.unit for each in self._waiting)}


def _meet(one: Incident, other: Incident) -> bool:
    return one.begins < other.ends and other.begins < one.ends
