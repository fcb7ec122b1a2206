"""The bucket ``parking``: read a plate's state, and replace exactly the one that was read.

Where no vehicle is inside, the state is the payload of a delete marker, so that the key is not
listed; NATS itself drops the marker when nothing in it has to be remembered any longer.
"""

from __future__ import annotations

from dataclasses import dataclass

from nats.js import JetStreamContext

from spindle import subjects
from spindle.bus.buckets import Bucket
from writer.parking import codec
from writer.parking.state import State

TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Cell:
    """A state as it was read; ``revision`` is 0 where the bucket knew nothing."""

    state: State
    revision: int


class PlateStates:
    """Compare-and-set on one plate at a time."""

    def __init__(self, js: JetStreamContext, remember_seconds: float) -> None:
        self._bucket = Bucket(js, subjects.PARKING_BUCKET)
        self._remember_seconds = remember_seconds

    async def read(self, key: str) -> Cell:
        """The stored state of a plate, with its revision.

        :raises nats.errors.Error: NATS does not answer.
        """
        entry = await self._bucket.get(key)
        return Cell(codec.decode(entry.value), entry.revision)

    async def write(self, key: str, before: Cell, state: State) -> Cell:
        """Replace the state that was read by a new one.

        :raises Overtaken: another matcher changed it since it was read.
        :raises nats.errors.Error: it may or may not have been replaced.
        """
        value, live = codec.encode(key, state)
        if live:
            revision = await self._bucket.replace(key, value, before.revision)
        else:
            busy = state.waiting or state.outbox
            seconds = None if busy else self._remember_seconds
            revision = await self._bucket.retire(key, value, before.revision, seconds)
        return Cell(state, revision)
