"""The buckets at NATS that every reader follows: facts of devices, and decisions about them.

A decision also changes by itself: a reason got worse, has long been over, a device is back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import msgspec
from nats.aio.client import Client
from nats.errors import Error as NatsError

from reader.health.decisions import LAPSES_NS, Acknowledgement
from reader.health.evidence import Unit
from reader.lookups.known.decisions import Decision, Decisions, key_of
from reader.lookups.known.watch_findings import WatchFindings
from reader.settings import ReaderSettings
from spindle import subjects
from spindle.bus.buckets import Bucket, BucketFollower, declare_bucket
from spindle.errors import BusUnavailable
from spindle.service.run import Service
from spindle.settings import Settings

_TIMEOUT_SECONDS = 3.0


async def declare(client: Client, settings: Settings) -> None:
    """Create the bucket where it is missing; many readers may do so at once."""
    js = client.jetstream(timeout=_TIMEOUT_SECONDS)
    await declare_bucket(js, subjects.DECISIONS_BUCKET, settings)


async def keep(client: Client, decisions: Decisions, said: Iterable[Decision]) -> None:
    """Write decisions to the bucket; they count from then on.

    :raises BusUnavailable: NATS did not take one.
    """
    for each in said:
        await _write(client, decisions, key_of(each), msgspec.json.encode(each))


async def forget(client: Client, decisions: Decisions, said: Iterable[Decision]) -> None:
    """Delete decisions from the bucket; they count no more.

    :raises BusUnavailable: NATS did not take one.
    """
    for each in said:
        await _write(client, decisions, key_of(each), b"")


async def _write(client: Client, decisions: Decisions, key: str, value: bytes) -> None:
    bucket = Bucket(client.jetstream(timeout=_TIMEOUT_SECONDS), subjects.DECISIONS_BUCKET)
    try:
        await (bucket.put(key, value) if value else bucket.purge(key))
    except (NatsError, TimeoutError) as error:
        reason = str(error) or "it did not answer in time"
        raise BusUnavailable(f"NATS did not keep the decision: {reason}") from None
    decisions.take(key, value)  # the follower brings it too, a moment later


def followers(
    known: WatchFindings, client: Client, listener: Client, service: Service[ReaderSettings]
) -> dict[str, BucketFollower]:
    """What fills ``known.facts`` and ``known.decisions``, by name."""

    def take_facts(_key: str, payload: bytes) -> None:
        known.facts.take(payload, service.clock.latest_ns())

    decisions = subjects.bucket_subject(subjects.DECISIONS_BUCKET, "")
    return {
        "facts": BucketFollower(
            *(subjects.DEVICES_BUCKET, f"{subjects.FACTS}.", take_facts),
            *(client, listener, service.pause),
        ),
        "decisions": BucketFollower(
            *(subjects.DECISIONS_BUCKET, decisions, known.decisions.take),
            *(client, listener, service.pause),
            declare=partial(declare, client, service.settings),
        ),
    }


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
        await keep(self.client, self.decisions, due)
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
        await keep(self.client, self.decisions, worse)
        await forget(self.client, self.decisions, over)

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
