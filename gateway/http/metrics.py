"""The gateway's own metrics, and row 27's, which count the whole car park's."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from nats.errors import Error as NatsError
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.failures import Failed
from gateway.http.stream import Hub
from gateway.nats_link import Link
from spindle.bus.parking_buckets import read_totals
from spindle.parking import LATENCY_BOUNDS, Totals

log = logging.getLogger("gateway")

READ_SECONDS = 0.5  # well within the time that Prometheus gives a scrape


class RequestMetrics:
    """Requests by route and status, their time, and who listens to the stream."""

    def __init__(self, registry: CollectorRegistry, hub: Hub) -> None:
        self.requests = Counter(
            "gateway_requests_total",
            "Requests answered, by route and HTTP status",
            ["route", "status"],
            registry=registry,
        )
        self.seconds = Histogram(
            "gateway_request_seconds",
            "Seconds from a request to the beginning of its answer",
            ["route"],
            registry=registry,
        )
        streams = Gauge("gateway_streams", "Clients of /api/v1/stream now", registry=registry)
        streams.set_function(lambda: len(hub))
        self.dropped = Counter(
            "gateway_streams_dropped_total",
            "Clients of /api/v1/stream that were too slow",
            registry=registry,
        )
        hub.on_drop = self.dropped.inc


class ParkingCollector(Collector):
    """``matched_events``, ``unmatched_events``, ``event_processing_latency_seconds``.

    The writers keep the totals in NATS, so every gateway shows the same numbers, and they survive
    a restart of anything. Nothing is shown until they were read once: a number that is too low for
    a moment would look to Prometheus like a counter that began anew.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._totals: Totals | None = None  # as last read

    async def refresh(self) -> None:
        """Read the totals; those read before stay where NATS does not answer."""
        try:
            js = self._link.client.jetstream(timeout=READ_SECONDS)
            self._totals = await read_totals(js)
        except (Failed, NatsError, TimeoutError) as error:
            log.debug("the totals of parking cannot be read: %s", error)

    def collect(self) -> Iterator[Metric]:
        """The metric families; none until the totals were read once."""
        totals = self._totals
        if totals is None:
            return
        for name, text, value in (
            ("matched_events", "Exits that were matched with their entry", totals.matched),
            ("unmatched_events", "Exits that no entry was found for", totals.unmatched),
        ):
            family = GaugeMetricFamily(name, text)
            family.add_metric([], value)
            yield family
        histogram = HistogramMetricFamily(
            "event_processing_latency_seconds", "Seconds from the arrival of an exit to its visit"
        )
        bounds = [*(str(bound) for bound in LATENCY_BOUNDS), "+Inf"]
        counts = [*totals.latency_buckets, totals.latency_count]
        histogram.add_metric([], list(zip(bounds, counts, strict=True)), totals.latency_sum)
        yield histogram
