"""Parts of queries that several dashboards ask by: the chosen devices, and their events."""

from __future__ import annotations

from typing import Any

from grafana.panels import ORANGE, RED, choice, marks, variable
from spindle import catalog
from spindle.subjects import DEVICE_METRICS, EVENTS_MEASUREMENT

#: The chosen devices in Prometheus, and in InfluxDB. A device that is retired is none of them.
CHOSEN = 'simulated=~"$simulated", source_device=~"$source_device"'
STORED = '"source_device" =~ /^$source_device$/ AND "device_id" =~ /^$device_id$/'
CRITICAL = 8  # criticality from which an event makes its device critical
UNITS = {
    "degC": "celsius",
    "ms": "ms",
    "%": "percent",
    "/s": "iops",
    "B/s": "Bps",
    "B": "bytes",
    "h": "h",
}


def unit(name: str) -> str:
    """What Grafana calls a metric's unit; one that it does not know is shown as it is."""
    known = catalog.unit(name)
    return UNITS.get(known, f"suffix: {known}" if known else "short")


def latest(metric: str, of: str = CHOSEN, how: str = "max") -> str:
    """A metric of devices, whichever reader shows it."""
    return f"{how} without (job, instance) ({metric}{{{of}}})"


def which_devices() -> list[Any]:
    """The choices that narrow the fleet.

    Devices are named because InfluxDB, asked too, does not know which are simulated or retired.
    """
    by_name = f"label_values(reader_device_health{{{CHOSEN}}}, device_id)"
    return [
        choice("simulated", "Devices", {"All": ".*", "Real": "false", "Simulated": "true"}),
        variable("source_device", "Class", "label_values(reader_device_health, source_device)"),
        variable("device_id", "Device", by_name, all_value=None),
    ]


def events(columns: str, where: str = STORED, rest: str = "") -> str:
    """A query about events of the chosen time."""
    return (
        f'SELECT {columns} FROM "{EVENTS_MEASUREMENT}" WHERE $timeFilter AND {where} {rest}'.strip()
    )


def event_marks(of: str = STORED) -> list[Any]:
    """Critical events, and anomalies, as marks in every chart."""
    columns, anomaly = '"event_message", "event_type", "device_id"', "\"event_type\" = 'Anomaly'"
    newest = "ORDER BY time DESC LIMIT 200"
    critical = f'"criticality" >= {CRITICAL}'
    return [
        marks("Critical events", events(columns, f"{of} AND {critical}", newest), RED),
        marks("Anomalies", events(columns, f"{of} AND {anomaly}", newest), ORANGE),
    ]


def readings(columns: str, where: str, rest: str = "") -> str:
    """A query about readings of the chosen time."""
    return f'SELECT {columns} FROM "{DEVICE_METRICS}" WHERE $timeFilter AND {where} {rest}'.strip()
