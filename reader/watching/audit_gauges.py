"""What an audit of the last hour finds missing, as a metric: for an alert."""

from __future__ import annotations

import logging
from collections import Counter

from nats.aio.client import Client
from prometheus_client import Gauge

from reader.lookups.buckets.ledger_evidence import gather
from reader.questions.audit import compare, kept_since_ns
from reader.settings import ReaderSettings
from spindle.errors import BusUnavailable, StoreError
from spindle.ledger.comparison import Window
from spindle.service.run import Service
from spindle.store.base import Store
from spindle.timestamps import NS

log = logging.getLogger("reader")

EVERY_SECONDS = 60.0
WINDOW_NS = 3600 * NS
KINDS = ("points", "messages", "store", "record")


class AuditGauges:
    """Owns ``reader_audit_missing``; every reader shows the same."""

    def __init__(self, store: Store, client: Client, service: Service[ReaderSettings]) -> None:
        self._store = store
        self._client = client
        self._service = service
        self._missing = Gauge(
            "reader_audit_missing",
            "What the audit of the last hour finds missing: points, or messages of a stream",
            ["kind"],
            registry=service.registry,
        )
        for kind in KINDS:
            self._missing.labels(kind).set(0)

    async def run(self) -> None:
        """Until the service stops."""
        while await self._service.pause(EVERY_SECONDS):
            try:
                await self._look()
            except (BusUnavailable, StoreError) as error:  # /healthz tells it; the last counts stay
                log.debug("not audited: %s", error)

    async def _look(self) -> None:
        evidence, now = await gather(self._client), self._service.clock.now_ns()
        oldest_ns = kept_since_ns(self._service.settings.retention_hours, now)
        data = await compare(evidence, self._store, Window(now - WINDOW_NS, now), oldest_ns)
        found = Counter[str]()
        for row in data["missing"]:
            found[row["kind"]] += row["count"] or 1
        for kind in KINDS:
            self._missing.labels(kind).set(found[kind])
