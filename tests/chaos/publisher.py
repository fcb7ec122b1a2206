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

from spindle.ledger.numbering import Claims
from spindle.subjects import (
    EVENTS_STREAM,
    MESSAGE_ID_HEADER,
    METRICS,
    METRICS_STREAM,
    NUMBER_HEADER,
)
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


def stream_of(message: Message) -> str:
    """Where it goes to."""
    return METRICS_STREAM if message.subject.startswith(METRICS) else EVENTS_STREAM


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
        self._claims = Claims("chaos")
        self._first: dict[str, int] = {}  # of a message's points, as they are numbered
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
        for subject, payload in self._claims.news():  # as the daemon does now and then
            await self._client.publish(subject, payload)
        await self._client.flush()

    def enough(self) -> None:
        """Make no more."""
        self._enough.set()

    async def _send_new(self, due: int) -> None:
        while self.sent < due and len(self._waiting) < MOST_IN_FLIGHT and self._client.is_connected:
            self.sent += 1
            key, message = str(self.sent), self._make()
            self._first[key] = self._claims.number(stream_of(message), message.points)
            await self._send(key, message)

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
        number = self._claims.header(self._first[key], message.points)
        headers = {MESSAGE_ID_HEADER: message.id, NUMBER_HEADER: number}
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
            key = message.subject.rpartition(".")[2]
            known, _ = self._waiting.pop(key, (None, 0.0))
            if known is not None:
                stream, first = stream_of(known), self._first.pop(key)
                self._claims.acknowledged(stream, first, known.points, time.time_ns())
