"""The daemon's own Prometheus metrics."""

from __future__ import annotations

from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from daemon.backlog import Backlog
from daemon.messages import Message
from spindle import subjects


class Meters:
    """Counts what was published, dropped and refused; shows the backlog as it is."""

    def __init__(self, registry: CollectorRegistry, backlog: Backlog) -> None:
        counter, gauge = partial(Counter, registry=registry), partial(Gauge, registry=registry)
        self._points = counter(
            "daemon_points_published_total", "Readings that NATS has acknowledged"
        )
        self._events = counter("daemon_events_published_total", "Events that NATS has acknowledged")
        self._parking = counter(
            "daemon_parking_published_total", "Entries and exits that NATS has acknowledged"
        )
        self._messages = counter(
            "daemon_messages_published_total", "Messages that NATS has acknowledged"
        )
        self.dropped = counter(
            "daemon_dropped_total", "Readings and events given up because the backlog was full"
        )
        self.failures = counter(
            "daemon_publish_failures_total",
            "Attempts to publish that were not acknowledged; the message is sent again",
            ["reason"],
        )
        self.tick_seconds = Histogram(
            "daemon_tick_seconds",
            "Seconds that one reading of a source took",
            ["source"],
            registry=registry,
        )
        self.ticks_skipped = counter(
            "daemon_ticks_skipped_total",
            "Readings not taken because the one before took longer than the interval",
            ["source"],
        )
        self.source_failures = counter(
            "daemon_source_failures_total", "Readings of a source that failed", ["source"]
        )
        points = gauge(
            "daemon_backlog_points", "Readings and events that NATS has not acknowledged yet"
        )
        points.set_function(lambda: backlog.points)
        size = gauge("daemon_backlog_bytes", "Bytes that the backlog holds in memory")
        size.set_function(lambda: backlog.size)

    def published(self, message: Message) -> None:
        """Count a message that NATS has acknowledged."""
        self._messages.inc()
        if message.stream == subjects.EVENTS_STREAM:
            self._events.inc(message.points)
        elif message.stream == subjects.PARKING_STREAM:
            self._parking.inc(message.points)
        elif message.stream == subjects.METRICS_STREAM:
            self._points.inc(message.points)
