"""The bucket ``parking``: read a plate's state, and replace exactly the one that was read.

Where no vehicle is inside, the state is the payload of a delete marker, so that the key is not
listed; NATS itself drops the marker when nothing in it has to be remembered any longer.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from nats.js import JetStreamContext
from nats.js.errors import APIError

from spindle import parking, subjects
from spindle.errors import SpindleError
from writer.parking import codec
from writer.parking.state import State

TIMEOUT_SECONDS = 5.0
_EXPECTED = "Nats-Expected-Last-Subject-Sequence"
_TTL = "Nats-TTL"
_WRONG_LAST = {10071, 10164}  # JetStream's codes for "somebody else was first"


class Conflict(SpindleError):
    """The state was changed since it was read: read it again."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A state as it was read; ``revision`` is 0 where the bucket knew nothing."""

    state: State
    revision: int


class Bucket:
    """Compare-and-set on one plate at a time."""

    def __init__(self, js: JetStreamContext, remember_seconds: float) -> None:
        self._js = js
        self._ttl = str(max(1, ceil(remember_seconds)))

    async def read(self, key: str) -> Cell:
        """What is known of a plate.

        :raises nats.errors.Error: NATS does not answer.
        """
        message = await parking.last_value(self._js, subjects.PARKING_BUCKET, key)
        if message is None:
            return Cell(State(), 0)
        return Cell(codec.decode(message.data), message.seq or 0)

    async def write(self, key: str, before: Cell, state: State) -> Cell:
        """Replace what was read.

        :raises Conflict: it is not the same any more.
        :raises nats.errors.Error: it may or may not have been replaced.
        """
        value, live = codec.encode(key, state)
        headers = {_EXPECTED: str(before.revision)}
        if not live:
            headers[parking.OPERATION_HEADER] = "DEL"
            if not (state.waiting or state.outbox):
                headers[_TTL] = self._ttl
        try:
            subject = subjects.bucket_subject(subjects.PARKING_BUCKET, key)
            answer = await self._js.publish(subject, value, headers=headers)
        except APIError as error:
            if error.err_code in _WRONG_LAST:
                raise Conflict(f"{key} was changed meanwhile") from None
            raise
        return Cell(state, answer.seq)
