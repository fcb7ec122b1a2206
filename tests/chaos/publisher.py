"""Publish numbered messages and keep each until its stream has acknowledged it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

import nats
import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from spindle.subjects import MESSAGE_ID_HEADER
from tests.chaos.numbers import Message

log = logging.getLogger("tests.chaos")

TRY_AGAIN_SECONDS = 2.0
MOST_IN_FLIGHT = 4_000


async def connect(url: str) -> Client:
    """A connection that comes back by itself, and is quiet about it."""

    async def quiet(error: Exception) -> None:
        log.debug("test's own connection: %s", error)

    return await nats.connect(
        url, max_reconnect_attempts=-1, reconnect_time_wait=0.2, error_cb=quiet
    )


class Publisher:
    """Sends at a steady rate; what is not acknowledged is sent again with the same id.

    :ivar sent: messages made.
    :ivar again: tries beyond the first.
    :ivar refusals: answers that were errors.
    """

    def __init__(self, client: Client, make: Callable[[], Message], rate: float) -> None:
        self._client = client
        self._make = make
        self._rate = rate  # messages per second
        self._inbox = client.new_inbox()
        self._waiting: dict[str, tuple[Message, float]] = {}  # number of the try's inbox -> sent
        self._enough = asyncio.Event()
        self.sent = 0
        self.again = 0
        self.refusals = 0

    async def run(self, most: int | None = None) -> None:
        """Publish until ``enough`` (or ``most`` messages), then until all are acknowledged."""
        subscription = await self._client.subscribe(f"{self._inbox}.*", cb=self._on_answer)
        start = time.monotonic()
        while not self._enough.is_set() and (most is None or self.sent < most):
            due = int((time.monotonic() - start) * self._rate)
            await self._send_new(due if most is None else min(due, most))
            await self._send_again()
            await asyncio.sleep(0.01)
        while self._waiting:
            await self._send_again()
            await asyncio.sleep(0.05)
        await subscription.unsubscribe()

    def enough(self) -> None:
        """Make no more."""
        self._enough.set()

    async def _send_new(self, due: int) -> None:
        while self.sent < due and len(self._waiting) < MOST_IN_FLIGHT and self._client.is_connected:
            self.sent += 1
            await self._send(str(self.sent), self._make())

    async def _send_again(self) -> None:
        if not self._client.is_connected:
            return
        late = time.monotonic() - TRY_AGAIN_SECONDS
        old = [(key, one) for key, (one, sent_at) in self._waiting.items() if sent_at < late]
        for key, message in old:
            if key in self._waiting:  # else it was acknowledged meanwhile
                self.again += 1
                await self._send(key, message)

    async def _send(self, key: str, message: Message) -> None:
        self._waiting[key] = (message, time.monotonic())
        headers = {MESSAGE_ID_HEADER: message.id}
        try:
            await self._client.publish(
                message.subject, message.payload, reply=f"{self._inbox}.{key}", headers=headers
            )
        except (NatsError, OSError) as error:  # it stays and is tried again
            log.debug("not sent: %s", error)

    async def _on_answer(self, message: Msg) -> None:
        answer = orjson.loads(message.data) if message.data else {"error": "no stream answered"}
        if "error" in answer:
            self.refusals += 1
        else:
            self._waiting.pop(message.subject.rpartition(".")[2], None)
