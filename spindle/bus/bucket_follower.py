"""A bucket followed: every value that it holds, and every one that is published for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.errors import NotFoundError

from spindle.bus.buckets import Bucket

#: Values are heard as they are published; what was missed while NATS was away is read so often.
READ_SECONDS = 60.0
FIRST_SECONDS = 3.0  # the first answers wait so long for what the bucket holds


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
