"""The daemon's own Prometheus metrics."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from daemon.backlog import Backlog
from daemon.messages import Message
from spindle import subjects


class Meters:
    """Counts what was published, dropped and refused; shows the backlog as it is."""

    def __init__(self, registry: CollectorRegistry, backlog: Backlog) -> None:
        self._points = Counter(
            "daemon_points_published_total",
            "Readings that NATS has acknowledged",
            registry=registry,
        )
        self._events = Counter(
            "daemon_events_published_total", "Events that NATS has acknowledged", registry=registry
        )
        self._parking = Counter(
            "daemon_parking_published_total",
            "Entries and exits that NATS has acknowledged",
            registry=registry,
        )
        self._messages = Counter(
            "daemon_messages_published_total",
            "Messages that NATS has acknowledged",
            registry=registry,
        )
        self.dropped = Counter(
            "daemon_dropped_total",
            "Readings and events given up because the backlog was full",
            registry=registry,
        )
        self.failures = Counter(
            "daemon_publish_failures_total",
            "Attempts to publish that were not acknowledged; the message is sent again",
            ["reason"],
            registry=registry,
        )
        self.tick_seconds = Histogram(
            "daemon_tick_seconds",
            "Seconds that one reading of a source took",
            ["source"],
            registry=registry,
        )
        self.ticks_skipped = Counter(
            "daemon_ticks_skipped_total",
            "Readings not taken because the one before took longer than the interval",
            ["source"],
            registry=registry,
        )
        self.source_failures = Counter(
            "daemon_source_failures_total",
            "Readings of a source that failed",
            ["source"],
            registry=registry,
        )
        points = Gauge(
            "daemon_backlog_points",
            "Readings and events that NATS has not acknowledged yet",
            registry=registry,
        )
        points.set_function(lambda: backlog.points)
        size = Gauge(
            "daemon_backlog_bytes", "Bytes that the backlog holds in memory", registry=registry
        )
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
