"""The provisioned dashboard; ``python -m grafana.dashboard`` writes ``dashboards/spindle.json``.

Units and thresholds come from the catalogue, names from ``spindle.subjects``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from grafana.panels import (
    GREEN,
    RED,
    YELLOW,
    Json,
    Panel,
    influxql,
    lines,
    promql,
    stat,
    variable,
)
from spindle import catalog
from spindle.subjects import DEVICE_METRICS, EVENTS_MEASUREMENT

FILE = Path(__file__).parent / "dashboards" / "spindle.json"
COLUMNS = 24

#: What Grafana calls units of the catalogue that it knows; others are shown as they are.
_UNITS = {
    "degC": "celsius",
    "ms": "ms",
    "%": "percent",
    "/s": "iops",
    "B/s": "Bps",
    "B": "bytes",
    "h": "h",
}
_CHOSEN = '"source_device" =~ /^$source_device$/ AND "device_id" =~ /^$device_id$/'
_CRITICAL = 8


def dashboard() -> Json:
    """The whole dashboard, as Grafana reads it."""
    return {
        "uid": "spindle",
        "title": "Spindle",
        "description": "Devices, their events, and the pipeline that carries both",
        "tags": ["spindle"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "graphTooltip": 1,
        "templating": {"list": _variables()},
        "panels": list(_placed(_rows())),
    }


def _variables() -> list[Json]:
    values = f'SHOW TAG VALUES FROM "{DEVICE_METRICS}" WITH KEY = '
    return [
        variable("source_device", "Class", f'{values}"source_device"'),
        variable(
            "device_id",
            "Device",
            f'{values}"device_id" WHERE "source_device" =~ /^$source_device$/',
        ),
        variable("metric", "Metric", f'{values}"metric_type"'),
    ]


def _rows() -> list[tuple[str, Sequence[Panel]]]:
    return [
        ("Now", _now()),
        ("Temperatures", [_metric("DiskTemp", COLUMNS, "Temperatures")]),
        ("Events", _events()),
        ("Metrics", _metrics()),
        ("What drives say of themselves", _smart()),
        ("Pipeline", _pipeline()),
        ("Car park", _car_park()),
        ("HTTP gateway", _gateway()),
    ]


def _placed(rows: Sequence[tuple[str, Sequence[Panel]]]) -> Iterator[Json]:
    """Panels laid out from left to right under the title of their row."""
    number, y = 1, 0
    for title, panels in rows:
        yield {
            "id": number,
            "type": "row",
            "title": title,
            "collapsed": False,
            "gridPos": {"h": 1, "w": COLUMNS, "x": 0, "y": y},
            "panels": [],
        }
        number, y, x, height = number + 1, y + 1, 0, 0
        for panel in panels:
            if x + panel.width > COLUMNS:
                x, y, height = 0, y + height, 0
            yield panel.json(number, x, y)
            number, x, height = number + 1, x + panel.width, max(height, panel.height)
        y += height


def _now() -> list[Panel]:
    bad_from_one = ((None, GREEN), (1, RED))
    latest = (
        f'SELECT last("value") FROM "{DEVICE_METRICS}" WHERE $timeFilter AND {_CHOSEN} '
        'GROUP BY "source_device", "device_id"'
    )
    critical = (
        f'SELECT count("event_id") FROM "{EVENTS_MEASUREMENT}" '
        f'WHERE $timeFilter AND "criticality" >= {_CRITICAL} AND {_CHOSEN}'
    )
    received = "sum(writer_received_points)"
    rest = (
        "sum(writer_stored_points_total) + sum(writer_dead_lettered_points_total) "
        "+ sum(writer_in_flight_points)"
    )
    return [
        stat(
            "Devices",
            influxql(f'SELECT count("last") FROM ({latest})'),
            "Devices that reported in the chosen time",
        ),
        stat(
            "Critical events",
            influxql(critical),
            f"Events of criticality {_CRITICAL} or more in the chosen time",
            steps=bad_from_one,
        ),
        stat(
            "Stored",
            promql("sum(rate(writer_stored_points_total[1m]))", "points/s"),
            "Points that the store has acknowledged, per second",
            unit="cps",
        ),
        stat(
            "Waiting",
            promql(
                "sum(writer_pending_messages) + sum(writer_unacknowledged_messages)", "messages"
            ),
            "Messages in the streams that are not stored yet",
            steps=((None, GREEN), (10_000, YELLOW), (100_000, RED)),
        ),
        stat(
            "Dead letters",
            promql("sum(writer_dead_lettered_points_total)", "points"),
            "Points that can never be stored, since the writer started",
            steps=bad_from_one,
        ),
        stat(
            "Ledger",
            promql(f"{received} - ({rest})", "points"),
            "Received less stored, dead-lettered and in flight: 0, or something is lost",
            steps=((None, RED), (0, GREEN), (1, RED)),
        ),
    ]


def _metric(name: str, width: int, title: str = "") -> Panel:
    known = catalog.METRICS[name]
    steps: list[tuple[float | None, str]] = [(None, GREEN)]
    if known.warning is not None and known.critical is not None:
        steps += [(known.warning, YELLOW), (known.critical, RED)]
    unit = _UNITS.get(known.unit, f"suffix: {known.unit}" if known.unit else "short")
    query = _over_time(f"= '{name}'")
    return lines(
        title or name, [influxql(query, "$tag_device_id")], width, unit, steps=tuple(steps)
    )


def _over_time(metric: str, tags: str = '"source_device", "device_id"') -> str:
    return (
        f'SELECT mean("value") FROM "{DEVICE_METRICS}" WHERE $timeFilter '
        f'AND "metric_type" {metric} AND {_CHOSEN} GROUP BY time($__interval), {tags} fill(null)'
    )


def _metrics() -> list[Panel]:
    chosen = _over_time("=~ /^$metric$/", '"metric_type", "source_device", "device_id"')
    return [
        *(
            _metric(metric.name, 12)
            for metric in catalog.METRICS.values()
            if metric.name != "DiskTemp" and not metric.smart
        ),
        lines(
            "Chosen metrics",
            [influxql(chosen, "$tag_device_id $tag_metric_type")],
            COLUMNS,
            "short",
            description="What is chosen as Metric above, in its own unit",
        ),
    ]


def _smart() -> list[Panel]:
    """One table for all drives: their counters stand still for months, and a change is the news."""
    names = "|".join(metric.name for metric in catalog.METRICS.values() if metric.smart)
    newest = (
        'SELECT last("value") AS "now", last("value") - first("value") AS "change" '
        f'FROM "{DEVICE_METRICS}" WHERE $timeFilter AND "metric_type" =~ /^({names})$/ '
        f'AND {_CHOSEN} GROUP BY "device_id", "metric_type"'
    )
    return [
        Panel(
            "SMART values",
            "table",
            [influxql(newest, table=True)],
            COLUMNS,
            9,
            description="The newest of each, and its change in the chosen time; over time: choose "
            "it as Metric above",
            options={"showHeader": True, "sortBy": [{"displayName": "change", "desc": True}]},
        )
    ]


def _events() -> list[Panel]:
    table = (
        'SELECT "criticality", "source_device", "device_id", "array_id", "event_type", '
        f'"event_message", "event_id" FROM "{EVENTS_MEASUREMENT}" WHERE $timeFilter '
        f'AND "criticality" >= {_CRITICAL} AND {_CHOSEN} ORDER BY time DESC LIMIT 500'
    )
    over_time = (
        f'SELECT count("event_id") FROM "{EVENTS_MEASUREMENT}" WHERE $timeFilter AND {_CHOSEN} '
        'GROUP BY time($__interval), "event_type" fill(0)'
    )
    bars = {"drawStyle": "bars", "fillOpacity": 60, "stacking": {"mode": "normal", "group": "A"}}
    coloured = {
        "matcher": {"id": "byName", "options": "criticality"},
        "properties": [
            {"id": "custom.cellOptions", "value": {"type": "color-text"}},
            {"id": "custom.width", "value": 90},
        ],
    }
    return [
        Panel(
            "Critical events",
            "table",
            [influxql(table, table=True)],
            14,
            9,
            description=f"Criticality {_CRITICAL} or more, newest first",
            steps=((None, YELLOW), (9, RED)),
            overrides=[coloured],
            options={"showHeader": True, "sortBy": [{"displayName": "Time", "desc": True}]},
        ),
        Panel(
            "Events by type",
            "timeseries",
            [influxql(over_time, "$tag_event_type")],
            10,
            9,
            custom=bars,
            options={"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True}},
        ),
    ]


def _pipeline() -> list[Panel]:
    return [
        lines(
            "Points per second",
            [
                promql("sum(rate(daemon_points_published_total[1m]))", "published"),
                promql("sum(rate(writer_stored_points_total[1m]))", "stored"),
                promql("sum(rate(writer_dead_lettered_points_total[1m]))", "dead-lettered"),
            ],
            12,
            "cps",
        ),
        lines(
            "Waiting",
            [
                promql("sum(daemon_backlog_points)", "at the daemon (points)"),
                promql("sum by (stream) (writer_pending_messages)", "{{stream}} (messages)"),
                promql("sum(writer_in_flight_points)", "at the writer (points)"),
            ],
            12,
            "short",
        ),
    ]


def _car_park() -> list[Panel]:
    """Every gateway shows the whole, so the largest is taken and nothing added up."""
    rate = "max(rate(event_processing_latency_seconds_{}[5m]))"
    buckets = "sum by (le) (rate(event_processing_latency_seconds_bucket[5m]))"
    return [
        lines(
            "Exits",
            [
                promql("max(matched_events)", "with an entry"),
                promql("max(unmatched_events)", "without one"),
            ],
            8,
            "short",
        ),
        lines("Vehicles inside", [promql("max(parking_vehicles_inside)", "inside")], 8, "short"),
        lines(
            "From an exit to its visit",
            [
                promql(f"{rate.format('sum')} / {rate.format('count')}", "mean"),
                promql(f"histogram_quantile(0.99, {buckets})", "99 %"),
            ],
            8,
            "s",
        ),
    ]


def _gateway() -> list[Panel]:
    buckets = "sum by (le) (rate(gateway_request_seconds_bucket[5m]))"
    return [
        lines(
            "Requests per second",
            [promql("sum by (status) (rate(gateway_requests_total[1m]))", "{{status}}")],
            12,
            "reqps",
        ),
        lines(
            "Time to the answer",
            [promql(f"histogram_quantile(0.99, {buckets})", "99 %")],
            6,
            "s",
        ),
        lines("Live streams", [promql("sum(gateway_streams)", "clients")], 6, "short"),
    ]


def text() -> str:
    """The file's content."""
    return json.dumps(dashboard(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
