"""The routes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse, Response

from gateway import examples, live, openapi
from gateway.catalogue import Catalogue
from gateway.hub import Hub
from gateway.link import NATS_AWAY, Link
from gateway.metrics import ParkingCollector
from gateway.questions import Questions, from_query_string
from gateway.replies import JSON, Failed, away
from gateway.settings import GatewaySettings
from gateway.sse import EventStream
from gateway.visits import Visits
from spindle import __version__
from spindle.errors import Busy
from spindle.health import Health
from spindle.models import shown

ABOUT = """\
Spindle over HTTP: every question that the reader answers, visits of the car park, and what happens
now as server-sent events. Every failure is `{"status": "error", "message": "one sentence"}`.
"""


@dataclass(frozen=True)
class Parts:
    """What the routes are made of."""

    settings: GatewaySettings
    health: Health
    registry: CollectorRegistry
    link: Link
    catalogue: Catalogue
    questions: Questions
    visits: Visits
    parking: ParkingCollector
    hub: Hub


class Saved(BaseModel):
    """A visit that NATS has acknowledged."""

    status: str = Field("accepted", pattern="^accepted$")
    id: str = Field(description="Of the visit; the store and the CSV file hold it.")
    duration_seconds: float = Field(description="From entry to exit.")


class HealthReport(BaseModel):
    """Which parts work, and why one does not."""

    service: str
    status: str = Field(pattern="^(ok|failing)$")
    since: str = Field(description="Of the last change between ok and failing.")
    parts: dict[str, str]


def build(parts: Parts) -> FastAPI:
    """The application, without what stands before it (``guard``)."""
    app: FastAPI = FastAPIOffline(
        redoc_url=None,
        title="Spindle",
        version=__version__,
        description=ABOUT,
        swagger_ui_parameters={"validatorUrl": None, "defaultModelsExpandDepth": -1},
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.add_exception_handler(HTTPException, _http_failure)
    app.add_exception_handler(Failed, _failed)
    app.add_exception_handler(Exception, _fault)
    _operations(app, parts)
    _visits(app, parts)
    _live(app, parts)
    _questions(app, parts)
    _describe(app, parts)
    return app


async def _failed(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Failed)  # noqa: S101 - registered for it alone
    return error.response()


async def _fault(_request: Request, _error: Exception) -> Response:
    """What ``guard.Watched`` logs."""
    return Failed(500, "the gateway has a fault; its log says more").response()


async def _http_failure(request: Request, error: Exception) -> Response:
    """What the framework refuses by itself: no such path, or not with that method."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it alone
    path = shown(request.url.path)
    if error.status_code == 404:
        message = f"there is no {path}; /docs shows what there is"
    elif error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        message = f"{path} does not take {request.method[:20]}; allowed is {allowed or 'GET'}"
    else:
        message = str(error.detail)
    return Failed(error.status_code, message, headers=error.headers).response()


async def _body(request: Request, settings: GatewaySettings) -> bytes:
    """The request's body.

    :raises Failed: 413 too large, 408 it does not come.
    """
    most, found = settings.gateway_max_body_bytes, bytearray()
    try:
        async with asyncio.timeout(settings.gateway_body_timeout_seconds):
            async for chunk in request.stream():
                found += chunk
                if len(found) > most:
                    raise Failed(
                        413,
                        f"the body is larger than {most} bytes (GATEWAY_MAX_BODY_BYTES)",
                        headers={"Connection": "close"},
                    )
    except TimeoutError:
        seconds = settings.gateway_body_timeout_seconds
        raise Failed(
            408, f"the body did not come within {seconds:g} s", headers={"Connection": "close"}
        ) from None
    except ClientDisconnect:
        raise Failed(400, "the body broke off") from None
    return bytes(found)


def _operations(app: FastAPI, parts: Parts) -> None:
    tags: list[Any] = ["operations"]

    @app.get(
        "/healthz",
        tags=tags,
        summary="Which parts of the gateway work; asked without a token.",
        responses={
            200: {"model": HealthReport, "content": {JSON: {"example": examples.HEALTH}}},
            503: {"model": HealthReport, "description": "Some part does not work."},
        },
    )
    async def healthz() -> Response:
        health = parts.health
        return Response(
            orjson.dumps(health.report()), 200 if health.healthy else 503, media_type=JSON
        )

    @app.get(
        "/readyz",
        tags=tags,
        summary="May requests be sent here now?",
        responses={
            200: {"model": HealthReport},
            **openapi.failures(503),
        },
    )
    async def readyz() -> Response:
        if not parts.link.is_up:
            raise away(NATS_AWAY)
        return Response(orjson.dumps(parts.health.report()), media_type=JSON)

    @app.get(
        "/metrics",
        tags=tags,
        summary="For Prometheus: the gateway's metrics, and those of the car park.",
        response_class=PlainTextResponse,
        responses={
            200: {"content": {"text/plain": {"example": examples.METRICS}}},
            **openapi.failures(),
        },
    )
    async def metrics() -> Response:
        await parts.parking.refresh()
        return Response(generate_latest(parts.registry), media_type=CONTENT_TYPE_LATEST)


def _visits(app: FastAPI, parts: Parts) -> None:
    key = openapi.parameter(
        "header",
        "Idempotency-Key",
        "Makes repeating the request harmless for GATEWAY_IDEMPOTENCY_HOURS.",
        "visit-2026-01-31-17",
        pattern="^[!-~]{1,255}$",
    )

    @app.post(
        "/save_summary",
        tags=["parking"],
        status_code=202,
        summary="Write a visit of the car park down by hand.",
        description="Answered when NATS has acknowledged it; it ends where every other visit does.",
        responses={
            202: {"model": Saved, "content": {JSON: {"example": examples.SAVED}}},
            **openapi.failures(403, 408, 409, 413, 422, 503),
        },
        openapi_extra=key | openapi.body(openapi.VISIT_BODY, visit=examples.VISIT),
    )
    async def save_summary(request: Request) -> Response:
        body = await _body(request, parts.settings)
        saved = await parts.visits.save(body, request.headers.get("idempotency-key"))
        reply = {
            "status": "accepted",
            "id": saved.id,
            "duration_seconds": saved.duration_seconds,
        }
        return Response(orjson.dumps(reply), 202, media_type=JSON)


def _live(app: FastAPI, parts: Parts) -> None:
    names = ", ".join(live.KINDS)

    @app.get(
        "/api/v1/stream",
        tags=["live"],
        summary="What happens now, as server-sent events.",
        description=f"Events of criticality 8 and more, changes of health, and visits ({names}). "
        "Nothing is repeated after a pause, and a client that is too slow is disconnected.",
        response_class=_Streamed,
        responses={
            200: {"content": {"text/event-stream": {"example": examples.STREAM}}},
            **openapi.failures(400, 503),
        },
        openapi_extra=openapi.parameter(
            "query", "kinds", f"Which of {names}, separated by commas; default all.", live.VISIT
        ),
    )
    async def stream(request: Request) -> Response:
        given = request.query_params.get("kinds", "")
        wanted = frozenset(each for each in given.split(",") if each)
        if unknown := wanted - set(live.KINDS):
            raise Failed(400, f"kinds: given {shown(min(unknown))}, expected some of {names}")
        return _Streamed(
            EventStream(parts.hub, wanted, parts.settings.gateway_stream_heartbeat_seconds)
        )


class _Streamed(Response):
    """An event stream in the clothes of a response."""

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


def _questions(app: FastAPI, parts: Parts) -> None:
    failures = openapi.failures(400, 404, 408, 413, 502, 503, 504)

    @app.post(
        "/api/v1/query",
        tags=["questions"],
        summary="Any question: its query_type and its params.",
        responses={200: openapi.answer(), **failures, **openapi.failures(403)},
        openapi_extra=openapi.body(openapi.QUESTION_BODY),
    )
    async def query(request: Request) -> Response:
        return await parts.questions.ask(await _body(request, parts.settings) or b"{}")

    @app.get(
        "/api/v1/{query_type}",
        tags=["questions"],
        summary="One question; its params as ?key=value.",
        responses={200: openapi.answer(), **openapi.failures(400, 404, 502, 503, 504)},
        openapi_extra=openapi.parameter(
            "path", "query_type", "What is asked.", "device_health", required=True
        ),
    )
    async def question(request: Request) -> Response:
        query_type = request.path_params["query_type"]
        asked = from_query_string(query_type, request.query_params.multi_items())
        return await parts.questions.ask(asked, query_type)


def _describe(app: FastAPI, parts: Parts) -> None:
    """The document is made anew whenever the reader tells other questions."""
    own: Callable[[], dict[str, Any]] = app.openapi
    token = bool(parts.settings.gateway_token.get_secret_value())

    def document() -> dict[str, Any]:
        return openapi.with_questions(own(), parts.catalogue.questions, token)

    app.openapi = document  # type: ignore[method-assign]
