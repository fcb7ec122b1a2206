"""The bucket ``decisions`` at NATS: what people decided about devices, across restarts."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.errors import Error as JetStreamError

from reader.lookups.known.decisions import Decision, Decisions, key_of
from spindle import subjects
from spindle.bus import streams
from spindle.bus.buckets import Bucket, declare_bucket
from spindle.errors import BusUnavailable
from spindle.settings import Settings

_MOST_BYTES = 32 * 2**20  # some 500 bytes each
_TIMEOUT_SECONDS = 3.0


async def declare(client: Client, settings: Settings) -> None:
    """Create the bucket where it is missing; many readers may do so at once."""
    what = "What people decided about devices"
    wanted = streams.bucket(subjects.DECISIONS_BUCKET, what, settings, _MOST_BYTES)
    await declare_bucket(client.jetstream(timeout=_TIMEOUT_SECONDS), wanted)


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
    except (NatsError, JetStreamError, TimeoutError) as error:
        reason = str(error) or "it did not answer in time"
        raise BusUnavailable(f"NATS did not keep the decision: {reason}") from None
    decisions.take(key, value)  # the follower brings it too, a moment later
