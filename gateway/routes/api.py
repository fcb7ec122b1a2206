"""The application: routes, what they refuse, and their OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match, Route

from gateway.failures import Failed
from gateway.routes import dead_letters, live, openapi, routes
from spindle import __version__
from spindle.text import shown

ABOUT = """\
Spindle over HTTP: every question that the reader answers, visits of the car park, and what happens
now as server-sent events. Every failure is `{"status": "error", "message": "one sentence"}`.
"""


def build(deps: routes.RouteDeps) -> FastAPI:
    """The application, without what stands before it (``guard``)."""
    app: FastAPI = FastAPIOffline(
        redoc_url=None,
        root_path=deps.settings.gateway_root_path,
        redirect_slashes=False,
        title="Spindle",
        version=__version__,
        description=ABOUT,
        swagger_ui_parameters={"validatorUrl": None, "defaultModelsExpandDepth": -1},
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.add_exception_handler(HTTPException, _http_failure)
    app.add_exception_handler(Failed, _failed)
    app.add_exception_handler(Exception, _fault)
    routes.add_operations(app, deps)
    routes.add_visits(app, deps)
    live.add_live(app, deps.hub)
    dead_letters.add_dead_letters(app, deps)
    routes.add_questions(app, deps)
    routes.add_page(app, deps)
    _describe(app, deps)
    return app


async def _failed(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Failed)  # noqa: S101 - registered for it alone
    return error.response()


async def _fault(_request: Request, _error: Exception) -> Response:
    """500 for a fault of the program, which ``guard.Watched`` logs."""
    return Failed(500, "the gateway has a fault; its log says more").response()


async def _http_failure(request: Request, error: Exception) -> Response:
    """What the framework refuses by itself: no such path, or not with that method."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it alone
    path = shown(request.url.path)
    if error.status_code == 404:
        message = f"there is no {path}; /docs shows what there is"
    elif error.status_code == 405:
        allowed = _methods(request)
        message = f"{path} does not take {request.method[:20]}; allowed is {allowed}"
        return Failed(405, message, headers={"Allow": allowed}).response()
    else:
        message = str(error.detail)
    return Failed(error.status_code, message, headers=error.headers).response()


def _methods(request: Request) -> str:
    """What the routes of a path take together; the framework names those of one."""
    there = [
        route
        for route in request.app.routes
        if isinstance(route, Route) and route.matches(request.scope)[0] != Match.NONE
    ]
    taken = {method for route in there for method in route.methods or ()}
    return ", ".join(sorted(taken | ({"HEAD"} if "GET" in taken else set())))


def _describe(app: FastAPI, deps: routes.RouteDeps) -> None:
    """The document is made anew whenever the reader tells other questions."""
    own: Callable[[], dict[str, Any]] = app.openapi
    token = bool(deps.settings.gateway_token.get_secret_value())

    def document() -> dict[str, Any]:
        return openapi.with_questions(own(), deps.catalogue.questions, token)

    app.openapi = document  # type: ignore[method-assign]
