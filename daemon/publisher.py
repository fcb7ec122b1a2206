"""Publish to JetStream, and keep every message until its stream has acknowledged it.

Many messages are in flight at once; their acknowledgements come back on one inbox. A refusal, a
time-out or a lost connection puts a message back in its old place in the backlog, and it is
published again with the same ``Nats-Msg-Id``: the stream recognises a repeat within its duplicate
window, and beyond that writing a point twice changes nothing in the store.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from secrets import token_hex
from time import monotonic, time_ns

import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import MaxPayloadError

from daemon.backlog import Backlog, Entry
from daemon.lane import ACK_TIMEOUT_SECONDS, Lane
from daemon.messages import Message
from daemon.meters import Meters
from spindle import bus, subjects
from spindle.ledger.numbering import Claims
from spindle.service.health import Health
from spindle.service.tasks import cancelled, lasting
from spindle.settings import Settings

log = logging.getLogger("daemon.publisher")

STREAMS = (
    subjects.METRICS_STREAM,
    subjects.EVENTS_STREAM,
    subjects.SIMULATION_STREAM,
    subjects.PARKING_STREAM,
    subjects.bucket_stream(subjects.DEVICES_BUCKET),
)
#: Whose points are numbered: the writers note what became of them.
NUMBERED = frozenset({subjects.METRICS_STREAM, subjects.EVENTS_STREAM, subjects.PARKING_STREAM})
CLAIM_SECONDS = 5.0
WATCH_SECONDS = 0.25
NO_RESPONDERS = "503"
#: JetStream's code for "maximum bytes exceeded" and its like.
STREAM_FULL = 10077
_KEPT = "points wait in the backlog"

Answer = Callable[[Msg], Awaitable[None]]


class Publisher:
    """Takes messages at any time; ``run`` publishes them whenever NATS lets it."""

    def __init__(
        self,
        settings: Settings,
        health: Health,
        backlog: Backlog,
        meters: Meters,
        answers: Mapping[str, Answer] | None = None,
        ack_timeout: float = ACK_TIMEOUT_SECONDS,
    ) -> None:
        """With ``answers``, the requests on these subjects are answered on the same connection."""
        self._settings = settings
        self._health = health
        self._backlog = backlog
        self._meters = meters
        self._answers = answers or {}
        self._lanes = {name: Lane(name, ack_timeout) for name in STREAMS}
        self._wake = {name: asyncio.Event() for name in STREAMS}  # a lane may have work
        self._claims = Claims("daemon")
        # Begins message ids, and not the publisher's name, which `audit` tells: who knows the next
        # id may publish under it first, and the stream would drop ours as a repeat.
        self._secret = token_hex(16)
        self._connected = False
        self._undeclared = asyncio.Event()  # streams have to be declared before more is sent
        self._undeclared.set()
        self._empty = asyncio.Event()  # everything is acknowledged
        self._empty.set()
        self._dropping = False  # the backlog overflowed and has not emptied since

    def put(self, messages: Iterable[Message]) -> None:
        """Take messages in; where the backlog is full, the oldest go."""
        for message in messages:
            first = self._claims.number(message.stream, message.points)
            self._dropped(self._backlog.add(message, first))
        self._settled()
        self._wake_all()

    async def drained(self, seconds: float) -> int:
        """Wait until everything is acknowledged, but not longer; the points still held."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._empty.wait()
        return self._backlog.points

    async def run(self) -> None:
        """Connect and publish until cancelled; may be run again after it ended."""
        never = asyncio.Event()
        self._undeclared.set()
        for lane in self._lanes.values():  # what an earlier run had in flight
            self._back(lane.disconnected(), "connection")
        client = await bus.connect(self._settings, "daemon", self._connection)
        try:
            inbox = client.new_inbox()
            await client.subscribe(f"{inbox}.*.*", cb=self._answer)
            for subject, answer in self._answers.items():
                await client.subscribe(subject, cb=answer)
            async with asyncio.TaskGroup() as tasks:
                loops = {
                    "declare streams": self._keep_declared(client),
                    "watch for late acknowledgements": self._watch(),
                    "say what is acknowledged": self._claim_regularly(client),
                }
                loops |= {
                    f"publish to {name}": self._send(client, lane, inbox)
                    for name, lane in self._lanes.items()
                }
                for name, loop in loops.items():
                    tasks.create_task(lasting(loop, never), name=name)
        finally:
            await self._claim(client)
            await bus.close(client)

    async def _claim_regularly(self, client: Client) -> None:
        while not cancelled():
            await asyncio.sleep(CLAIM_SECONDS)
            await self._claim(client)

    async def _claim(self, client: Client) -> None:
        """Say what was acknowledged, for the audit; what gets lost is said again."""
        if not client.is_connected:
            return
        for subject, payload in self._claims.news():
            with contextlib.suppress(NatsError, OSError):
                await client.publish(subject, payload)

    async def _keep_declared(self, client: Client) -> None:
        while not cancelled():
            await self._undeclared.wait()
            await bus.declare(client, self._settings, self._health)
            self._undeclared.clear()
            self._report()
            self._wake_all()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            for lane in self._lanes.values():
                self._back(lane.expired(monotonic()), "timeout")
                if lane.recovered(monotonic()):
                    self._report()

    async def _send(self, client: Client, lane: Lane, inbox: str) -> None:
        wake = self._wake[lane.stream]
        while True:
            wake.clear()
            while entry := self._next(lane):
                await self._publish(client, lane, entry, f"{inbox}.{lane.stream}.{entry.number}")
            if cancelled():
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(lane.pause(monotonic())):
                    await wake.wait()

    def _next(self, lane: Lane) -> Entry | None:
        ready = self._connected and not self._undeclared.is_set() and lane.may_send(monotonic())
        return self._backlog.take(lane.stream) if ready else None

    async def _publish(self, client: Client, lane: Lane, entry: Entry, reply: str) -> None:
        message = entry.message
        message_id = message.message_id or f"{self._secret}-{entry.number}"
        headers = {subjects.MESSAGE_ID_HEADER: message_id}
        if message.stream in NUMBERED:
            headers[subjects.NUMBER_HEADER] = self._claims.header(entry.first, message.points)
        lane.sent(entry, monotonic())
        try:
            await client.publish(message.subject, message.payload, reply=reply, headers=headers)
        except MaxPayloadError:
            self._too_large(client, lane, entry)
        except (NatsError, OSError) as error:
            self._failed(lane, entry.number, f"cannot publish: {error}", "connection")

    async def _answer(self, answer: Msg) -> None:
        """One acknowledgement, or a refusal; the subject's last tokens say of what."""
        _, stream, token = answer.subject.rsplit(".", 2)
        lane, number = self._lanes[stream], int(token)
        refusal = _refusal(answer, stream)
        if refusal is not None:
            trouble, reason = refusal
            if reason == "no_stream":
                self._undeclared.set()
            self._failed(lane, number, trouble, reason)
            return
        entry = lane.acknowledged(number, monotonic())
        if entry is not None:
            self._backlog.done(entry)
            self._meters.published(entry.message)
            # What the stream had already, under an id that others use too, it may have had from
            # another process, by another number.
            if stream in NUMBERED and not (entry.message.message_id and _is_repeat(answer)):
                self._claims.acknowledged(stream, entry.first, entry.message.points, time_ns())
            self._settled()
        self._wake[stream].set()

    def _failed(self, lane: Lane, number: int, trouble: str, reason: str) -> None:
        entry = lane.failed(number, monotonic(), trouble)
        if entry is not None:
            self._back([entry], reason)

    def _back(self, entries: list[Entry], reason: str) -> None:
        if not entries:
            return
        self._meters.failures.labels(reason).inc(len(entries))
        for entry in entries:
            self._dropped(self._backlog.back(entry))
        self._settled()
        self._report()
        self._wake_all()

    def _too_large(self, client: Client, lane: Lane, entry: Entry) -> None:
        """Drop a message that is larger than the server takes."""
        trouble = (
            f"a message of {len(entry.message.payload):,} bytes is more than NATS takes "
            f"({client.max_payload:,}): set a smaller DAEMON_ENVELOPE_SIZE"
        )
        if lane.failed(entry.number, monotonic(), trouble) is not None:
            self._meters.failures.labels("too_large").inc()
            self._meters.dropped.inc(entry.message.points)
            self._backlog.drop(entry)
            self._settled()
            self._report()

    def _settled(self) -> None:
        if self._backlog.points:
            self._empty.clear()
        else:
            self._empty.set()
        if self._dropping and self._backlog.roomy:
            self._dropping = False
            log.warning(
                "the backlog has room again; %s points were dropped since start",
                f"{self._backlog.dropped:,}",
            )
            self._report()

    def _dropped(self, points: int) -> None:
        if not points:
            return
        self._meters.dropped.inc(points)
        if not self._dropping:
            self._dropping = True
            log.warning(
                "the backlog is full at %s points, %s bytes: from now on the oldest are dropped "
                "(DAEMON_BACKLOG_BYTES)",
                f"{self._backlog.points:,}",
                f"{self._backlog.size:,}",
            )
            self._report()

    def _connection(self, connected: bool) -> None:
        self._connected = connected
        if connected:
            self._health.ok("nats")
            self._wake_all()
            return
        self._health.failing("nats", f"no connection; {_KEPT}")
        for lane in self._lanes.values():
            self._back(lane.disconnected(), "connection")

    def _report(self) -> None:
        """Tell ``/healthz`` whether the streams take what is published."""
        troubles = [lane.trouble for lane in self._lanes.values() if lane.trouble]
        if self._dropping:
            troubles.append("the backlog is full, the oldest points are dropped")
        if troubles:
            self._health.failing("stream", "; ".join(troubles))
        elif not self._undeclared.is_set():
            self._health.ok("stream")

    def _wake_all(self) -> None:
        for wake in self._wake.values():
            wake.set()


def _is_repeat(answer: Msg) -> bool:
    return bool(orjson.loads(answer.data).get("duplicate"))


def _refusal(answer: Msg, stream: str) -> tuple[str, str] | None:
    """None for an acknowledgement, else a sentence and the reason as the metrics name it."""
    if not answer.data and (answer.headers or {}).get("Status") == NO_RESPONDERS:
        return f"no stream takes what belongs to {stream}; {_KEPT}", "no_stream"
    try:
        reply = orjson.loads(answer.data)
        error = reply.get("error")
        if error is None and "stream" in reply:
            return None
        description = str((error or {}).get("description", "an answer without a stream"))
        full = (error or {}).get("err_code") == STREAM_FULL
    except (orjson.JSONDecodeError, AttributeError):
        return f"{stream} answered with something that is no acknowledgement", "refused"
    if full:
        return f"stream {stream} is full ({description}); {_KEPT}", "stream_full"
    return f"stream {stream} refuses: {description}; {_KEPT}", "refused"
