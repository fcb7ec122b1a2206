"""Which devices do the newest readings alone not decide, and what was found out of them before?

A closer look is for few devices of a question, so that its cost is bounded however many are in
trouble at once. What it finds of an event that is over stays so, and is remembered: the next
question looks at others.
"""

from __future__ import annotations

from collections.abc import Iterable

from reader.health import reasons
from reader.health.evidence import EventId, Evidence, Rules, Unit, event_id
from reader.health.reasons import Key
from reader.health.recovery import NO_READING_TELLS
from spindle.store.base import EventRow

_MOST = 10_000  # devices of which it is remembered when they were looked at


class Doubt:
    """Mutable state of one reader: what its closer looks found.

    :ivar over: events that are over, and when they came.
    """

    def __init__(self) -> None:
        self.over: dict[EventId, int] = {}
        self._looked: dict[Key, int] = {}

    def ranked(self, evidence: Evidence, rules: Rules, now_ns: int) -> list[Key]:
        """Units that the newest readings alone do not decide, those that need more first.

        First those that an event makes critical though they read well: a look may find that it is
        over, for nothing else will. Among them those not looked at for longest.
        """
        urgency: dict[Key, int] = {}
        for reading in evidence.readings:
            key = reading.source_device, reading.device_id
            if evidence.before and key in evidence.before:
                urgency.setdefault(key, 1)
            limits = rules.thresholds.of(reading.metric_type, *key)
            if limits is not None and limits.doubtful(reading.value):
                urgency[key] = 2
        for key in {
            (event.source_device, event.device_id)
            for event in evidence.events
            if self._may_be_over(event, rules, now_ns)
        }:
            urgency[key] = 3 if urgency.get(key) == 2 else 4
        looked = self._looked
        return sorted(
            urgency, key=lambda key: (-urgency[key], looked.get(key, 0) * (urgency[key] == 4), key)
        )

    def _may_be_over(self, event: EventRow, rules: Rules, now_ns: int) -> bool:
        return (
            rules.counts(event, now_ns)
            and event.event_type != reasons.ANOMALY
            and event.event_type not in NO_READING_TELLS
            and event_id(event) not in self.over
        )

    def looked_at(self, keys: Iterable[Key], now_ns: int) -> None:
        """These were looked at closely."""
        if len(self._looked) > _MOST:
            self._looked.clear()
        self._looked.update(dict.fromkeys(keys, now_ns))

    def learn(self, units: Iterable[Unit], rules: Rules, now_ns: int) -> None:
        """Remember which events are over, as long as that matters."""
        found = {event_id(event): event.time_ns for unit in units for event in unit.over}
        if found:
            least = now_ns - rules.event_ns
            self.over = {id_: at for id_, at in (self.over | found).items() if at >= least}
