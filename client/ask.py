"""Ask the reader one question, and tell the ways apart in which no answer comes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError

from spindle.errors import InvalidInput, SpindleError

TIMEOUT_SECONDS = 10.0  #: for one answer; promised, so no setting
READER = "reader"  #: its name as a micro service
_FIRST = "fleet_health"  # which drives are in trouble: what most come to ask
CODE_HEADER = "Nats-Service-Error-Code"


class ReaderAway(SpindleError):
    """Nobody answers: waiting and asking again is right."""


class ReaderSilent(ReaderAway):
    """The question was taken, and no answer came in time."""


class Refused(SpindleError):
    """The reader answered that it cannot answer; the sentence is the reader's.

    :ivar code: as in HTTP, empty where none came.
    """

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


async def ask(
    client: Client,
    subject: str,
    query_type: str,
    params: Mapping[str, Any],
    timeout_seconds: float,
) -> dict[str, Any]:
    """The reader's whole reply, ``{"status":"success","data":...}``.

    :raises ReaderAway: nobody answers, or not in time, or NATS is away.
    :raises Refused: the reader's answer is an error, or is none that can be understood.
    :raises InvalidInput: the question holds a byte that is no UTF-8, as a command line may.
    """
    try:
        question = orjson.dumps({"query_type": query_type, "params": dict(params)})
    except TypeError:
        raise InvalidInput("the question holds a byte that is no UTF-8") from None
    try:
        message = await client.request(subject, question, timeout=timeout_seconds)
    except NoRespondersError:
        raise ReaderAway(f"no reader answers on {subject}") from None
    except TimeoutError:
        if not client.is_connected:
            raise ReaderAway("NATS is away") from None
        raise ReaderSilent(
            f"the reader on {subject} did not answer within {timeout_seconds:g} s"
        ) from None
    except NatsError as error:
        raise ReaderAway(f"NATS did not take the question: {error}") from None
    return understand(message.data, (message.headers or {}).get(CODE_HEADER, ""))


async def questions(client: Client, timeout_seconds: float) -> dict[str, Any]:
    """What can be asked, as a reply of the reader: ``[{question, what}]``.

    :raises ReaderAway: nobody answers, or not in time, or NATS is away.
    """
    try:
        message = await client.request(f"$SRV.INFO.{READER}", b"", timeout=timeout_seconds)
    except NatsError as error:
        raise ReaderAway(f"no reader answers ({error})") from None
    endpoints = orjson.loads(message.data)["endpoints"]
    whole = {each["name"]: each["metadata"]["description"] for each in endpoints}
    names = sorted((name for name in whole if name != "query"), key=lambda n: (n != _FIRST, n))
    return {
        "status": "success",
        "data": [{"question": name, "what": whole[name]} for name in names],
    }


def understand(payload: bytes, code: str = "") -> dict[str, Any]:
    """The object in a reply's payload, if its status is success.

    :raises Refused: it is an error, or no reply of a reader at all.
    """
    try:
        reply = orjson.loads(payload)
    except orjson.JSONDecodeError:
        raise Refused("the answer is not JSON", code) from None
    if not isinstance(reply, dict) or reply.get("status") not in ("success", "error"):
        raise Refused("the answer is not one of a reader: it has no status", code)
    if reply["status"] == "error":
        raise Refused(str(reply.get("message") or "the reader gave no reason"), code)
    if "data" not in reply:
        raise Refused("the answer is not one of a reader: it has no data", code)
    return reply
