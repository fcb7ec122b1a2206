"""Which devices have to be looked at closely, and which events such looks found to be over.

For a closer look the last minutes of a device's readings are read from the store. One question
takes few such looks, so that its cost is bounded however many devices are in trouble at once. An
event that was found to be over stays so and is remembered: the next question looks at others.
"""

from __future__ import annotations

from collections.abc import Iterable

from reader.health.evidence import EventKey, Evidence, Rules, Unit, event_key
from reader.health.reasons import OWN_EVENTS
from reader.health.recovery import NOT_SHOWN_BY_READINGS
from spindle import catalog
from spindle.store.base import DeviceKey, EventRow

_MOST_REMEMBERED = 10_000  # devices for which the time of the last look is kept


class CloseLooks:
    """Mutable state of one reader.

    :ivar resolved_events: events that are over, with the time of each in nanoseconds.
    """

    def __init__(self) -> None:
        self.resolved_events: dict[EventKey, int] = {}
        self._last_look_ns: dict[DeviceKey, int] = {}

    def candidates(self, evidence: Evidence, rules: Rules, now_ns: int) -> list[DeviceKey]:
        """Devices whose newest readings do not decide, the most urgent first.

        The most urgent are those that an event makes critical though their readings are well: only
        a closer look can find that the event is over. Among them those not looked at for longest.
        """
        urgency: dict[DeviceKey, int] = {}
        unlimited, before = rules.thresholds.unlimited, evidence.previous_state
        for reading in evidence.readings:
            # Keys are made for the few: of a large fleet this is the longest loop.
            if before and (reading.source_device, reading.device_id, reading.array_id) in before:
                urgency.setdefault(reading.device, 1)
            if not catalog.is_possible(reading.metric_type, reading.value):
                urgency[reading.device] = 2
            elif reading.metric_type not in unlimited:
                limits = rules.limits_of(reading.metric_type, reading.device)
                if limits is not None and limits.may_hold(reading.value):
                    urgency[reading.device] = 2
        for key in {
            event.device for event in evidence.events if self._may_be_over(event, rules, now_ns)
        }:
            urgency[key] = 3 if urgency.get(key) == 2 else 4
        last = self._last_look_ns
        return sorted(
            urgency, key=lambda key: (-urgency[key], last.get(key, 0) * (urgency[key] == 4), key)
        )

    def _may_be_over(self, event: EventRow, rules: Rules, now_ns: int) -> bool:
        return (
            rules.is_recent(event, now_ns)
            and event.event_type not in OWN_EVENTS
            and event.event_type not in NOT_SHOWN_BY_READINGS
            and event_key(event) not in self.resolved_events
        )

    def mark_looked_at(self, keys: Iterable[DeviceKey], now_ns: int) -> None:
        """Note that these devices are being looked at closely now."""
        if len(self._last_look_ns) > _MOST_REMEMBERED:
            self._last_look_ns.clear()
        self._last_look_ns.update(dict.fromkeys(keys, now_ns))

    def remember_resolved(self, units: Iterable[Unit], rules: Rules, now_ns: int) -> None:
        """Keep the events that a judgement found to be over, as long as they would count."""
        found = {event_key(e): e.time_ns for unit in units for e in unit.resolved_events}
        if found:
            oldest = now_ns - rules.event_ns
            both = self.resolved_events | found
            self.resolved_events = {key: at for key, at in both.items() if at >= oldest}
