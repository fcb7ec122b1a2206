"""What happens now, from NATS to whoever listens: critical events, health changes, visits."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any

import orjson
from fastapi import FastAPI, Request
from nats.aio.client import Client
from nats.aio.msg import Msg
from starlette.responses import Response

from gateway.failures import Failed, away
from gateway.http import stream
from gateway.http.stream import HEARTBEAT_SECONDS, EventStream, Hub
from gateway.routes import openapi
from gateway.settings import GatewaySettings
from spindle import models, subjects
from spindle.bus.buckets import BucketFollower
from spindle.errors import Busy, InvalidInput
from spindle.models import DeviceFacts, Event, ParkingSummary
from spindle.service.checked_clock import CheckedClock
from spindle.service.run import Service
from spindle.text import shown

log = logging.getLogger("gateway")

CRITICAL_EVENT, HEALTH_CHANGE, VISIT = "critical_event", "health_change", "visit"
KINDS = (CRITICAL_EVENT, HEALTH_CHANGE, VISIT)
CRITICAL = 8  # least criticality, 1 to 10
Marks = Callable[[str, str, str | None], dict[str, Any]]
_LARGEST_CHANGE = 65_536  # bytes
_MOST = 100_000  # devices that are known to be simulated


def critical_events(
    payload: bytes, latest_ns: int, marks: Marks = lambda *_: {}
) -> Iterator[bytes]:
    """The critical events of one message, as JSON; what breaks the contract is left out. Pure.

    :param marks: what is known of a device, given its class, id and array.
    """
    try:
        rows = models.decode(payload)
    except InvalidInput:  # the writer makes a dead letter of it
        return
    for row in rows:
        criticality = row.get("criticality") if isinstance(row, dict) else None
        if isinstance(criticality, int) and criticality >= CRITICAL:
            try:
                event = models.parse(Event, row, latest_ns)
            except InvalidInput:
                continue
            known = marks(event.source_device, event.device_id, event.array_id)
            yield orjson.dumps(orjson.loads(event.to_json()) | known) if known else event.to_json()


def visits(payload: bytes, latest_ns: int) -> Iterator[bytes]:
    """The visit of one message; nothing where it is none. Pure."""
    try:
        for row in models.decode(payload):
            yield models.parse(ParkingSummary, row, latest_ns).to_json()
    except InvalidInput:
        return


def health_changes(payload: bytes, _latest_ns: int) -> Iterator[bytes]:
    """The change of one message, if it is a JSON object of bearable size. Pure."""
    if len(payload) > _LARGEST_CHANGE:
        return
    try:
        change = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return
    if isinstance(change, dict):
        yield orjson.dumps(change)


class SimulatedDevices:
    """Which devices do not exist, by their facts: what is told of them as it happens says so."""

    def __init__(self, service: Service[GatewaySettings]) -> None:
        self._service = service
        self._known: set[tuple[str, str, str]] = set()

    def follower(self, client: Client, listener: Client) -> BucketFollower:
        """What keeps this up to date, until the service stops."""
        heard = f"{subjects.FACTS}."
        return BucketFollower(
            subjects.DEVICES_BUCKET, heard, self._take, client, listener, self._service.pause
        )

    def _take(self, _key: str, payload: bytes) -> None:
        with contextlib.suppress(ValueError, InvalidInput):
            facts = models.parse(
                DeviceFacts, orjson.loads(payload), self._service.clock.latest_ns()
            )
            key = facts.source_device, facts.device_id, facts.array_id or ""
            if facts.simulated and len(self._known) < _MOST:
                self._known.add(key)
            else:
                self._known.discard(key)

    def marks(self, source_device: str, device_id: str, array_id: str | None) -> dict[str, Any]:
        """``{"simulated": True}`` of such a device; its facts may name no array."""
        known = {(source_device, device_id, array) for array in (array_id or "", "")}
        return {"simulated": True} if known & self._known else {}


class Live:
    """Subscribes, and hands on; nothing is decoded while nobody listens."""

    def __init__(self, hub: Hub, clock: CheckedClock, marks: Marks) -> None:
        self._hub = hub
        self._marks = marks
        self._clock = clock

    async def subscribe(self, client: Client) -> None:
        """Subscriptions outlive reconnects; they end with the client."""
        events = partial(critical_events, marks=self._marks)
        for subject, kind, decode in (
            (subjects.EVENTS, CRITICAL_EVENT, events),
            (f"{subjects.EVENTS}.>", CRITICAL_EVENT, events),
            (f"{subjects.HEALTH_CHANGED}.>", HEALTH_CHANGE, health_changes),
            (subjects.PARKING_SUMMARY, VISIT, visits),
        ):
            await client.subscribe(subject, cb=self._handler(kind, decode))

    def _handler(
        self, kind: str, decode: Callable[[bytes, int], Iterator[bytes]]
    ) -> Callable[[Msg], Awaitable[None]]:
        async def handle(message: Msg) -> None:
            if not len(self._hub):
                return
            for data in decode(message.data, self._clock.latest_ns()):
                self._hub.send(kind, stream.frame(kind, data))

        return handle


def add_live(app: FastAPI, hub: Hub) -> None:
    """``/api/v1/stream``."""
    names = ", ".join(KINDS)

    @app.get(
        "/api/v1/stream",
        tags=["live"],
        summary="What happens now, as server-sent events.",
        description=f"Events of criticality 8 and more, changes of health, and visits ({names}). "
        "Nothing is repeated after a pause, and a client that is too slow is disconnected.",
        response_class=_Streamed,
        responses={
            200: {"content": {"text/event-stream": {"example": openapi.STREAM_EXAMPLE}}},
            **openapi.failures(400, 503),
        },
        openapi_extra=openapi.parameter(
            "query", "kinds", f"Which of {names}, separated by commas; default all.", VISIT
        ),
    )
    async def stream(request: Request) -> Response:
        given = request.query_params.get("kinds", "")
        wanted = frozenset(each for each in given.split(",") if each)
        if unknown := wanted - set(KINDS):
            raise Failed(400, f"kinds: given {shown(min(unknown))}, expected some of {names}")
        return _Streamed(EventStream(hub, wanted, HEARTBEAT_SECONDS))


class _Streamed(Response):
    """An event stream as a response that FastAPI takes."""

    media_type = "text/event-stream"

    def __init__(self, stream: EventStream, status_code: int = 200) -> None:
        self._stream = stream
        self.status_code = status_code
        self.background = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await self._stream(scope, receive, send)
        except Busy as busy:
            await away(str(busy)).response()(scope, receive, send)
