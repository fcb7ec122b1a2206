"""What every reader shows of the fleet and of NATS as metrics, for alerts, whoever else is down.

How each device is does not stand here: the reader that judges the fleet shows it
(``reader.watching.fleet_gauges``).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from functools import partial

from nats.aio.client import Client
from nats.errors import Error as NatsError
from prometheus_client import Gauge

from reader.health.hosts import units
from reader.lookups.known.newest_readings import until_now
from reader.lookups.ledger_evidence import gather
from reader.lookups.stored.store_ready import StoreReady
from reader.lookups.waiting import held, waiting
from reader.questions.audit import compare, kept_since_ns
from reader.settings import ReaderSettings
from spindle.bus import streams
from spindle.errors import BusUnavailable, StoreError
from spindle.ledger.comparison import Window
from spindle.service.run import Service
from spindle.store.base import Latest, Selection, Store
from spindle.timestamps import NS

log = logging.getLogger("reader")

#: Between two counts of devices, each of which reads the whole fleet: a quarter of
#: READER_STALE_SECONDS, so that a silence shows soon after it is one, but within these bounds.
LEAST_SECONDS, MOST_SECONDS = 0.5, 30.0
STREAM_SECONDS, AUDIT_SECONDS = 10.0, 60.0
_AUDITED_NS = 3600 * NS
MISSING = ("points", "messages", "store", "record")


def count(readings: Iterable[Latest], stale_before_ns: int) -> tuple[int, int]:
    """``(devices, of them without a reading since stale_before_ns)``. Pure."""
    newest = [max(reading.time_ns for reading in unit.readings) for unit in units(readings)]
    return len(newest), sum(seen < stale_before_ns for seen in newest)


class DeviceGauges:
    """Owns ``reader_devices`` and ``reader_devices_stale``."""

    def __init__(
        self, store: Store, store_ready: StoreReady, service: Service[ReaderSettings]
    ) -> None:
        self._store, self._store_ready, self._service = store, store_ready, service
        gauge = partial(Gauge, registry=service.registry)
        self._devices = gauge("reader_devices", "Devices with a reading in READER_LOOKBACK_HOURS")
        self._stale = gauge(
            "reader_devices_stale", "Devices without a reading for READER_STALE_SECONDS"
        )

    async def run(self) -> None:
        """Count again and again until the service stops."""
        quarter = self._service.settings.reader_stale_seconds / 4
        while await self._service.pause(min(max(quarter, LEAST_SECONDS), MOST_SECONDS)):
            try:
                await self._look()
            except StoreError as error:  # StoreReady tells it; the last counts stay
                log.debug("devices not counted: %s", error)

    async def _look(self) -> None:
        settings = self._service.settings
        self._store_ready.require()
        now = self._service.clock.now_ns()
        since = max(0, now - int(settings.reader_lookback_hours * 3600 * NS))
        stored = await self._store.latest(Selection(), since)
        present = await until_now(self._store, Selection(), stored, since, now)
        devices, stale = count(present.readings, now - int(settings.reader_stale_seconds * NS))
        self._devices.set(devices)
        self._stale.set(stale)


class StreamGauges:
    """Owns ``reader_stream_*`` and ``reader_consumer_*``: what NATS holds, and what waits in it.

    While NATS does not answer there are none: what waits is not known then.
    """

    def __init__(self, client: Client, service: Service[ReaderSettings]) -> None:
        self._client, self._service = client, service
        gauge = partial(Gauge, registry=service.registry)
        stream, consumer = ["stream"], ["stream", "consumer"]
        self._messages = gauge("reader_stream_messages", "Messages that a stream holds", stream)
        self._bytes = gauge("reader_stream_bytes", "Bytes that a stream holds", stream)
        self._most = gauge("reader_stream_max_bytes", "Bytes that it may hold", stream)
        self._oldest = gauge(
            "reader_stream_oldest_seconds",
            "Age of the oldest message in a stream that lets go of what was dealt with; 0: empty",
            stream,
        )
        self._pending = gauge(
            "reader_consumer_pending_messages", "Messages not delivered yet", consumer
        )
        self._unacknowledged = gauge(
            "reader_consumer_unacknowledged_messages",
            "Messages delivered and not acknowledged",
            consumer,
        )

    async def run(self) -> None:
        """Look again and again until the service stops."""
        of_streams = self._messages, self._bytes, self._most, self._oldest
        while await self._service.pause(STREAM_SECONDS):
            try:
                await self._look()
            except (NatsError, TimeoutError):  # /healthz tells it
                for each in (*of_streams, self._pending, self._unacknowledged):
                    each.clear()

    async def _look(self) -> None:
        for stream in streams.streams(self._service.settings):
            name = str(stream.name)
            found = await held(self._client, name)
            self._messages.labels(name).set(found.messages)
            self._bytes.labels(name).set(found.bytes)
            if found.max_bytes:
                self._most.labels(name).set(found.max_bytes)
            if found.oldest_seconds is not None:
                self._oldest.labels(name).set(found.oldest_seconds)
        for stream_name, consumer in streams.consumers():
            labels = stream_name, str(consumer.durable_name)
            info = await waiting(self._client, *labels)
            self._pending.labels(*labels).set(info.pending)
            self._unacknowledged.labels(*labels).set(info.unacknowledged)


class AuditGauges:
    """Owns ``reader_audit_missing``: what an audit of the last hour finds missing."""

    def __init__(self, store: Store, client: Client, service: Service[ReaderSettings]) -> None:
        self._store, self._client, self._service = store, client, service
        self._missing = Gauge(
            "reader_audit_missing",
            "What the audit of the last hour finds missing: points, or messages of a stream",
            ["kind"],
            registry=service.registry,
        )
        for kind in MISSING:
            self._missing.labels(kind).set(0)

    async def run(self) -> None:
        """Audit again and again until the service stops."""
        while await self._service.pause(AUDIT_SECONDS):
            try:
                await self._look()
            except (BusUnavailable, StoreError) as error:  # /healthz tells it; the last counts stay
                log.debug("not audited: %s", error)

    async def _look(self) -> None:
        evidence, now = await gather(self._client), self._service.clock.now_ns()
        oldest_ns = kept_since_ns(self._service.settings.retention_hours, now)
        data = await compare(evidence, self._store, Window(now - _AUDITED_NS, now), oldest_ns)
        found = Counter[str]()
        for row in data["missing"]:
            found[row["kind"]] += row["count"] or 1
        for kind in MISSING:
            self._missing.labels(kind).set(found[kind])
