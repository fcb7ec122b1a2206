"""Dead letters over HTTP: those that there are, and sending them again once their cause is gone."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

import orjson
from fastapi import FastAPI, Request
from nats.js import JetStreamContext
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from starlette.responses import Response

from gateway.failures import JSON, Failed, away
from gateway.nats_link import Link
from gateway.routes import openapi
from gateway.routes.routes import RouteDeps, request_body
from spindle.bus import deadletters
from spindle.errors import BusUnavailable, InvalidInput
from spindle.ledger.numbering import Claims
from spindle.text import shown

MOST_LISTED = 200  # letters in one answer
MOST_REPLAYED = 500  # in one request: a few seconds' work
_LARGEST_NUMBER = 2**53  # the largest that every JSON parser reads exactly
_Number = Annotated[int, Field(ge=1, le=_LARGEST_NUMBER)]


class Chosen(BaseModel):
    """Which letters are sent again: those with these numbers, or the oldest of one kind."""

    model_config = ConfigDict(extra="forbid", strict=True)
    numbers: list[_Number] = Field([], min_length=1, max_length=MOST_REPLAYED)
    kind: str = Field("", pattern="^[a-z_]{1,40}$", description="Such as invalid or refused.")

    @model_validator(mode="after")
    def _one_of_them(self) -> Chosen:
        if len(self.model_fields_set) != 1:
            raise ValueError("say which: either numbers or kind")
        return self


class Replayed(BaseModel):
    """What became of it."""

    status: Literal["success"] = "success"
    replayed: int = Field(description="Letters that their streams have acknowledged again.")
    refused: list[str] = Field(description="Why others were not sent: one sentence for each.")
    left: int = Field(description="Dead letters that there are still.")


class DeadLetters:
    """Lists and replays; one replay at a time."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._claims = Claims("gateway-replay")
        self._alone = asyncio.Lock()

    async def listed(self, limit: int) -> dict[str, Any]:
        """``{total, letters}``, the oldest first.

        :raises BusUnavailable: JetStream does not answer.
        """
        js = self._js()
        found: list[dict[str, Any]] = []
        async for letter in deadletters.letters(js):
            found.append(letter.listed())
            if len(found) == limit:
                break
        return {"total": await deadletters.count(js), "letters": found}

    async def replay(self, chosen: Chosen) -> Replayed:
        """Send letters again, each with the guarantees of ``deadletters.replay``.

        :raises BusUnavailable: JetStream does not answer; what was not acknowledged stays a letter.
        """
        done, refused = 0, []
        async with self._alone:
            js = self._js()
            # The numbers first: what fails again becomes a new letter, which is not taken too.
            for number in chosen.numbers or await _of_kind(js, chosen.kind):
                try:
                    letter = await deadletters.one(js, number)
                    await deadletters.replay(js, letter, self._claims)
                    done += 1
                except InvalidInput as error:
                    refused.append(str(error))
            await deadletters.claim(js, self._claims)
            return Replayed(replayed=done, refused=refused, left=await deadletters.count(js))

    def _js(self) -> JetStreamContext:
        return deadletters.js_of(self._link.client)


async def _of_kind(js: JetStreamContext, kind: str) -> list[int]:
    """The numbers of the oldest letters of a kind, at most ``MOST_REPLAYED``."""
    found: list[int] = []
    async for letter in deadletters.letters(js):
        if letter.kind == kind:
            found.append(letter.number)
            if len(found) == MOST_REPLAYED:
                break
    return found


def _limit(given: str) -> int:
    if not (given.isascii() and given.isdecimal() and 1 <= int(given[:9]) <= MOST_LISTED):
        raise Failed(400, f"limit: given {shown(given)}, expected 1 to {MOST_LISTED}")
    return int(given)


def _chosen(body: bytes) -> Chosen:
    try:
        return Chosen.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise Failed(400, f"{where}: {first['msg']}" if where else first["msg"]) from None


def add_dead_letters(app: FastAPI, deps: RouteDeps) -> None:
    """``GET /api/v1/deadletters`` and ``POST /api/v1/deadletters/replay``."""
    letters = DeadLetters(deps.link)
    schema = {"type": "integer", "minimum": 1, "maximum": MOST_LISTED, "default": 50}
    limit = {"name": "limit", "in": "query", "description": "At most so many.", "schema": schema}

    @app.get(
        "/api/v1/deadletters",
        tags=["dead letters"],
        summary="What could not be stored, with the reason; the oldest first.",
        responses={200: openapi.answer(), **openapi.failures(400, 503)},
        openapi_extra={"parameters": [limit]},
    )
    async def listed(request: Request) -> Response:
        most = _limit(request.query_params.get("limit", "50"))
        try:
            found = await letters.listed(most)
        except BusUnavailable as error:
            raise away(str(error)) from None
        return Response(orjson.dumps({"status": "success", "data": found}), media_type=JSON)

    @app.post(
        "/api/v1/deadletters/replay",
        tags=["dead letters"],
        summary="Send dead letters again where they came from; then they are letters no more.",
        description=f"At most {MOST_REPLAYED} at once. Repeating a request doubles nothing: a "
        "letter is deleted once its stream has acknowledged it, and known to it for ten minutes.",
        responses={200: {"model": Replayed}, **openapi.failures(400, 403, 408, 413, 503)},
        openapi_extra=openapi.body(
            {**Chosen.model_json_schema(), "minProperties": 1, "maxProperties": 1},
            numbers={"numbers": [3, 4]},
            kind={"kind": "invalid"},
        ),
    )
    async def replay(request: Request) -> Response:
        chosen = _chosen(await request_body(request))
        try:
            done = await letters.replay(chosen)
        except BusUnavailable as error:
            raise away(f"{error}; what was not acknowledged is still a dead letter") from None
        return Response(done.model_dump_json(), media_type=JSON)
