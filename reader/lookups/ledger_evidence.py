"""What NATS knows of the ledger: claims, streams and records, read for an audit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import orjson
from nats.aio.client import Client
from nats.errors import Error as NatsError

from spindle import subjects, timestamps
from spindle.bus.buckets import Bucket
from spindle.errors import BusUnavailable
from spindle.ledger import numbering, record
from spindle.ledger.comparison import Claim, StreamNow
from spindle.ledger.record import Record, StreamState
from spindle.ledger.spans import Spans

T = TypeVar("T")

STREAMS = (
    subjects.METRICS_STREAM,
    subjects.EVENTS_STREAM,
    subjects.PARKING_STREAM,
    subjects.PARKING_SUMMARIES_STREAM,
)
_SECONDS = 4.0
_TROUBLE = (NatsError, TimeoutError, ValueError, KeyError, TypeError)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What NATS knows, read in the order that ``comparison`` asks for."""

    claims: dict[str, list[Claim]] = field(default_factory=dict)  #: by stream
    streams: dict[str, StreamNow] = field(default_factory=dict)
    records: dict[str, Record] = field(default_factory=dict)


async def gather(client: Client) -> Evidence:
    """Ask NATS for all of it.

    :raises BusUnavailable: it does not answer, or there is no ledger yet.
    """
    bucket, found = Bucket(client.jetstream(timeout=_SECONDS), subjects.LEDGER_BUCKET), Evidence()
    try:
        async for key, entry in bucket.last_values(f"{subjects.LEDGER_CLAIMS}."):
            if not entry.live:
                continue
            stream, _, publisher = key.partition(".")[2].partition(".")
            claim = Claim(publisher, _read(key, Spans.load, entry.value), entry.time_ns)
            found.claims.setdefault(stream, []).append(claim)
        for stream in STREAMS:
            found.streams[stream] = await _look(client, stream)
        for stream in STREAMS:
            noted = await bucket.get(key := numbering.record_key(stream))
            if noted.live:
                found.records[stream] = _read(key, record.load, noted.value)
    except _TROUBLE as error:
        raise BusUnavailable(
            f"the ledger cannot be read: {error or type(error).__name__}"
        ) from None
    return found


def _read(key: str, load: Callable[[bytes], T], value: bytes) -> T:
    try:
        return load(value)
    except ValueError as error:
        raise ValueError(f"somebody changed its key {key}: {error}") from None


async def _look(client: Client, stream: str) -> StreamNow:
    answer = await client.request(f"$JS.API.STREAM.INFO.{stream}", timeout=_SECONDS)
    info = orjson.loads(answer.data)
    state = info["state"]
    born_ns = timestamps.parse(info["created"]) // 1_000 * 1_000  # as exact as the writers know it
    looked = StreamState(born_ns, state["first_seq"], state["last_seq"])
    oldest_ns = timestamps.parse(state["first_ts"]) if state["messages"] else 0
    return StreamNow(looked, state["messages"], oldest_ns)
