"""The dashboard of events: what happened to which device, and anomalies among them."""

from __future__ import annotations

from typing import Any

from grafana import panels
from grafana.panels import GREEN, RED, influxql
from grafana.queries import CRITICAL, STORED, event_marks, events, which_devices

_AT_LEAST = '"criticality" >= $criticality'
_TO_DEVICE = (
    "/d/spindle-device?${__url_time_range}&var-device_id=${__data.fields.device_id:percentencode}"
)


def dashboard() -> Any:
    """Events of the chosen devices."""
    least = {"all": "1", "5 or more": "5", f"critical ({CRITICAL} or more)": str(CRITICAL)}
    return panels.board(
        "spindle-events",
        "Spindle: events",
        "What happened to devices: publishers' events, changes of health, anomalies",
        [*which_devices(), panels.choice("criticality", "Criticality", least)],
        {
            "In the chosen time": [*_counts(), _most()],
            "Over time": [_by("event_type", "By type"), _by("source_device", "By class")],
            "Newest first": [
                _table("Events", f"{_AT_LEAST} AND \"event_type\" != 'Anomaly'"),
                _table("Anomalies", "\"event_type\" = 'Anomaly'"),
            ],
        },
        event_marks(),
    )


def _counts() -> list[Any]:
    made = []
    for title, where, steps in (
        ("Critical events", f'"criticality" >= {CRITICAL}', ((None, GREEN), (1, RED))),
        ("Anomalies", "\"event_type\" = 'Anomaly'", ((None, GREEN),)),
        ("Changes of health", "\"event_type\" = 'HealthChanged'", ((None, GREEN),)),
    ):
        query = influxql(events('count("event_id")', f"{STORED} AND {where}"))
        said = "In the chosen time; none shows as no data"
        made.append(panels.number(title, query, said, steps=steps).height(8))  # as beside them
    return made


def _most() -> Any:
    each = events(
        'count("event_id") AS "number"', f"{STORED} AND {_AT_LEAST}", 'GROUP BY "device_id"'
    )
    query = f'SELECT top("number", "device_id", 10) AS "events" FROM ({each})'
    return panels.rows(
        "Devices with most events",
        [influxql(query, table=True)],
        12,
        columns={"device_id": "device_id", "events": "events"},
        sort="-events",
        fields={"device_id": panels.link("What is known of it", _TO_DEVICE)},
    )


def _by(tag: str, title: str) -> Any:
    """Bars for each value of a tag."""
    rest = f'GROUP BY time($__interval), "{tag}" fill(0)'
    query = events('count("event_id")', f"{STORED} AND {_AT_LEAST}", rest)
    return panels.lines(title, [influxql(query, f"$tag_{tag}")], bars=True)


def _table(title: str, where: str) -> Any:
    columns = '"criticality", "device_id", "array_id", "event_type", "event_message", "event_id"'
    rest = "ORDER BY time DESC LIMIT 500"
    return panels.rows(
        title,
        [influxql(events(columns, f"{STORED} AND {where}", rest), table=True)],
        24,
        fields={"device_id": panels.link("What is known of it", _TO_DEVICE)},
    )
