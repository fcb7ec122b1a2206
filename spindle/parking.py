"""What the services share about parking: keys of plates, vehicles inside, visits ever counted.

The bucket ``parking`` holds one value per plate. A vehicle inside has ``entry_time`` and
``parking_enter_data``; what else the matcher remembers of a plate is under ``matcher``. Where no
vehicle is inside, that memory is the payload of a delete marker: the key is not listed.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson
from nats.aio.msg import Msg
from nats.errors import NoRespondersError
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, RawStreamMsg
from nats.js.errors import NotFoundError

from spindle import subjects, timestamps
from spindle.models import Status

OPERATION_HEADER = "KV-Operation"
DELETED = {"DEL", "PURGE"}

_PLAIN = re.compile(rb"[-A-Za-z0-9_/]")
_ESCAPED = re.compile(rb"=([0-9A-F]{2})")
_AT_ONCE = 1_000
_FETCH_SECONDS = 2.0
_IDLE_SECONDS = 60.0


def key_of(plate: str) -> str:
    """A plate as a key: letters, digits, ``-``, ``_`` and ``/`` stay, other bytes become ``=XX``.

    ``B-XY1234`` is its own key; ``B XY 1`` is ``B=20XY=201``.
    """
    return "".join(
        chr(byte) if _PLAIN.match(bytes((byte,))) else f"={byte:02X}" for byte in plate.encode()
    )


def plate_of(key: str) -> str:
    """The plate of a key that ``key_of`` made."""
    raw = _ESCAPED.sub(lambda match: bytes((int(match[1], 16),)), key.encode())
    return raw.decode(errors="replace")


@dataclass(frozen=True, slots=True)
class Inside:
    """A vehicle that is inside.

    :ivar entry_ns: when it came in, by its entry event.
    """

    vehicle_plate: str
    entry_ns: int
    entry_id: str
    lot: str | None


def inside(value: bytes) -> Inside | None:
    """The vehicle that a live value of the bucket tells of; None where it is leaving, or no value.

    Anyone can put anything into a bucket by hand.
    """
    try:
        data = orjson.loads(value)
        entry = data["parking_enter_data"]
        if data.get("parking_exit_data") is not None:
            return None
        time_ns = timestamps.parse(entry["entry_date_time"])
        return Inside(str(entry["vehicle_plate"]), time_ns, str(entry["id"]), entry.get("lot"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


async def read_inside(js: JetStreamContext) -> list[Inside]:
    """Every vehicle inside, in no order; none where no matcher has ever run.

    :raises nats.errors.Error: NATS is away.
    """
    try:
        return [
            vehicle
            async for message in last_values(js, subjects.PARKING_BUCKET)
            if not is_deleted(message.headers) and (vehicle := inside(message.data))
        ]
    except NotFoundError:
        return []


async def read_vehicle(js: JetStreamContext, plate: str) -> Inside | None:
    """The vehicle with this plate, if it is inside; None where no matcher has ever run.

    :raises nats.errors.Error: NATS is away.
    """
    try:
        message = await last_value(js, subjects.PARKING_BUCKET, key_of(plate))
    except NoRespondersError:
        return None
    if message is None or is_deleted(message.headers):
        return None
    return inside(message.data or b"")


def is_deleted(headers: Mapping[str, str] | None) -> bool:
    """Whether a bucket's message with these headers is a delete marker."""
    return (headers or {}).get(OPERATION_HEADER) in DELETED


async def last_value(js: JetStreamContext, bucket: str, key: str) -> RawStreamMsg | None:
    """The last message of a key, which may be a delete marker; None where there is none."""
    subject = subjects.bucket_subject(bucket, key)
    try:
        return await js.get_msg(subjects.bucket_stream(bucket), subject=subject, direct=True)
    except NotFoundError:
        return None


async def last_values(js: JetStreamContext, bucket: str) -> AsyncIterator[Msg]:
    """The last message of every key, delete markers among them."""
    stream = subjects.bucket_stream(bucket)
    name = await follow(js, bucket)
    left = (await js.consumer_info(stream, name)).num_pending or 0
    pull = await js.pull_subscribe_bind(name, stream=stream)
    try:
        while left > 0:
            try:
                messages = await pull.fetch(min(left, _AT_ONCE), timeout=_FETCH_SECONDS)
            except TimeoutError:
                return  # what was to come has been replaced, or has expired, meanwhile
            for message in messages:
                left = min(left - 1, message.metadata.num_pending)
                yield message
    finally:
        await pull.unsubscribe()
        await js.delete_consumer(stream, name)


async def follow(js: JetStreamContext, bucket: str) -> str:
    """A pull consumer of every key's last message, and then of every change; its name.

    It goes away when nobody has fetched for a minute.
    """
    config = ConsumerConfig(
        ack_policy=AckPolicy.NONE,
        filter_subject=subjects.bucket_subject(bucket, ">"),
        deliver_policy=DeliverPolicy.LAST_PER_SUBJECT,
        inactive_threshold=_IDLE_SECONDS,
        mem_storage=True,
        num_replicas=1,
    )
    return (await js.add_consumer(subjects.bucket_stream(bucket), config)).name


#: Upper bounds of the histogram ``event_processing_latency_seconds``.
LATENCY_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


@dataclass(frozen=True, slots=True)
class Totals:
    """Visits ever counted, each once.

    :ivar latency_buckets: observations up to each of ``LATENCY_BOUNDS``, cumulative.
    :ivar latency_count: all observations: one for each visit that the matcher made.
    """

    matched: int = 0
    unmatched: int = 0
    manual: int = 0
    latency_sum: float = 0.0
    latency_count: int = 0
    latency_buckets: tuple[int, ...] = (0,) * len(LATENCY_BOUNDS)

    def counting(self, status: Status, latency: float | None) -> Totals:
        """One visit more."""
        counted = replace(self, **{status: getattr(self, status) + 1})
        if latency is None:
            return counted
        buckets = zip(self.latency_buckets, LATENCY_BOUNDS, strict=True)
        return replace(
            counted,
            latency_sum=self.latency_sum + latency,
            latency_count=self.latency_count + 1,
            latency_buckets=tuple(count + (latency <= bound) for count, bound in buckets),
        )


def decode_totals(value: bytes) -> Totals:
    """The totals in a value; zeros where it holds none."""
    try:
        data: dict[str, Any] = orjson.loads(value)["totals"]
        totals = Totals(**{**data, "latency_buckets": tuple(data["latency_buckets"])})
    except (ValueError, KeyError, TypeError):
        return Totals()
    return totals if len(totals.latency_buckets) == len(LATENCY_BOUNDS) else Totals()


async def read_totals(js: JetStreamContext) -> Totals:
    """The totals as they stand.

    :raises nats.errors.Error: NATS is away, or the bucket is not declared.
    """
    bucket, key = subjects.PARKING_TOTALS_BUCKET, subjects.PARKING_TOTALS_KEY
    message = await last_value(js, bucket, key)
    return Totals() if message is None else decode_totals(message.data or b"")
