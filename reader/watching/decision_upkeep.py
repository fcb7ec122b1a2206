"""Decisions that change by themselves: a reason got worse, has long been over, a device is back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from nats.aio.client import Client

from reader.health.acknowledged import LAPSES_NS, Acknowledgement
from reader.health.evidence import Unit
from reader.lookups.buckets import decisions as decision_bucket
from reader.lookups.known.decisions import Decisions, key_of


@dataclass
class DecisionUpkeep:
    """Keeps decisions up to date; run by the reader that judges the fleet. Mutable.

    :ivar over: since when there has been no such reason, by key; in nanoseconds since the epoch.
    """

    decisions: Decisions
    client: Client
    over: dict[str, int] = field(default_factory=dict)

    async def tend(self, units: Sequence[Unit], now_ns: int) -> None:
        """Mark acknowledgements whose reason got worse, forget those that are over.

        :raises BusUnavailable: NATS did not take it.
        """
        due = list(self.decisions.due.values())  # retired devices that publish
        self.decisions.due.clear()
        await decision_bucket.keep(self.client, self.decisions, due)
        if not self.decisions.acknowledged:
            return
        of_device: dict[tuple[str, str], list[Unit]] = {}
        for unit in units:
            of_device.setdefault((unit.source_device, unit.device_id), []).append(unit)
        worse, over = [], []
        for key, own in self.decisions.acknowledged.items():
            for said in own:
                now = self._now(said, of_device.get(key, ()), now_ns)
                if now is None:
                    over.append(said)
                elif now != said:
                    worse.append(now)
        await decision_bucket.keep(self.client, self.decisions, worse)
        await decision_bucket.forget(self.client, self.decisions, over)

    def _now(
        self, said: Acknowledgement, units: Sequence[Unit], now_ns: int
    ) -> Acknowledgement | None:
        """The acknowledgement as it is now; None where it is over."""
        name = key_of(said)
        if said.is_over(now_ns):
            self.over.pop(name, None)
            return None
        reasons = [
            reason
            for unit in units
            if len(units) == 1 or unit.array_id == said.array_id
            for reason in unit.reasons
            if reason.name == said.reason and (reason.severity != "ok" or reason.acknowledged)
        ]
        if reasons or not units or any(unit.silent for unit in units):
            self.over.pop(name, None)
            broken = any(each.acknowledged is None and said.worse(each) for each in reasons)
            return replace(said, worse_ns=now_ns) if broken and said.worse_ns is None else said
        since = self.over.setdefault(name, now_ns)
        if said.until_ns is None and now_ns - since >= LAPSES_NS:
            del self.over[name]
            return None
        return said
