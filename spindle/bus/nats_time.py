"""Ask NATS for its time, and have a service's clock compared with it."""

from __future__ import annotations

from typing import Any

import orjson
from nats.aio.client import Client
from nats.errors import Error as NatsError

from spindle import subjects, timestamps
from spindle.service.run import Service

EVERY_SECONDS = 5.0
_TIMEOUT_SECONDS = 2.0


async def keep_comparing(service: Service[Any], client: Client) -> None:
    """Compare the clocks every few seconds until the service is told to stop."""
    await service.unless_stopped(compare(service, client))
    while await service.pause(EVERY_SECONDS):
        await service.unless_stopped(compare(service, client))


async def compare(service: Service[Any], client: Client) -> None:
    """Compare the service's clock with NATS's, where NATS answers."""
    service.clock.compare(await time_ns(client) if client.is_connected else None)


async def time_ns(client: Client) -> int | None:
    """The server's clock, in nanoseconds; None where it does not answer, or not with its time.

    nats-server says it since 2.10, with whatever is asked of a stream.
    """
    subject = f"$JS.API.STREAM.INFO.{subjects.METRICS_STREAM}"
    try:
        answer = await client.request(subject, timeout=_TIMEOUT_SECONDS)
        return timestamps.parse(orjson.loads(answer.data)["ts"])
    except (NatsError, TimeoutError, OSError, ValueError, KeyError, TypeError):
        return None
