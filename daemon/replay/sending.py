"""Records as messages whose ids come from what they say, and their publication."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b

import orjson
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext

from daemon.messages import Message, event_message, facts_message
from daemon.replay.files import Record
from spindle import subjects, timestamps
from spindle.bus.buckets import Bucket
from spindle.ledger.numbering import Claims
from spindle.models import DeviceFacts, Event
from spindle.service.pauses import Pauses
from spindle.store.base import Point

#: Points in one message: some 300 kB, a third of what NATS takes.
AT_ONCE = 2_000
#: Messages that wait for their acknowledgement.
IN_FLIGHT = 32
ACK_SECONDS = 10.0
_FACTS = subjects.bucket_stream(subjects.DEVICES_BUCKET)


def time_of(record: Record) -> int:
    """The time of a record, in nanoseconds."""
    return record[1] if isinstance(record, tuple) else record.timestamp


def messages(records: Iterable[Record], shift_ns: int) -> Iterator[Message]:
    """The records of one file, each moved by ``shift_ns``; readings in envelopes.

    A message's id is made of what it says before it is moved: within the streams' duplicate window
    the same file again is a repeat, though its end is a little later now. What a device is was so
    when it was said: facts are not moved.
    """
    points: list[Point] = []
    for record in records:
        if isinstance(record, tuple):
            points.append(record)
            if len(points) == AT_ONCE:
                yield _envelope(points, shift_ns)
                points = []
        else:
            yield _alone(record, shift_ns)
    if points:
        yield _envelope(points, shift_ns)


def _envelope(points: list[Point], shift_ns: int) -> Message:
    digest = blake2b(digest_size=16, person=b"moved" if shift_ns else b"")
    parts = []
    for series, time_ns, value in points:
        digest.update(b"%s %d %r\n" % (series.head.encode(), time_ns, value))
        said = {
            "timestamp": timestamps.format_ns(time_ns + shift_ns),
            "sourceDevice": series.source_device,
            "metricType": series.metric_type,
            "value": value,
            "deviceId": series.device_id,
        }
        parts.append({**said, "arrayId": series.array_id} if series.array_id else said)
    return Message(
        subjects.METRICS_STREAM,
        subjects.METRICS,
        orjson.dumps(parts),
        len(points),
        f"past-{digest.hexdigest()}",
    )


def _alone(record: Event | DeviceFacts, shift_ns: int) -> Message:
    if isinstance(record, DeviceFacts):
        message = facts_message(record)
    else:
        moved = record.model_copy(update={"timestamp": record.timestamp + shift_ns})
        message = event_message(moved)
    person = b"moved" if shift_ns else b""
    digest = blake2b(record.to_json(), digest_size=16, person=person).hexdigest()
    return Message(message.stream, message.subject, message.payload, 1, f"past-{digest}")


class NewerFacts:
    """What is known of devices already: the past does not replace it."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}  # subject -> timestamp of its facts

    async def read(self, client: Client) -> None:
        """Ask the bucket once.

        :raises NatsError: NATS is away.
        """
        bucket = Bucket(client.jetstream(timeout=ACK_SECONDS), subjects.DEVICES_BUCKET)
        async for key, entry in bucket.last_values():
            if entry.live:
                self._known[f"{subjects.FACTS}.{key}"] = _timestamp(entry.value)

    def has(self, message: Message) -> bool:
        """Whether the bucket holds facts of the device that are as new."""
        known = self._known.get(message.subject)
        return known is not None and known >= _timestamp(message.payload)


def _timestamp(payload: bytes) -> str:
    """When facts were said, so that a later one sorts behind an earlier one; empty if damaged."""
    try:
        return timestamps.format_ns(timestamps.parse(orjson.loads(payload)["timestamp"]))[:19]
    except (ValueError, KeyError, TypeError):
        return ""


async def publish(
    client: Client,
    said: Iterable[Message],
    done: Callable[[Message, bool], None],
    tell: Callable[[str], None],
) -> None:
    """Publish all, each until it is acknowledged; several are under way at once.

    :param done: told of each message, and whether its stream had it already.
    :param tell: called with the reason while it waits.
    """
    js, room = client.jetstream(timeout=ACK_SECONDS), asyncio.Semaphore(IN_FLIGHT)
    newer, claims = NewerFacts(), Claims("replay")
    await newer.read(client)

    async def one(message: Message, first: int) -> None:
        stream, points = message.stream, message.points
        try:
            repeat = await _acknowledged(js, message, claims.header(first, points), tell)
            if not repeat and stream != _FACTS:  # a repeat has another number
                claims.acknowledged(stream, first, points, time.time_ns())
            done(message, repeat)
        finally:
            room.release()

    try:
        async with asyncio.TaskGroup() as tasks:
            for message in said:
                if newer.has(message):
                    done(message, True)
                    continue
                await room.acquire()
                first = claims.number(message.stream, message.points)
                tasks.create_task(one(message, first))
    finally:
        for subject, payload in claims.news():
            await client.publish(subject, payload)


async def _acknowledged(
    js: JetStreamContext, message: Message, number: str, tell: Callable[[str], None]
) -> bool:
    pauses = Pauses()
    headers = {subjects.MESSAGE_ID_HEADER: message.message_id}
    if message.stream != _FACTS:
        headers[subjects.NUMBER_HEADER] = number
    while True:
        try:
            ack = await js.publish(message.subject, message.payload, headers=headers)
            return bool(ack.duplicate)
        except (NatsError, OSError) as error:
            tell(f"{message.stream} does not take it, trying again: {error or 'no answer'}")
            await asyncio.sleep(pauses.next())
