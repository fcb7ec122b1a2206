"""The routes, by what they are about. ``api`` puts them together."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import orjson
from fastapi import FastAPI, Request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse, Response

from gateway.failures import JSON, Failed, away
from gateway.http.assets import PREFIX, Assets
from gateway.http.metrics import ParkingCollector
from gateway.http.stream import Hub
from gateway.nats_link import NATS_AWAY, Link
from gateway.routes import openapi
from gateway.routes.manual_visits import KEY, ManualVisits
from gateway.routes.questions import Catalogue, Questions, from_body, from_query_string
from gateway.settings import GatewaySettings
from spindle.service.health import Health

BODY_SECONDS = 10.0  # that a client may take to send its request body
MOST_BODY_BYTES = 65_536  # of one: a thousand times what a visit or a question takes
#: What is too large is read on so far, and forgotten: a connection that is closed with bytes unread
#: is reset, and who is still sending hears of that instead of the answer.
MOST_READ_BYTES = 2**20


@dataclass(frozen=True)
class RouteDeps:
    """What the routes work with."""

    settings: GatewaySettings
    health: Health
    registry: CollectorRegistry
    link: Link
    catalogue: Catalogue
    questions: Questions
    visits: ManualVisits
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


async def request_body(request: Request) -> bytes:
    """The request's body.

    :raises Failed: 413 too large, 408 it does not come.
    """
    closing = {"Connection": "close"}
    too_large = Failed(413, f"the body is larger than {MOST_BODY_BYTES} bytes", headers=closing)
    if _waits_with(request) > MOST_BODY_BYTES:
        raise too_large
    found, size = bytearray(), 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                size += len(chunk)
                if size <= MOST_BODY_BYTES:
                    found += chunk
                elif size > MOST_READ_BYTES:
                    break
    except TimeoutError:
        if size <= MOST_BODY_BYTES:
            why = f"the body did not come within {BODY_SECONDS:g} s"
            raise Failed(408, why, headers=closing) from None
    except ClientDisconnect:
        raise Failed(400, "the body broke off") from None
    if size > MOST_BODY_BYTES:
        raise too_large
    return bytes(found)


def _waits_with(request: Request) -> int:
    """Bytes of a body that comes once it is asked for, as a large one of curl does; else 0."""
    length = request.headers.get("content-length", "")
    return int(length) if "expect" in request.headers and length.isdecimal() else 0


def add_operations(app: FastAPI, deps: RouteDeps) -> None:
    """``/healthz``, ``/readyz``, ``/metrics``."""
    tags: list[Any] = ["operations"]

    @app.get(
        "/healthz",
        tags=tags,
        summary="Which parts of the gateway work; asked without a token.",
        responses={
            200: {"model": HealthReport, "content": {JSON: {"example": openapi.HEALTH_EXAMPLE}}},
            503: {"model": HealthReport, "description": "Some part does not work."},
        },
    )
    async def healthz() -> Response:
        health = deps.health
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
        if not deps.link.is_up:
            raise away(NATS_AWAY)
        return Response(orjson.dumps(deps.health.report()), media_type=JSON)

    @app.get(
        "/metrics",
        tags=tags,
        summary="For Prometheus: the gateway's metrics, and those of the car park.",
        response_class=PlainTextResponse,
        responses={
            200: {"content": {"text/plain": {"example": openapi.METRICS_EXAMPLE}}},
            **openapi.failures(),
        },
    )
    async def metrics() -> Response:
        await deps.parking.refresh()
        return Response(generate_latest(deps.registry), media_type=CONTENT_TYPE_LATEST)


def add_visits(app: FastAPI, deps: RouteDeps) -> None:
    """``POST /save_summary``."""
    key = openapi.parameter(
        "header",
        "Idempotency-Key",
        "Makes repeating the request harmless for a day.",
        "visit-2026-01-31-17",
        pattern=KEY,
    )

    @app.post(
        "/save_summary",
        tags=["parking"],
        status_code=202,
        summary="Write a visit of the car park down by hand.",
        description="Answered once NATS has acknowledged it; it is stored as every other visit.",
        responses={
            202: {"model": Saved, "content": {JSON: {"example": openapi.SAVED_EXAMPLE}}},
            **openapi.failures(403, 408, 409, 413, 422, 503),
        },
        openapi_extra=key | openapi.body(openapi.VISIT_BODY, visit=openapi.VISIT_EXAMPLE),
    )
    async def save_summary(request: Request) -> Response:
        body = await request_body(request)
        saved = await deps.visits.save(body, request.headers.get("idempotency-key"))
        reply = {
            "status": "accepted",
            "id": saved.id,
            "duration_seconds": saved.duration_seconds,
        }
        return Response(orjson.dumps(reply), 202, media_type=JSON)


def add_page(app: FastAPI, deps: RouteDeps) -> None:
    """``/`` and the files that it needs."""
    assets = Assets(deps.settings.gateway_root_path, deps.settings.gateway_grafana_url)

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return assets.page()

    @app.get(PREFIX + "{version}/{name:path}", include_in_schema=False)
    async def file(version: str, name: str) -> Response:
        return assets.file(version, name)


def add_questions(app: FastAPI, deps: RouteDeps) -> None:
    """``POST /api/v1/query`` and ``/api/v1/<query_type>``."""
    failures = openapi.failures(400, 404, 408, 413, 502, 503, 504)

    @app.post(
        "/api/v1/query",
        tags=["questions"],
        summary="Any question: its query_type and its params.",
        responses={200: openapi.answer(), **failures, **openapi.failures(403)},
        openapi_extra=openapi.body(openapi.QUESTION_BODY),
    )
    async def query(request: Request) -> Response:
        return await deps.questions.ask(await request_body(request) or b"{}")

    @app.get(
        "/api/v1/{query_type}",
        tags=["questions"],
        summary="One question; its params as ?key=value.",
        responses={200: openapi.answer(), **openapi.failures(400, 404, 405, 502, 503, 504)},
        openapi_extra=openapi.parameter(
            "path", "query_type", "What is asked.", "device_health", required=True
        ),
    )
    async def question(request: Request) -> Response:
        query_type = request.path_params["query_type"]
        asked = from_query_string(query_type, request.query_params.multi_items())
        return await deps.questions.ask(asked, query_type, read_only=True)

    @app.post(
        "/api/v1/{query_type}",
        tags=["questions"],
        summary="The same with its params as JSON; what changes something takes nothing else.",
        responses={200: openapi.answer(), **failures, **openapi.failures(403)},
        openapi_extra=openapi.body({"type": ["object", "null"]}),
    )
    async def question_of_body(request: Request) -> Response:
        query_type = request.path_params["query_type"]
        asked = from_body(query_type, await request_body(request))
        return await deps.questions.ask(asked, query_type)
