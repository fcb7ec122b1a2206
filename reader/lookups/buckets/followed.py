"""The buckets that every reader follows: facts of devices, and what people decided about them."""

from __future__ import annotations

from collections.abc import Awaitable

from nats.aio.client import Client

from reader.lookups.buckets import decisions as decision_bucket
from reader.lookups.known.watch_findings import WatchFindings
from reader.settings import ReaderSettings
from spindle import subjects
from spindle.bus.bucket_follower import BucketFollower
from spindle.service.run import Service


def followers(
    known: WatchFindings, client: Client, service: Service[ReaderSettings]
) -> dict[str, BucketFollower]:
    """What fills ``known.facts`` and ``known.decisions``, by name."""
    settings = service.settings

    def take_facts(_key: str, payload: bytes) -> None:
        known.facts.take(payload, service.clock.latest_ns())

    def declare_decisions() -> Awaitable[None]:
        return decision_bucket.declare(client, settings)

    decisions = subjects.bucket_subject(subjects.DECISIONS_BUCKET, "")
    return {
        "facts": BucketFollower(
            subjects.DEVICES_BUCKET, f"{subjects.FACTS}.", take_facts, client, service.pause
        ),
        "decisions": BucketFollower(
            *(subjects.DECISIONS_BUCKET, decisions, known.decisions.take, client, service.pause),
            declare=declare_decisions,
        ),
    }
