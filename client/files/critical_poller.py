"""Ask the reader for critical events again and again, and write each down once."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

from nats.aio.client import Client
from prometheus_client import CollectorRegistry, Counter

from client.ask import TIMEOUT_SECONDS, ReaderAway, Refused, ask
from client.files.critical_ends import Ends
from client.files.critical_lines import CriticalEvent, from_row
from client.files.critical_log import CriticalLog
from client.settings import ClientSettings
from spindle import timestamps
from spindle.service.run import Service
from spindle.timestamps import NS

log = logging.getLogger("client")

QUERY_TYPE = "alerts_critical"
#: How far back each poll looks at least: for events that are stored so long after they happened.
WINDOW_MINUTES = 60.0
LONGEST_MINUTES = 5_256_000.0  # ten years: the longest window the reader takes
AWAY_SECONDS = 1.0  # until a reader that did not answer is asked again: it may be starting
PAGE = 10_000  # events asked for at once; the reader's own bound
SLACK_NS = 3600 * NS  # how far the reader's clock may differ before an event is forgotten too soon


class PollMetrics:
    """Polls and what came of them, for Prometheus."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.polls = Counter("client_polls_total", "Polls of the reader", registry=registry)
        self.failures = Counter(
            "client_poll_failures_total", "Polls without an answer", registry=registry
        )
        self.written = Counter(
            "client_events_written_total",
            "Critical events and their ends written down",
            registry=registry,
        )


class CriticalPoller:
    """Polls the reader; owns the health parts ``reader`` and ``output``."""

    def __init__(
        self,
        service: Service[ClientSettings],
        client: Client,
        critical_log: CriticalLog,
        ends: Ends,
    ) -> None:
        self._service = service
        self._ends = ends
        self._client = client
        self._log = critical_log
        self._metrics = PollMetrics(service.registry)

    async def poll(self) -> bool:
        """Ask once, and write down what is new; whether the reader answered.

        A failure is told by the service's health.
        """
        health = self._service.health
        now_ns = time.time_ns()
        ends = self._ends.heard()
        self._metrics.polls.inc()
        try:
            events = await self._service.unless_stopped(self._ask(now_ns))
            if events is None:
                return False
        except (ReaderAway, Refused) as error:
            self._failed(error)
            return False
        health.ok("reader")
        try:
            written = await asyncio.to_thread(self._log.write, [*events, *ends], now_ns)
        except OSError as error:
            health.failing("output", f"cannot write: {error.strerror or error}")
            return True
        health.ok("output")
        await self._ends.written(ends)
        self._metrics.written.inc(len(written))
        if written:
            log.info("events written down: %d", len(written))
        self._log.forget(now_ns, int(WINDOW_MINUTES * 60 * NS) + SLACK_NS)
        return True

    def _failed(self, error: Exception) -> None:
        self._metrics.failures.inc()
        self._service.health.failing("reader", f"waiting for the reader: {error}")

    async def _ask(self, now_ns: int) -> list[CriticalEvent]:
        settings, began = self._service.settings, time.monotonic()
        since_ns = self._last_poll_ns(now_ns) or now_ns
        params: dict[str, Any] = {
            "since_minutes": window_minutes(settings, now_ns, since_ns),
            "min_criticality": settings.client_min_criticality,
            "limit": PAGE,
        }
        subject, events = settings.nats_subject_request, list[CriticalEvent]()
        while True:
            try:
                reply = await ask(self._client, subject, QUERY_TYPE, params, TIMEOUT_SECONDS)
                page = rows(reply)
            except (ReaderAway, Refused) as error:
                if not events:
                    raise
                # A storm is many pages: begun anew at each failure, one might never end.
                self._failed(error)
                await asyncio.sleep(AWAY_SECONDS)
                late_ns = now_ns + int((time.monotonic() - began) * NS)
                params["since_minutes"] = window_minutes(settings, late_ns, since_ns)
                continue
            events += page
            if not page or not reply.get("truncated"):
                return events
            params |= next_page(params, page)

    def _last_poll_ns(self, now_ns: int) -> int | None:
        """When the reader last answered; where that was under a clock that was ahead, no later
        than the newest event written then."""
        last_ns = self._log.last_poll_ns
        ahead = last_ns is not None and last_ns > now_ns + SLACK_NS
        return self._log.newest_ns(now_ns) or None if ahead else last_ns


def rows(reply: Mapping[str, Any]) -> list[CriticalEvent]:
    """The events of a reply.

    :raises Refused: it is not an answer to ``alerts_critical``.
    """
    if not isinstance(reply["data"], list):
        raise Refused(f"the answer to {QUERY_TYPE} is not a list")
    try:
        return [from_row(row) for row in reply["data"]]
    except (ValueError, TypeError) as error:
        raise Refused(f"the answer to {QUERY_TYPE} is not understood: {error}") from None


def next_page(params: Mapping[str, Any], page: Sequence[CriticalEvent]) -> dict[str, Any]:
    """``until`` and ``offset`` of the page after this one, which is not empty.

    Pages go by time, so that events that come meanwhile shift nothing, and the last of a hundred
    thousand costs no more than the first; the offset is for events of the very same instant.
    """
    last_ns = page[-1].time_ns
    offset = sum(event.time_ns == last_ns for event in page)
    until = timestamps.format_ns(last_ns)
    if offset == len(page) and params.get("until") == until:
        offset += params["offset"]
    return {"until": until, "offset": offset}


def window_minutes(settings: ClientSettings, now_ns: int, last_poll_ns: int) -> float:
    """How far back to ask: since the last answer and a margin, not past the store's retention.

    The margin is for events that reach the store late; ids see to it that none is written twice.
    """
    away = max(0, now_ns - last_poll_ns) / (60 * NS)
    longest = min(settings.retention_hours * 60 or LONGEST_MINUTES, LONGEST_MINUTES)
    return min(WINDOW_MINUTES + away, longest)
