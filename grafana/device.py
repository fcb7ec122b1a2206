"""The dashboard of one device: its verdict, its reasons, every metric, and what happened to it."""

from __future__ import annotations

from typing import Any

from grafana import panels
from grafana.panels import GREEN, ORANGE, RED, YELLOW, influxql, promql
from grafana.queries import event_marks, events, latest, readings, unit
from spindle import catalog
from spindle.subjects import DEVICE_METRICS

THIS = 'device_id="$device_id", array_id=~"$array_id"'
STORED = '"device_id" =~ /^$device_id$/ AND "array_id" =~ /^$array_id$/'
EACH_METRIC = f'SHOW TAG VALUES FROM "{DEVICE_METRICS}" WITH KEY = "metric_type"'


def dashboard() -> Any:
    """One device."""
    return panels.board(
        "spindle-device",
        "Spindle: device",
        "One device: why it is as it is, its metrics, its events",
        [
            panels.variable(
                "device_id",
                "Device",
                "label_values(reader_device_health, device_id)",
                several=False,
            ),
            panels.variable(
                "array_id",
                "Array or host",
                'label_values(reader_device_health{device_id="$device_id"}, array_id)',
            ),
            panels.variable("metric", "Metric", EACH_METRIC, source=panels.INFLUXDB),
        ],
        {
            "Verdict": [*_verdict(), _reasons(), _health(), _score()],
            "Metrics": [_metric(each.name) for each in catalog.METRICS.values() if _plain(each)],
            "What it says of itself (SMART), and any metric": [_smart(), _any()],
            "What happened": [_events()],
        },
        event_marks(STORED),
    )


def _plain(metric: catalog.Metric) -> bool:
    return not metric.smart and metric.name not in catalog.VERDICTS


def _verdict() -> list[Any]:
    health = latest("reader_device_health", THIS)
    days = latest("reader_device_days_until_full", THIS, "min")
    not_soon = f"or on (source_device, device_id, array_id) -1 * ({health} >= bool 0)"
    return [
        panels.number(
            "Health",
            promql(health, "{{array_id}}", now=True),
            "Unknown where no reader judges, or where it is retired",
            mapping=panels.HEALTH,
        ),
        panels.number(
            "Score",
            promql(latest("reader_device_score", THIS), "{{array_id}}", now=True),
            "100 is well",
            steps=((None, RED), (31, ORANGE), (70, GREEN)),
        ),
        panels.number(
            "Days until full",
            promql(f"{days} {not_soon}", "{{array_id}}", now=True),
            "By the forecast, where it fills up within 90 days",
            steps=((None, GREEN), (0, RED), (2, ORANGE), (14, GREEN)),
            mapping=panels.words({-1: ("not soon", GREEN)}),
        ),
    ]


def _reasons() -> Any:
    worst_first = {"reason": "reason", "severity": "severity", "kind": "kind", "Value": "place"}
    return panels.rows(
        "Why",
        [promql(latest("reader_device_reason", THIS), table=True)],
        12,
        "Nothing here: it is well. ./run.sh query device_health says each in a sentence",
        columns=worst_first,
        sort="place",
    ).height(4)


def _over_time(metric: str, columns: str) -> str:
    return readings(
        columns,
        f'"metric_type" {metric} AND {STORED}',
        'GROUP BY time($__interval), "array_id" fill(null)',
    )


def _health() -> Any:
    query = _over_time("= 'Health'", 'last("value")')
    return panels.timeline(
        "Health", influxql(query, "$tag_array_id"), panels.HEALTH, 12, "As it was judged"
    )


def _score() -> Any:
    query = _over_time("= 'Score'", 'min("value")')
    return panels.lines("Score", [influxql(query, "$tag_array_id")], 12)


def _metric(name: str) -> Any:
    """Mean, lowest and highest of one metric, with the catalogue's limits."""
    known = catalog.METRICS[name]
    steps: list[tuple[float | None, str]] = [(None, GREEN)]
    if known.warning is not None and known.critical is not None:
        steps += [(known.warning, YELLOW), (known.critical, RED)]
    columns = 'mean("value") AS "mean", min("value") AS "lowest", max("value") AS "highest"'
    query = _over_time(f"= '{name}'", columns)
    target = influxql(query, "$tag_array_id $col")
    return panels.lines(name, [target], 8, unit(name), steps=steps)


def _smart() -> Any:
    """Counters stand still for months, and a change is the news."""
    names = "|".join(metric.name for metric in catalog.METRICS.values() if metric.smart)
    query = readings(
        'last("value") AS "now", last("value") - first("value") AS "change"',
        f'"metric_type" =~ /^({names})$/ AND {STORED}',
        'GROUP BY "metric_type", "array_id"',
    )
    return panels.rows(
        "SMART values",
        [influxql(query, table=True)],
        12,
        "The newest of each, and its change in the chosen time",
        columns={"metric_type": "metric", "now": "now", "change": "change", "array_id": "array"},
        sort="-change",
    )


def _any() -> Any:
    query = readings(
        'mean("value")',
        f'"metric_type" =~ /^$metric$/ AND {STORED}',
        'GROUP BY time($__interval), "metric_type", "array_id" fill(null)',
    )
    target = influxql(query, "$tag_metric_type $tag_array_id")
    said = "What is chosen as Metric above, each in its own unit"
    return panels.lines("Chosen metrics", [target], 12, "short", said)


def _events() -> Any:
    columns = '"criticality", "event_type", "event_message", "array_id", "event_id"'
    return panels.rows(
        "Events",
        [influxql(events(columns, STORED, "ORDER BY time DESC LIMIT 500"), table=True)],
        24,
        "Newest first; anomalies and changes of health among them",
    )
