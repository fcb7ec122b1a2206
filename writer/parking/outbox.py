"""Publish what is decided, from a plate's outbox, and then take it out of there.

Whoever finds it there may do so, and more than one may: each item has the same id every time.
"""

from __future__ import annotations

import time

import orjson
from nats.aio.client import Client
from nats.js import JetStreamContext

from spindle import parking, subjects
from spindle.bus import numbered
from spindle.bus.buckets import Overtaken
from spindle.ledger.numbering import Claims
from writer.metrics import ParkingMeters
from writer.parking import codec
from writer.parking.bucket import Cell, PlateStates
from writer.parking.state import Anomaly, Visit
from writer.storing import deadletter


class Outbox:
    """Empties the outbox of any plate."""

    def __init__(
        self, client: Client, js: JetStreamContext, bucket: PlateStates, meters: ParkingMeters
    ) -> None:
        self._client = client
        self._js = js
        self._bucket = bucket
        self._meters = meters
        self._claims = Claims("writer")

    async def empty(self, key: str, cell: Cell | None = None) -> None:
        """Publish everything; where NATS gets in the way, the rest stays.

        :param cell: the plate's state, where it is known.
        :raises nats.errors.Error, BusUnavailable: it may or may not have been published.
        """
        cell = cell or await self._bucket.read(key)
        while items := cell.state.outbox:
            plate = parking.plate_of(key)
            for item in items:
                if isinstance(item, Visit):
                    await self._visit(plate, item)
                else:
                    await self._anomaly(plate, item)
            cell = await self._take_out(key, cell, items)

    async def claim(self) -> None:
        """Say for the audit which visits were acknowledged since the last time."""
        for subject, payload in self._claims.news():
            await self._client.publish(subject, payload)

    async def _take_out(self, key: str, cell: Cell, items: tuple[Visit | Anomaly, ...]) -> Cell:
        while True:
            left = cell.state.without(items)
            if left == cell.state:
                return cell
            try:
                return await self._bucket.write(key, cell, left)
            except Overtaken:
                self._meters.conflicts.inc()
                cell = await self._bucket.read(key)

    async def _visit(self, plate: str, visit: Visit) -> None:
        payload = codec.summary(plate, visit, time.time_ns()).to_json()
        stream, subject = subjects.PARKING_SUMMARIES_STREAM, subjects.PARKING_SUMMARY
        await numbered.publish(self._js, self._claims, visit.id, stream, subject, payload)
        self._meters.visits.labels(visit.status).inc()

    async def _anomaly(self, plate: str, anomaly: Anomaly) -> None:
        payload = orjson.dumps(codec.enter_data(plate, anomaly.entry))
        headers = {
            subjects.MESSAGE_ID_HEADER: anomaly.id,
            subjects.KIND_HEADER: anomaly.kind,
            subjects.REASON_HEADER: deadletter.header_text(anomaly.reason),
            subjects.SUBJECT_HEADER: subjects.PARKING_ENTRY,
            subjects.STREAM_HEADER: subjects.PARKING_STREAM,
        }
        await deadletter.publish(self._client, subjects.PARKING_ENTRY, payload, headers)
        self._meters.anomalies.labels(anomaly.kind).inc()
