"""What goes back to an HTTP client when a request fails: one shape for every failure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson
from pydantic import BaseModel, Field
from starlette.responses import Response

JSON = "application/json"
_LONGEST = 1000  # characters; an answer never repeats a megabyte to whoever sent it


class Problem(BaseModel):
    """Why a request failed."""

    status: str = Field("error", pattern="^error$")
    message: str = Field(description="What was wrong and what is allowed, in one sentence.")
    mistakes: list[str] | None = Field(
        None, description="One sentence per mistake, where a body was looked at."
    )


class Failed(Exception):
    """A request that is answered with a failure; ``message`` is fit for a user.

    :ivar code: the HTTP status.
    """

    def __init__(
        self,
        code: int,
        message: str,
        mistakes: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.mistakes = mistakes
        self.headers = headers

    def response(self) -> Response:
        """The failure as it is sent."""
        body: dict[str, object] = {"status": "error", "message": _one_line(self.message)}
        if self.mistakes:
            body["mistakes"] = [_one_line(each) for each in self.mistakes]
        return Response(orjson.dumps(body), self.code, dict(self.headers or {}), JSON)


def _one_line(text: str) -> str:
    line = " ".join(text.encode("utf-8", "replace").decode().split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "..."


def away(message: str) -> Failed:
    """503: asking again is right."""
    return Failed(503, message, headers={"Retry-After": "1"})
