"""The dashboard of the pipeline itself: what runs, what flows, what waits, what was lost.

It speaks of now by queries of now: what a writer said last is no news once it is dead. What waits
is told by the reader, who asks NATS, so that it is also seen while no writer runs.
"""

from __future__ import annotations

from typing import Any

from grafana import panels
from grafana.panels import GREEN, ORANGE, RED, promql
from local.services import SERVICES

_NAMES = "|".join(service.name for service in SERVICES)
_QUEUES = 'consumer="writer"'
_USERS = 'route!~"/healthz|/readyz|/metrics"'  # without what machines ask every few seconds


def dashboard() -> Any:
    """The pipeline."""
    return panels.board(
        "spindle-pipeline",
        "Spindle: pipeline",
        "The services, NATS and the store: what runs, flows, waits and is lost",
        [],
        {
            "Now": _now(),
            "What runs": [_up(), _parts(), _alerts()],
            "What flows": _flows(),
            "What waits": _waits(),
            "What is lost, and why": _lost(),
            "NATS and the store": _servers(),
            "Questions and requests": _asked(),
        },
    )


def _max(metric: str, by: str) -> str:
    """Of several readers that all say the same."""
    return f"max by ({by}) ({metric})"


def _now() -> list[Any]:
    waiting = " + ".join(
        f"sum({_max(f'reader_consumer_{what}_messages{{{_QUEUES}}}', 'stream')})"
        for what in ("pending", "unacknowledged")
    )
    bad = ((None, GREEN), (1, RED))
    return [
        panels.number(
            "Writers",
            promql('sum(up{job="writer"})', now=True),
            "That answer; with none nothing is stored, and the streams hold it",
            steps=((None, RED), (1, GREEN)),
            width=3,
        ),
        panels.number(
            "Stored",
            promql("sum(rate(writer_stored_points_total[1m]) and on (instance) up == 1)", now=True),
            "Points per second that the store has acknowledged; unknown while no writer answers",
            unit="cps",
            width=3,
        ),
        panels.number(
            "Waiting",
            promql(waiting, now=True),
            "Messages at NATS that are not stored yet, as the reader asks NATS",
            steps=((None, GREEN), (10_000, ORANGE), (100_000, RED)),
            width=3,
        ),
        panels.number(
            "Dead letters",
            promql('max(reader_stream_messages{stream="DEADLETTERS"})', now=True),
            "That NATS keeps: ./run.sh deadletters list",
            steps=bad,
            width=3,
        ),
        panels.number(
            "Ledger",
            promql("sum(abs(stream:writer_ledger_difference:points))", now=True),
            "Received less stored, dead-lettered and in flight: 0, or something is lost",
            steps=bad,
            width=3,
        ),
        panels.number(
            "Missing",
            promql("sum(max by (kind) (reader_audit_missing))", now=True),
            "What the audit of the last hour finds: ./run.sh audit",
            steps=bad,
            width=3,
        ),
        panels.number(
            "Dropped",
            promql("sum(increase(daemon_dropped_total[1h]))", now=True),
            "Readings that a daemon gave up in the last hour, because its backlog was full",
            steps=bad,
            width=3,
        ),
        panels.number(
            "Alerts",
            promql('count(ALERTS{alertstate="firing"}) or 0 * count(up)', now=True),
            "That fire now",
            steps=bad,
            width=3,
        ),
    ]


def _up() -> Any:
    target = promql("up", "{{job}} {{instance}}")
    return panels.timeline("Up", target, panels.UP, 10, "What Prometheus reached, and when")


def _parts() -> Any:
    query = f'max by (job, instance, part) ({{__name__=~"({_NAMES})_part_ok"}})'
    return panels.rows(
        "Parts",
        [promql(query, table=True)],
        7,
        "What must work for a service to work; /healthz says why one does not",
        columns={"job": "service", "part": "part", "Value": "works", "instance": "instance"},
        sort="works",
        fields={"works": panels.in_words(panels.WORKS)},
    )


def _alerts() -> Any:
    return panels.rows(
        "Alerts",
        [promql('ALERTS{alertstate="firing"}', table=True)],
        7,
        "That fire now; docs/prometheus.md says what to do",
        columns={
            "alertname": "alert",
            "device_id": "device",
            "reason": "reason",
            "severity": "severity",
            "job": "service",
        },
        sort="alert",
    )


def _flows() -> list[Any]:
    rates = {
        "published": "daemon_points_published_total",
        "stored": "writer_stored_points_total",
        "stored again": "writer_duplicate_points_total",
        "dead-lettered": "writer_dead_lettered_points_total",
    }
    targets = [
        promql(f"sum(rate({metric}[$__rate_interval]))", name) for name, metric in rates.items()
    ]
    stages = {
        "at the daemon": "sum(daemon_backlog_points)",
        "at the writer": "sum(writer_in_flight_points)",
    }
    within = (
        "histogram_quantile({}, sum by (le, stream)"
        " (rate(writer_publish_to_stored_seconds_bucket[$__rate_interval])))"
    )
    delays = {0.5: "half of {{stream}}", 0.99: "99 % of {{stream}}"}
    return [
        panels.lines("Points per second", targets, 8, "cps"),
        panels.lines(
            "Latency to the store",
            [promql(within.format(share), name) for share, name in delays.items()],
            8,
            "s",
            "From NATS's taking a message until it is stored; nothing while nothing is stored",
        ),
        panels.lines(
            "In hand",
            [promql(expression, name) for name, expression in stages.items()],
            8,
            "short",
            "Points that a service holds and has not handed on",
        ),
    ]


def _waits() -> list[Any]:
    by = "stream, consumer"
    total = " + ".join(
        _max(f"reader_consumer_{what}_messages", by) for what in ("pending", "unacknowledged")
    )
    full = f"{_max('reader_stream_bytes', 'stream')} / {_max('reader_stream_max_bytes', 'stream')}"
    return [
        panels.lines("Messages waiting", [promql(total, "{{stream}} for {{consumer}}")], 8),
        panels.lines(
            "Oldest message",
            [promql(_max("reader_stream_oldest_seconds", "stream"), "{{stream}}")],
            8,
            "s",
            "How long it has waited, as NATS says: it grows while no writer stores",
        ),
        panels.lines(
            "Streams filled",
            [promql(full, "{{stream}}")],
            8,
            "percentunit",
            "A full METRICS or EVENTS refuses its publishers, who hold what they have",
            steps=((None, GREEN), (0.8, ORANGE), (0.95, RED)),
        ),
    ]


def _lost() -> list[Any]:
    reasons = (
        "sum by (stream, reason) (increase(writer_dead_lettered_points_total[$__rate_interval]))"
    )
    return [
        panels.lines("Dead letters", [promql(reasons, "{{stream}} {{reason}}")], 8, bars=True),
        panels.lines(
            "Given up by daemons",
            [
                promql(
                    "sum by (instance) (increase(daemon_dropped_total[$__rate_interval]))",
                    "{{instance}}",
                )
            ],
            8,
            bars=True,
        ),
        panels.lines(
            "Audit",
            [promql("max by (kind) (reader_audit_missing)", "{{kind}} missing")],
            8,
            "short",
            "Of the last hour; docs/tasks/audit.md",
        ),
    ]


def _servers() -> list[Any]:
    stores = f'min by (job) ({{__name__=~"({_NAMES})_part_ok", part="store"}})'
    nats = f'min by (job) ({{__name__=~"({_NAMES})_part_ok", part="nats"}})'
    broker = "max by (version, broker_fsync) (writer_broker_info)"
    memory = 'process_resident_memory_bytes{job=~"influxdb|prometheus"}'
    return [
        panels.timeline("NATS, as seen by", promql(nats, "{{job}}"), panels.WORKS, 8),
        panels.timeline("The store, as seen by", promql(stores, "{{job}}"), panels.WORKS, 8),
        panels.rows(
            "NATS server",
            [promql(broker, table=True)],
            8,
            "Its version, and when it syncs to disk, as a writer sees it",
            columns={"version": "version", "broker_fsync": "syncs"},
        ),
        panels.lines(
            "Messages at NATS",
            [promql(_max("reader_stream_messages", "stream"), "{{stream}}")],
        ),
        panels.lines(
            "Memory of InfluxDB and Prometheus",
            [promql(memory, "{{job}}")],
            12,
            "bytes",
            "InfluxDB's own metrics; with SQLite as the store there is none",
        ),
    ]


def _asked() -> list[Any]:
    """Without probes, which would hide what people ask."""
    answered = "sum by (status) (rate(gateway_requests_total{%s}[$__rate_interval]))"
    slow = "histogram_quantile(0.99, sum by (le) (rate({}_bucket{{{}}}[$__rate_interval])))"
    return [
        panels.lines("HTTP requests", [promql(answered % _USERS, "{{status}}")], 8, "reqps"),
        panels.lines(
            "Time to an answer",
            [
                promql(slow.format("gateway_request_seconds", _USERS), "HTTP, 99 %"),
                promql(slow.format("reader_request_seconds", ""), "reader, 99 %"),
            ],
            8,
            "s",
        ),
        panels.lines(
            "Told",
            [
                promql("sum(gateway_streams)", "live streams open"),
                promql("sum(increase(client_notifications_sent_total[1h]))", "notified in an hour"),
                promql("sum(increase(client_notification_failures_total[1h]))", "failed tries"),
            ],
            8,
        ),
    ]
