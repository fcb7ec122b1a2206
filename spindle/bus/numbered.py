"""Publish single messages under numbers, by which the audit tells whether each was stored."""

from __future__ import annotations

import time

from nats.js import JetStreamContext

from spindle import subjects
from spindle.ledger.numbering import Claims


async def publish(
    js: JetStreamContext, claims: Claims, message_id: str, stream: str, subject: str, payload: bytes
) -> None:
    """Publish a message; ``claims`` learns that its stream has it, and ``claims.news`` says so.

    :raises nats.errors.Error, TimeoutError: it may or may not have been published.
    """
    first = claims.number(stream, 1)
    headers = {
        subjects.MESSAGE_ID_HEADER: message_id,
        subjects.NUMBER_HEADER: claims.header(first, 1),
    }
    answer = await js.publish(subject, payload, headers=headers)
    if not answer.duplicate:  # else it is there by another number
        claims.acknowledged(stream, first, 1, time.time_ns())
