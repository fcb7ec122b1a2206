"""What goes back to whoever asked. Pure.

Success is ``{"status":"success","data":...}``, failure ``{"status":"error","message":...}`` with a
code in the NATS service-error headers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from spindle.errors import BusUnavailable, Busy, InvalidInput, StoreError

LONGEST_MESSAGE = 1000  # characters; an answer never repeats a megabyte to whoever sent it


@dataclass(frozen=True, slots=True)
class Answer:
    """What a handler found out.

    :ivar data: a list or an object; one query type always answers with the same of the two.
    :ivar beside: further keys of the reply, beside ``data``.
    :ivar truncated: there are more rows than ``data`` holds.
    """

    data: list[dict[str, Any]] | dict[str, Any]
    beside: Mapping[str, Any] = field(default_factory=dict)
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no answer.

    :ivar code: as in HTTP; goes into the header ``Nats-Service-Error-Code``.
    :ivar status: the same as one word, for metrics.
    :ivar message: one line, fit for a user.
    """

    code: str
    status: str
    message: str

    def body(self) -> bytes:
        """The reply's payload."""
        return orjson.dumps({"status": "error", "message": self.message})


class TimedOut(Exception):
    """A question took longer than it may; the sentence says what may be done."""


def failure(error: BaseException) -> Failure:
    """The failure that a caller is told of, without internals."""
    if isinstance(error, InvalidInput):
        code, status = "400", "invalid"
    elif isinstance(error, Busy):
        code, status = "429", "busy"
    elif isinstance(error, StoreError | BusUnavailable):
        code, status = "503", "unavailable"
    elif isinstance(error, TimedOut):
        code, status = "504", "timeout"
    else:
        message = "the reader could not answer because of a fault of its own; its log says more"
        return Failure("500", "failed", message)
    return Failure(code, status, _one_line(str(error)))


def _one_line(text: str) -> str:
    line = " ".join(text.split()) or "no reason was given"
    return line if len(line) <= LONGEST_MESSAGE else line[: LONGEST_MESSAGE - 3] + "..."


def success(answer: Answer, most_bytes: int) -> bytes:
    """The reply's payload; a list that is too long for one message is cut, and says so.

    :raises InvalidInput: an object that cannot be cut is larger than a message may be.
    """
    body = _encode(answer)
    while len(body) > most_bytes:
        if not isinstance(answer.data, list) or not answer.data:
            raise InvalidInput(
                f"the answer has {len(body)} bytes and NATS carries {most_bytes}; ask for less"
            )
        # In proportion, and a little less: rows differ in length.
        fits = int(len(answer.data) * most_bytes / len(body) * 0.95)
        answer = replace(answer, data=answer.data[:fits], truncated=True)
        body = _encode(answer)
    return body


def _encode(answer: Answer) -> bytes:
    reply: dict[str, Any] = {"status": "success", "data": answer.data, **answer.beside}
    if answer.truncated:
        reply["truncated"] = True
    return orjson.dumps(reply)
