"""Visits from NATS -> ``parking_summary.csv``; acknowledged when they stand in the file."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from nats.aio.client import Client
from nats.aio.msg import Msg
from prometheus_client import Counter

from client.consumer import PAUSE_SECONDS, Consumer
from client.files.parking_csv import ParkingCsv
from client.settings import ClientSettings
from spindle import models, subjects
from spindle.errors import InvalidInput
from spindle.models import MAX_PAYLOAD_BYTES, ParkingSummary
from spindle.service.run import Service
from spindle.timestamps import NS

log = logging.getLogger("client")

PART = "parking"
AT_ONCE = 500


class VisitCsvTask:
    """Takes visits from their stream; owns the health part ``parking``."""

    def __init__(
        self, service: Service[ClientSettings], client: Client, output: ParkingCsv
    ) -> None:
        self._service = service
        self._output = output
        stream, name = subjects.PARKING_SUMMARIES_STREAM, subjects.CLIENT_CONSUMER
        self._consumer = Consumer(service, client, stream, name, AT_ONCE)
        self._written = Counter(
            "client_visits_written_total",
            "Parking visits written down",
            registry=service.registry,
        )

    async def run(self) -> None:
        """Take and write until the service stops."""
        await self._consumer.run(self._take, PART, "NATS does not answer")

    async def _take(self, messages: list[Msg]) -> None:
        if messages:
            await self._write(messages)
        else:
            self._service.health.ok(PART)

    async def _write(self, messages: list[Msg]) -> None:
        """Write and acknowledge; a file that cannot be written to is tried again and again."""
        visits = [visit for message in messages for visit in self._visits(message)]
        while True:
            try:
                self._written.inc(await asyncio.to_thread(self._output.write, visits))
                break
            except OSError as error:
                reason = f"cannot write {self._service.settings.client_parking_output}"
                self._service.health.failing(PART, f"{reason}: {error.strerror or error}")
                if not await self._service.pause(PAUSE_SECONDS):
                    return
        self._service.health.ok(PART)
        for message in messages:
            await message.ack()

    def _visits(self, message: Msg) -> list[ParkingSummary]:
        """What a message tells, by the rules that the writer has; it keeps the dead letters."""
        taken_ns = int(message.metadata.timestamp.timestamp() * NS)
        latest_ns = self._service.settings.latest_ns(taken_ns)
        if len(message.data) > MAX_PAYLOAD_BYTES:
            return []
        found = []
        with contextlib.suppress(InvalidInput):
            for data in models.decode(message.data):
                with contextlib.suppress(InvalidInput):
                    found.append(models.parse(ParkingSummary, data, latest_ns))
        return found
