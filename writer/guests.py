"""Consumers for guests of NATS, who may create none themselves.

nats-server delivers to whatever subject a consumer names, JetStream's own API included, and asks
nobody's permissions about it. So ``nats kv ls`` and ``nats kv watch`` of a guest
(``local/nats/users.py``) come here instead: what is created for them reads one bucket, keeps
nothing, and delivers to guests alone. Without guests nobody asks.
"""

from __future__ import annotations

import contextlib
import logging
import re
from typing import Any

import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from spindle import subjects
from spindle.errors import InvalidInput
from spindle.service.run import Service
from writer.settings import WriterSettings

log = logging.getLogger("writer")

_INBOX = re.compile(r"_INBOX((?:\.[A-Za-z0-9_-]+)+)")
#: What a guest may say about a consumer: where it begins, of which keys, and how it is paced.
_SETTLED_BY_GUESTS = (
    *("deliver_policy", "opt_start_seq", "opt_start_time", "filter_subject", "filter_subjects"),
    *("headers_only", "flow_control", "idle_heartbeat"),
)
#: And what is settled for them: it goes when nobody has listened for five seconds.
_SETTLED = {
    "ack_policy": "none",
    "max_deliver": 1,
    "mem_storage": True,
    "num_replicas": 1,
    "inactive_threshold": 5_000_000_000,
}
_CREATE = "$JS.API.CONSUMER.CREATE"
_TYPE = "io.nats.jetstream.api.v1.consumer_create_response"
ANSWER_SECONDS = 4.0  #: the ``nats`` command waits five


def consumer(asked: bytes, stream: str) -> dict[str, Any]:
    """JetStream's request for what a guest asked of it.

    :raises InvalidInput: it is no request, or its messages would go elsewhere than to an inbox.
    """
    try:
        config = orjson.loads(asked)["config"]
        inbox = _INBOX.fullmatch(config["deliver_subject"])
    except (ValueError, TypeError, KeyError):
        inbox = None
    if inbox is None:
        raise InvalidInput("guests are given consumers that deliver to _INBOX.>, and no others")
    said = {name: config[name] for name in _SETTLED_BY_GUESTS if name in config}
    to = f"{subjects.GUEST_INBOX}{inbox[1]}"
    return {"stream_name": stream, "config": said | _SETTLED | {"deliver_subject": to}}


def refusal(code: int, why: str) -> dict[str, Any]:
    """JetStream's answer where there is no consumer."""
    return {"type": _TYPE, "error": {"code": code, "description": why}}


class GuestConsumers:
    """Answers requests for consumers, beside all other writers."""

    def __init__(self, client: Client, service: Service[WriterSettings]) -> None:
        self._client, self._service = client, service

    async def run(self) -> None:
        """Until the service stops."""
        subject = f"{subjects.GUEST_FOLLOW}.>"
        subscription = await self._client.subscribe(subject, queue="writer", cb=self._create)
        await self._service.stopping.wait()
        with contextlib.suppress(NatsError):  # NATS may be away
            await subscription.unsubscribe()

    async def _create(self, message: Msg) -> None:
        # The name and the filter that may follow are said in the request, or chosen by JetStream.
        stream = message.subject.removeprefix(f"{subjects.GUEST_FOLLOW}.").split(".")[0]
        try:
            wanted = orjson.dumps(consumer(message.data, stream))
            answer = await self._client.request(f"{_CREATE}.{stream}", wanted, ANSWER_SECONDS)
            body = answer.data
        except InvalidInput as error:
            body = orjson.dumps(refusal(400, str(error)))
        except (NatsError, TimeoutError) as error:
            body = orjson.dumps(refusal(503, f"NATS did not answer: {error}"))
        with contextlib.suppress(NatsError):  # went away meanwhile: the guest asks again
            await message.respond(body)
