"""The watch's bucket at NATS: who follows what, what was found, and the state of every series."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterable
from typing import Any

import orjson
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, KeyValueConfig
from nats.js.errors import (
    APIError,
    BadRequestError,
    KeyNotFoundError,
    KeyWrongLastSequenceError,
)
from nats.js.kv import KeyValue

from reader.detection.findings import RANK, DeviceKey
from reader.health.evidence import PreviousState
from reader.settings import ReaderSettings
from reader.watching.ownership import Table
from spindle import bus, subjects
from spindle.errors import BusUnavailable

TABLE, HEALTH, FORECASTS = "shares", "health", "forecasts"
BYTES_PER_SERIES = 128 * 2**10  # twice the largest state, so that no state is ever refused
_TIMEOUT_SECONDS = 3.0
_AT_ONCE = 256  # states fetched at the same time
_IDLE_SECONDS = 60.0  # after which NATS forgets a consumer that nobody reads


def _most_bytes(settings: ReaderSettings) -> int:
    return settings.reader_watch_series * BYTES_PER_SERIES


class Overtaken(Exception):
    """Another reader wrote first: what this one meant to write no longer holds."""


class Bucket:
    """See the module. Values are JSON; states of series are as ``Followed`` makes them."""

    def __init__(self, js: JetStreamContext, values: KeyValue) -> None:
        self._js = js
        self._values = values

    @classmethod
    async def open(cls, client: Client, settings: ReaderSettings) -> Bucket:
        """Made where it is missing, safely at once by many readers.

        :raises BusUnavailable: NATS has no room for it.
        """
        js: JetStreamContext = client.jetstream(timeout=_TIMEOUT_SECONDS)
        config = KeyValueConfig(
            bucket=subjects.WATCH_BUCKET,
            description="What the readers' watch knows, across restarts",
            max_bytes=_most_bytes(settings),
            replicas=settings.stream_replicas,
        )
        try:
            return cls(js, await js.create_key_value(config))
        except BadRequestError:  # it is there, of another size
            return cls(js, await js.key_value(subjects.WATCH_BUCKET))
        except APIError as error:
            if error.err_code not in bus.NO_ROOM:
                raise
            why = bus.no_room(f"bucket {subjects.WATCH_BUCKET}", _most_bytes(settings))
            raise BusUnavailable(f"{why}, or lower READER_WATCH_SERIES") from None

    async def get(self, key: str) -> tuple[Any, int]:
        """A value and its revision; None and 0 where there is none, or none that can be read."""
        try:
            entry = await self._values.get(key)
        except KeyNotFoundError as error:  # a deleted key has a revision too
            return None, error.entry.revision if error.entry else 0
        try:
            return orjson.loads(zlib.decompress(entry.value or b"")), entry.revision or 0
        except (zlib.error, ValueError):
            return None, entry.revision or 0

    async def write(self, key: str, value: object, revision: int) -> int:
        """Write on top of a revision (0: there is none); the new revision.

        :raises Overtaken: there is another revision.
        """
        data = zlib.compress(orjson.dumps(value), 1)
        try:
            return await self._values.update(key, data, last=revision)
        except KeyWrongLastSequenceError as error:
            raise Overtaken(key) from error

    async def table(self) -> tuple[Table, int]:
        """Who follows what."""
        data, revision = await self.get(TABLE)
        return Table.from_json(data), revision

    async def states(self, share: int) -> AsyncIterator[tuple[str, bytes]]:
        """The saved parts of a share, by name."""
        prefix = subjects.bucket_subject(subjects.WATCH_BUCKET, _state(share, ""))
        stream = subjects.bucket_stream(subjects.WATCH_BUCKET)
        config = ConsumerConfig(
            ack_policy=AckPolicy.NONE,
            filter_subject=f"{prefix}>",
            deliver_policy=DeliverPolicy.LAST_PER_SUBJECT,
            inactive_threshold=_IDLE_SECONDS,
            mem_storage=True,
            num_replicas=1,
        )
        consumer = await self._js.add_consumer(stream, config)
        left = consumer.num_pending or 0
        pull = await self._js.pull_subscribe_bind(consumer.name, stream=stream)
        try:
            while left > 0:
                for message in await pull.fetch(min(left, _AT_ONCE)):
                    left = min(left - 1, message.metadata.num_pending)
                    if message.data:  # a purged one has none
                        yield message.subject.removeprefix(prefix), message.data
        finally:
            await pull.unsubscribe()
            await self._js.delete_consumer(stream, consumer.name)

    async def save(self, share: int, parts: Iterable[tuple[str, bytes]]) -> None:
        """Keep parts of a share's state."""
        await asyncio.gather(*(self._values.put(_state(share, name), data) for name, data in parts))

    async def forget(self, share: int, names: Iterable[str]) -> None:
        """Drop parts of a share's state."""
        for name in names:
            await self._values.purge(_state(share, name))


def record_key(share: int) -> str:
    """Where a share's record stands."""
    return f"record.{share}"


def _state(share: int, name: str) -> str:
    return f"state.{share}.{name}"


def health_json(states: dict[DeviceKey, PreviousState], checked_ns: int) -> dict[str, Any]:
    """The devices that are not ok, as they are written."""
    devices = {f"{kind}/{device}": list(before) for (kind, device), before in states.items()}
    return {"checked": checked_ns, "devices": devices}


def health_from_json(data: object) -> tuple[dict[DeviceKey, PreviousState], int]:
    """As they were written, and when; nothing where they cannot be read."""
    if not isinstance(data, dict):
        return {}, 0
    found: dict[DeviceKey, PreviousState] = {}
    for name, (state, since) in data.get("devices", {}).items():
        kind, _, device = name.partition("/")
        if state in RANK:
            found[kind, device] = PreviousState(state, int(since))
    return found, int(data.get("checked", 0))
