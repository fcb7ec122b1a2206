"""The dashboard of all devices: which is worst, why, and since when."""

from __future__ import annotations

from typing import Any

from grafana import panels
from grafana.panels import GREEN, ORANGE, RED, influxql, promql
from grafana.queries import STORED, event_marks, latest, readings, unit, which_devices
from reader.detection.findings import RANK

HEALTH = latest("reader_device_health")
DAYS = latest("reader_device_days_until_full", how="min")
_TO_DEVICE = (
    "/d/spindle-device?${__url_time_range}&var-device_id=${__data.fields.device:percentencode}"
    "&var-array_id=${__data.fields.array:percentencode}"
)
_SCORE = ((None, RED), (31, ORANGE), (70, GREEN))


def dashboard() -> Any:
    """The fleet."""
    return panels.board(
        "spindle",
        "Spindle",
        "All devices: health, reasons, arrays, what fills up",
        which_devices(),
        {
            "Now": [*(_count(state) for state in reversed(RANK)), *_more()],
            "Devices, the worst first": [_devices()],
            "Arrays, and what was not well": [_arrays(), _not_well()],
            "Readings": [_hottest("DiskTemp"), _range("DiskTemp"), _range("Latency"), _score()],
        },
        event_marks(),
    )


def _count(state: str) -> Any:
    colour = panels.HEALTH_COLOURS[state]
    steps = ((None, GREEN), (1, colour)) if state != "ok" else ((None, colour),)
    query = promql(f"sum({HEALTH} == bool {RANK[state]})", now=True)  # type: ignore[index]
    return panels.number(state.capitalize(), query, f"Devices that are {state}", steps=steps)


def _more() -> list[Any]:
    # Where no device fills up nothing is said of any, and that is 0 if devices are judged at all.
    soon = f"sum({DAYS} < bool 14) or 0 * count({HEALTH})"
    return [
        panels.number("Devices", promql(f"count({HEALTH})", now=True), "Devices that are judged"),
        panels.number(
            "Full within 14 days",
            promql(soon, now=True),
            "By the forecast; docs/forecast.md says how",
            steps=((None, GREEN), (1, ORANGE)),
        ),
    ]


def _devices() -> Any:
    worst = latest("reader_device_reason").replace("(job, instance)", "(job, instance, kind)")
    columns = {
        "device_id": "device",
        "array_id": "array",
        "Value #A": "health",
        "Value #B": "score",
        "reason": "reason",
        "Value #D": "days until full",
        "model": "model",
        "source_device": "class",
        "simulated": "simulated",
    }
    return panels.rows(
        "Devices",
        [
            promql(HEALTH, table=True),
            promql(latest("reader_device_score"), table=True),
            promql(f"{worst} == 1", table=True),
            promql(DAYS, table=True),
        ],
        24,
        "The worst 2,000, each with the worst of its reasons; a device leads to its own page",
        columns=columns,
        sort="score",
        fields={
            "health": panels.in_words(panels.HEALTH),
            "device": panels.link("What is known of it", _TO_DEVICE),
            "days until full": [("decimals", 0), ("noValue", "")],
            "reason": [("noValue", "")],
        },
    ).height(12)


def _arrays() -> Any:
    array = 'max without (job, instance) (reader_array_health{simulated=~"$simulated"})'
    return panels.rows(
        "Arrays",
        [
            promql(array, table=True),
            promql(f"count by (array_id, simulated) ({HEALTH})", table=True),
            promql(f"sum by (array_id, simulated) ({HEALTH} >= bool 2)", table=True),
        ],
        10,
        "An array is as well as the worst of its members, or as what it has lost allows",
        columns={
            "array_id": "array",
            "Value #A": "health",
            "Value #B": "devices",
            "Value #C": "in trouble",
            "simulated": "simulated",
        },
        sort="-health",
        fields={"health": panels.in_words(panels.HEALTH)},
    )


def _not_well() -> Any:
    return panels.timeline(
        "Not well",
        promql(f"topk(20, {HEALTH} > 0)", "{{device_id}} {{array_id}}"),
        panels.HEALTH,
        14,
        "The worst 20 of each moment; nothing here: all were well, or nobody judged",
    )


def _hottest(metric: str) -> Any:
    newest = readings('max("value")', _of(metric), 'GROUP BY "device_id", "array_id"')
    query = f'SELECT top("max", "device_id", "array_id", 10) AS "highest" FROM ({newest})'
    return panels.rows(
        "Hottest",
        [influxql(query, table=True)],
        12,
        "The ten highest in the chosen time",
        columns={"device_id": "device", "array_id": "array", "highest": "highest"},
        sort="-highest",
        fields={
            "device": panels.link("What is known of it", _TO_DEVICE),
            "highest": [("unit", unit(metric))],
        },
    )


def _range(metric: str) -> Any:
    columns = 'max("value") AS "highest", mean("value") AS "mean", min("value") AS "lowest"'
    query = readings(columns, _of(metric), "GROUP BY time($__interval) fill(null)")
    said = "Of all chosen devices; a single one is drawn on its own dashboard"
    return panels.lines(metric, [influxql(query, "$col")], 12, unit(metric), said)


def _score() -> Any:
    query = readings(
        'min("value") AS "worst", mean("value") AS "mean"',
        _of("Score"),
        "GROUP BY time($__interval) fill(null)",
    )
    said = "100 is well; published when it changes, and every quarter of an hour"
    return panels.lines("Score", [influxql(query, "$col")], 12, "short", said, steps=_SCORE)


def _of(metric: str) -> str:
    return f"\"metric_type\" = '{metric}' AND {STORED}"
