"""Buckets of keys and values: declare, read, replace exactly what was read, follow.

nats-py's ``KeyValue`` does the reading and the writing. Ours are what it has not: a delete marker
with a payload and a time to live, every last value in bulk, and a consumer that survives a
reconnect.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import cast

import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, Header
from nats.js.errors import (
    APIError,
    KeyNotFoundError,
    KeyWrongLastSequenceError,
    NotFoundError,
)
from nats.js.kv import KV_DEL, KV_OP, KV_PURGE, KeyValue

from spindle import subjects, timestamps
from spindle.bus import protocol, streams
from spindle.bus.client import SafeClient
from spindle.bus.declaration import NO_ROOM, WAITING_USERS, declare_stream
from spindle.errors import BusUnavailable, SpindleError
from spindle.settings import Settings
from spindle.timestamps import NS

_WRONG_LAST = {10071, 10164}  # JetStream's codes for "somebody else was first"
_AT_ONCE = 256  # a value may hold tens of kilobytes
_DIRECT = "$JS.API.DIRECT.GET"
#: What the server says of a value, behind what its publisher said.
_SEQUENCE, _PENDING = "Nats-Sequence", "Nats-Num-Pending"
_CODE = ""  #: where the server's status stands beside them
_FETCH_SECONDS = 2.0
#: Values are heard as they are published; what was missed while NATS was away is read so often.
READ_SECONDS = 60.0
FIRST_SECONDS = 3.0  # the first answers wait so long for what the bucket holds
_IDLE_SECONDS = 60.0  # after which NATS forgets a consumer that nobody reads


def _put_all(queue: asyncio.Queue[protocol.Message], many: list[protocol.Message]) -> None:
    for message in many:
        queue.put_nowait(message)


async def _batch(
    arrived: asyncio.Queue[protocol.Message],
) -> AsyncIterator[tuple[dict[str, str], bytes]]:
    """The answers to one request: values, each with its headers, and a status at the end.

    Before nats-server 2.11 a request has one answer, a value or a status.
    """
    header = {_SEQUENCE: "", _PENDING: ""}
    while _SEQUENCE in header and _PENDING in header:
        async with asyncio.timeout(_FETCH_SECONDS):
            *_, raw, value = await arrived.get()
        code, header = protocol.status(raw)
        yield header | {_CODE: code}, value


class Overtaken(SpindleError):
    """Somebody else wrote first: what was to be replaced is not there any more. Read it again."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a bucket holds under a key.

    :ivar value: also of a delete marker, which may have one.
    :ivar revision: 0 where the bucket knows nothing of the key.
    :ivar live: False for a delete marker, and where there is nothing.
    :ivar time_ns: when NATS took it, in nanoseconds; known of what is read in bulk or followed.
    """

    value: bytes = b""
    revision: int = 0
    live: bool = False
    time_ns: int = 0


class Bucket:
    """One bucket.

    Every method raises what nats-py raises where NATS is away or the bucket is not declared.
    """

    def __init__(self, js: JetStreamContext, name: str) -> None:
        self.name = name
        self.stream = subjects.bucket_stream(name)
        self._js = js
        self._prefix = subjects.bucket_subject(name, "")
        self._values = KeyValue(name, self.stream, self._prefix, js, direct=True)

    async def get(self, key: str) -> Entry:
        """The value and revision that the bucket holds under a key now."""
        try:
            entry = await self._values.get(key)
        except KeyNotFoundError as error:
            if error.entry is None:
                return Entry()
            return Entry(error.entry.value or b"", error.entry.revision or 0, live=False)
        return Entry(entry.value or b"", entry.revision or 0, live=True)

    async def put(self, key: str, value: bytes) -> int:
        """Write a value, whatever stands there; the new revision."""
        return await self._values.put(key, value)

    async def replace(self, key: str, value: bytes, revision: int) -> int:
        """Write a value over exactly this revision (0: over nothing); the new revision.

        :raises Overtaken: there is another revision.
        """
        try:
            return await self._values.update(key, value, last=revision)
        except KeyWrongLastSequenceError:
            raise Overtaken(f"{key} was changed meanwhile") from None

    async def retire(
        self, key: str, value: bytes, revision: int, seconds: float | None = None
    ) -> int:
        """Put a delete marker that holds a value over exactly this revision; its own revision.

        :param seconds: after which NATS drops the marker by itself.
        :raises Overtaken: there is another revision.
        """
        headers = {Header.EXPECTED_LAST_SUBJECT_SEQUENCE: str(revision), KV_OP: KV_DEL}
        ttl = None if seconds is None else max(1, ceil(seconds))
        try:
            answer = await self._js.publish(self._prefix + key, value, headers=headers, msg_ttl=ttl)
        except APIError as error:
            if error.err_code in _WRONG_LAST:
                raise Overtaken(f"{key} was changed meanwhile") from None
            raise
        return answer.seq

    async def purge(self, key: str) -> None:
        """Remove a key and its history."""
        await self._values.purge(key)

    async def last_values(self, prefix: str = "") -> AsyncIterator[tuple[str, Entry]]:
        """Every key that begins with a prefix (empty, or ending in a dot) and what it holds.

        Read as the stream has them. That takes no consumer: with NATS_AUTH=users only the writer
        may create one.

        :raises NotFoundError: the bucket is not declared.
        """
        client = cast("SafeClient", self._js._nc)
        inbox = client.new_inbox()
        arrived: asyncio.Queue[protocol.Message] = asyncio.Queue()
        answers = await client.subscribe_many(inbox, partial(_put_all, arrived))
        next_sequence = 1
        try:
            while next_sequence:
                asked = {"seq": next_sequence, "next_by_subj": f"{self._prefix}{prefix}>"}
                body = orjson.dumps(asked | {"batch": _AT_ONCE})
                await client.publish(f"{_DIRECT}.{self.stream}", body, reply=inbox)
                async for header, value in _batch(arrived):
                    if _SEQUENCE in header:
                        next_sequence = int(header[_SEQUENCE]) + 1
                        yield self._stored(header, value)
                    elif header[_CODE] == "503":
                        raise NotFoundError(code=404, description=f"{self.stream} is not declared")
                    elif header.get(_PENDING, "0") == "0":
                        next_sequence = 0
        finally:
            await answers.unsubscribe()

    def _stored(self, header: dict[str, str], value: bytes) -> tuple[str, Entry]:
        live = header.get(KV_OP) not in {KV_DEL, KV_PURGE}
        key = header["Nats-Subject"].removeprefix(self._prefix)
        time_ns = timestamps.parse(header["Nats-Time-Stamp"])
        return key, Entry(value, int(header[_SEQUENCE]), live, time_ns)

    async def follow(self, prefix: str = "") -> str:
        """A pull consumer of every key's last message, and then of every change; its name.

        It goes away when nobody has fetched for a minute.
        """
        config = ConsumerConfig(
            ack_policy=AckPolicy.NONE,
            filter_subject=f"{self._prefix}{prefix}>",
            deliver_policy=DeliverPolicy.LAST_PER_SUBJECT,
            inactive_threshold=_IDLE_SECONDS,
            mem_storage=True,
            num_replicas=1,
        )
        return (await self._js.add_consumer(self.stream, config)).name

    def change(self, message: Msg) -> tuple[str, Entry]:
        """The key of a message that a follower was delivered, and what it holds now."""
        live = (message.headers or {}).get(KV_OP) not in {KV_DEL, KV_PURGE}
        key = message.subject.removeprefix(self._prefix)
        metadata = message.metadata
        time_ns = int(metadata.timestamp.timestamp() * NS)
        return key, Entry(message.data, metadata.sequence.stream, live, time_ns)


async def declare_bucket(
    js: JetStreamContext, name: str, settings: Settings, setting: str = ""
) -> None:
    """Create a service's bucket where it is missing, or put back what differs.

    Safely at once by many. With NATS_AUTH=users the writer does it, and this looks whether it has.

    :param setting: whose value may be lowered where there is no room.
    :raises BusUnavailable: NATS has no room for it, or the writer has not declared it.
    """
    wanted = streams.buckets_of_services(settings)[name]
    try:
        if settings.nats_user in WAITING_USERS:
            await js.stream_info(str(wanted.name))
        else:
            await declare_stream(js, wanted)
    except NotFoundError:
        missing = f"bucket {name} is missing: waiting for the writer, which declares it"
        raise BusUnavailable(missing) from None
    except BusUnavailable as error:
        more = f", or lower {setting}" if setting else ""
        raise BusUnavailable(f"{error}{more}") from None
    except APIError as error:
        if error.err_code in NO_ROOM:
            raise BusUnavailable(str(error.description)) from None
        raise


class BucketFollower:
    """Hands on every value of one bucket: what it holds, and what is published for it.

    :param heard: what the subjects begin with on which values are published; the key follows.
    :param client: asks what it holds.
    :param listener: hears what is published: see ``bus.listening``.
    :param take: gets a key and its value, empty where it was deleted.
    :param pause: waits so many seconds; False when the service stops.
    :param declare: makes the bucket where it is missing; None where another service does.
    """

    def __init__(
        self,
        bucket: str,
        heard: str,
        take: Callable[[str, bytes], None],
        client: Client,
        listener: Client,
        pause: Callable[[float], Awaitable[bool]],
        declare: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._bucket, self._heard, self._take = bucket, heard, take
        self._declare = declare
        self._client, self._listener, self._pause = client, listener, pause
        self._read = asyncio.Event()

    async def run(self) -> None:
        """Hear what is published and read what the bucket holds, until the service stops."""
        subscription = await self._listener.subscribe(f"{self._heard}>", cb=self._hear)
        try:
            while True:
                if self._declare is not None:
                    await self._declare()
                bucket = Bucket(self._client.jetstream(), self._bucket)
                with contextlib.suppress(NotFoundError):  # nobody has declared it yet
                    async for key, entry in bucket.last_values():
                        self._take(key, entry.value if entry.live else b"")
                self._read.set()
                if not await self._pause(READ_SECONDS):
                    return
        finally:
            with contextlib.suppress(Exception):  # NATS may be away
                await subscription.unsubscribe()

    async def first_read(self) -> None:
        """Wait until the bucket has been read once, but not for long."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._read.wait(), FIRST_SECONDS)

    async def _hear(self, message: Msg) -> None:
        self._take(message.subject.removeprefix(self._heard), message.data)
