"""What a stream holds, and since when, as NATS says it: also while no writer runs to say so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
from nats.aio.client import Client
from nats.js.api import RetentionPolicy
from nats.js.errors import APIError

from spindle import timestamps
from spindle.timestamps import NS

_TIMEOUT_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Held:
    """What a stream holds.

    :ivar max_bytes: that it may hold; 0 for no bound.
    :ivar oldest_seconds: the age of its oldest message, 0 where there is none; None of a stream
        that keeps what was dealt with, and from a NATS older than 2.10.
    """

    messages: int
    bytes: int
    max_bytes: int
    oldest_seconds: float | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for one consumer: messages not delivered yet, and delivered but not settled."""

    pending: int
    unacknowledged: int


async def held(client: Client, stream: str) -> Held:
    """:raises nats.errors.Error, TimeoutError: NATS does not answer, or has no such stream."""
    return held_of(await _info(client, f"STREAM.INFO.{stream}"))


async def waiting(client: Client, stream: str, consumer: str) -> Waiting:
    """:raises: as ``held``."""
    info = await _info(client, f"CONSUMER.INFO.{stream}.{consumer}")
    return Waiting(info["num_pending"], info["num_ack_pending"])


async def _info(client: Client, subject: str) -> dict[str, Any]:
    answer = await client.request(f"$JS.API.{subject}", timeout=_TIMEOUT_SECONDS)
    info: dict[str, Any] = orjson.loads(answer.data)
    if "error" in info:
        APIError.from_error(info["error"])  # raises
    return info


def held_of(info: dict[str, Any]) -> Held:
    """NATS's answer to a question about a stream. Pure.

    Both times of the age are NATS's own: no clock of this machine takes part.
    """
    state, config = info["state"], info["config"]
    oldest = None if config["retention"] == RetentionPolicy.LIMITS or "ts" not in info else 0.0
    if oldest is not None and state["messages"]:  # of an empty stream first_ts is the year 1
        age_ns = timestamps.parse(info["ts"]) - timestamps.parse(state["first_ts"])
        oldest = max(0.0, round(age_ns / NS, 3))
    return Held(state["messages"], state["bytes"], max(0, config.get("max_bytes", 0)), oldest)
