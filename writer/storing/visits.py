"""Visits from NATS -> the store, and into the totals: each counted once, by all writers together.

The totals are one value in a bucket of their own, replaced by compare-and-set. The visits counted
last are remembered in it by their ids: what is delivered again, or was published twice, is not
counted again.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b

import msgspec
import orjson
from nats.errors import Error as NatsError
from nats.js import JetStreamContext

from spindle import models, parking, subjects
from spindle.bus.buckets import Bucket, Overtaken
from spindle.errors import StoreUnavailable
from spindle.store.base import Store, VisitRow, Written
from spindle.values import UNREADABLE, Whole
from writer.storing.batch import Mistake
from writer.storing.decode import decode_objects

#: So many of the visits counted last are remembered, and all of so many seconds.
LEAST_REMEMBERED, REMEMBER_SECONDS = 1_000, 600
MOST_REMEMBERED = 50_000


@dataclass(frozen=True, slots=True)
class ArrivedVisit:
    """A visit as it arrived; ``processing_seconds`` is None where no matcher made it."""

    row: VisitRow
    processing_seconds: float | None


class VisitDecoder:
    """Payloads of ``parking.summary``."""

    def __init__(self, max_payload: int) -> None:
        self._max_payload = max_payload

    def decode(self, payload: bytes, latest_ns: int) -> tuple[list[ArrivedVisit], list[Mistake]]:
        """The good visits in order, and what is wrong with the rest."""
        return decode_objects(payload, self._max_payload, lambda data: _seen(data, latest_ns))


def _seen(data: object, latest_ns: int) -> ArrivedVisit:
    visit = models.parse(models.ParkingSummary, data, latest_ns)
    row = VisitRow(
        time_ns=visit.exit_date_time,
        visit_id=visit.id,
        plate=visit.vehicle_plate,
        lot=visit.lot,
        status=visit.status,
        entry_ns=visit.entry_date_time,
        reason=visit.reason or "",
    )
    return ArrivedVisit(row, visit.processing_seconds)


class VisitStorer:
    """Writes visits to the store, and counts each once in the totals."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._js: JetStreamContext | None = None  # from the first connection on

    def connected(self, js: JetStreamContext) -> None:
        """Take the connection on which the totals are kept."""
        self._js = js

    async def write(self, visits: Sequence[ArrivedVisit]) -> Written:
        """Store all visits and count those that were not counted.

        :raises StoreError: what the store says; also where NATS does not keep the count.
        """
        if self._js is None:
            raise StoreUnavailable("NATS is not connected yet")
        written = await self._store.write_visits([visit.row for visit in visits])
        try:
            while not await self._count(self._js, visits):
                pass
        except (NatsError, TimeoutError) as error:
            said = error or type(error).__name__
            raise StoreUnavailable(f"NATS does not keep the count of visits: {said}") from None
        return written

    async def _count(self, js: JetStreamContext, visits: Sequence[ArrivedVisit]) -> bool:
        """Whether they are counted; not if another writer counted at the same time."""
        bucket, key = Bucket(js, subjects.PARKING_TOTALS_BUCKET), subjects.PARKING_TOTALS_KEY
        before = await bucket.get(key)
        value = count(before.value, visits, int(time.time()))
        if value is None:
            return True
        try:
            await bucket.replace(key, value, before.revision)
        except Overtaken:
            return False
        return True


class _Value(msgspec.Struct):
    counted: list[tuple[str, Whole]]  # digest of the id, when


_VALUE = msgspec.json.Decoder(_Value)


def count(value: bytes, visits: Sequence[ArrivedVisit], now: int) -> bytes | None:
    """The totals' new value; None where all visits were counted before.

    :param now: in seconds.
    """
    try:
        counted = dict(_VALUE.decode(value).counted) if value else {}
    except UNREADABLE:  # put there by hand
        counted = {}
    totals, known = parking.decode_totals(value), len(counted)
    for visit in visits:
        digest = blake2b(visit.row.visit_id.encode(), digest_size=8).hexdigest()
        if digest not in counted:
            counted[digest] = now
            totals = totals.counting(_status(visit), visit.processing_seconds)
    if len(counted) == known:
        return None
    return orjson.dumps({"totals": asdict(totals), "counted": _remembered(counted, now)})


def _status(visit: ArrivedVisit) -> models.Status:
    status: models.Status = visit.row.status  # type: ignore[assignment] # the model checked it
    return status


def _remembered(counted: dict[str, int], now: int) -> list[tuple[str, int]]:
    """In the order of counting: the last ones, and all of the last minutes."""
    items = list(counted.items())[-MOST_REMEMBERED:]
    old = len(items) - LEAST_REMEMBERED
    return [
        item
        for place, item in enumerate(items)
        if place >= old or item[1] >= now - REMEMBER_SECONDS
    ]
