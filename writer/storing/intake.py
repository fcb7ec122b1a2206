"""Take messages from a durable pull consumer, in bulk.

nats-py's own ``fetch`` creates a subscription's worth of work per call. Here one inbox subscription
stays, pull requests name it, and messages pile up in a list that the writer empties at its pace.
The number of messages asked for and not yet here is bounded, so memory is.
Source: NATS ADR-13 (pull subscribe internals).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from functools import lru_cache

import orjson
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from spindle import subjects
from spindle.bus import protocol
from spindle.bus.client import SafeClient
from writer.storing.batch import Delivery

log = logging.getLogger("writer.intake")

EXPIRES_SECONDS = 30.0
#: After this long without the request's end the request is taken for lost.
LOST_SECONDS = EXPIRES_SECONDS + 5.0
#: How long a stopping writer waits for what the server has sent already.
CLOSE_SECONDS = 2.0
#: In the acknowledgement subject of what this consumer delivers for the first time.
_FIRST_TIME = f".{subjects.WRITER_CONSUMER}.1."

ACK, NAK, IN_PROGRESS = b"+ACK", b"-NAK", b"+WPI"

_CONSUMER_GONE = {"404", "503"}
_QUIET = {"100", "408"}  # a heartbeat; a request that ended because nothing came


class Intake:
    """Pull requests to one consumer, and what has arrived."""

    def __init__(
        self, client: SafeClient, stream: str, consumer: str, wake: Callable[[], None]
    ) -> None:
        self._client = client
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._stream = stream
        self._wake = wake
        self._arrived: list[Delivery] = []
        self._subscription: Subscription | None = None
        self._inbox = ""
        self._outstanding = 0  # messages asked for and not yet here
        self._asked_at = 0.0
        self.gone = ""  #: why the consumer does not answer; empty while it does

    async def open(self) -> None:
        """Subscribe the inbox."""
        self._inbox = self._client.new_inbox()
        self._subscription = await self._client.subscribe_many(self._inbox, self._on_messages)

    def _on_messages(self, messages: list[protocol.Message]) -> None:
        before = len(self._arrived)
        for _, subject, reply, header, payload in messages:
            if reply:
                self._arrived.append(_delivery(_subject(subject), _text(reply), payload, header))
            elif header:  # the server's own
                self._on_status(*protocol.status(header))
        self._outstanding -= len(self._arrived) - before
        self._wake()

    def _on_status(self, status: str, fields: dict[str, str]) -> None:
        if status == "100":
            return
        pending = fields.get("Nats-Pending-Messages", "")
        self._outstanding = max(0, self._outstanding - int(pending)) if pending.isdigit() else 0
        description = fields.get("Description", status)
        if status in _CONSUMER_GONE or "Deleted" in description:
            self.gone = f"consumer of {self._stream} is gone ({description})"
        elif status not in _QUIET:
            log.debug("%s: pull ended: %s", self._stream, description)

    async def ask(self, messages: int, max_bytes: int, now: float) -> None:
        """Request messages so that ``messages`` are under way, once fewer than half of them are."""
        if self._outstanding > 0 and now - self._asked_at > LOST_SECONDS:
            self._outstanding = 0
        if self._outstanding > messages // 2:
            return
        batch = messages - max(0, self._outstanding)
        if batch <= 0:
            return
        request = {"batch": batch, "max_bytes": max_bytes, "expires": int(EXPIRES_SECONDS * 1e9)}
        self._outstanding = max(0, self._outstanding) + batch
        self._asked_at = now
        await self._client.publish(self._subject, orjson.dumps(request), reply=self._inbox)

    async def reopen(self) -> None:
        """Start anew: what arrived and was not taken, or is on its way, is left to others."""
        if self._subscription is not None:
            await self._subscription.unsubscribe()
        self._arrived.clear()
        self._outstanding = 0
        await self.open()

    def forget_requests(self) -> None:
        """The connection was lost, and with it the requests under way."""
        self._outstanding = 0

    def take(self, most: int) -> list[Delivery]:
        """The oldest messages that have arrived."""
        arrived = self._arrived
        if len(arrived) <= most:
            self._arrived = []
            return arrived
        taken = arrived[:most]
        del arrived[:most]
        return taken

    @property
    def waiting(self) -> int:
        """Messages that have arrived and were not taken."""
        return len(self._arrived)

    async def close(self) -> None:
        """End the subscription; what the server had sent by then has arrived on return.

        What it would still send is delivered to others.
        """
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            with contextlib.suppress(NatsError, TimeoutError):  # away: it is delivered again
                async with asyncio.timeout(CLOSE_SECONDS):
                    await subscription.drain()  # type: ignore[no-untyped-call]


def delivery(message: Msg) -> Delivery:
    """A NATS message as the delivery that the core works with."""
    fields = "".join(f"{name}: {said}\r\n" for name, said in (message.headers or {}).items())
    header = f"NATS/1.0\r\n{fields}\r\n".encode() if fields else b""
    return _delivery(message.subject, message.reply, message.data, header)


def _delivery(subject: str, reply: str, payload: bytes, header: bytes = b"") -> Delivery:
    # The usual case is seen without taking the subject apart.
    again = _FIRST_TIME not in reply and times_delivered(reply) > 1
    return Delivery(subject, reply, payload, again, header)


def _text(subject: bytes) -> str:
    return subject.decode(errors="backslashreplace")


_subject = lru_cache(maxsize=1024)(_text)  # tens of thousands held at once share a few


def times_delivered(reply: str) -> int:
    """How often the message was delivered, this time included; from its acknowledgement subject."""
    return int(_tokens(reply)[0])


def stream_sequence(reply: str) -> int:
    """The message's place in its stream; from its acknowledgement subject."""
    return int(_tokens(reply)[1])


def place(reply: str) -> tuple[int, int]:
    """``stream_sequence``, and when the stream took it, in nanoseconds."""
    tokens = _tokens(reply)
    return int(tokens[1]), int(tokens[3])


def identity(reply: str) -> str:
    """Sequence and time of storing: together they are never given twice, also by a new stream."""
    tokens = _tokens(reply)
    return f"{tokens[1]}-{tokens[3]}"


def _tokens(reply: str) -> list[str]:
    """``[delivered, stream sequence, ...]`` of ``$JS.ACK.[domain.account.]stream.consumer....``."""
    tokens = reply.split(".")
    return tokens[4:] if len(tokens) == 9 else tokens[6:]
