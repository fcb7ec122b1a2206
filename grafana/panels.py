"""Grafana's JSON for what the dashboard is made of: targets, panels, variables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

INFLUXDB = {"type": "influxdb", "uid": "spindle-influxdb"}
PROMETHEUS = {"type": "prometheus", "uid": "spindle-prometheus"}

GREEN, YELLOW, RED = "green", "yellow", "red"


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel.

    :ivar kind: Grafana's name of the visualisation.
    :ivar steps: ``(value, colour)`` of thresholds, the lowest without a value.
    """

    title: str
    kind: str
    targets: Sequence[Json]
    width: int
    height: int
    unit: str = "short"
    description: str = ""
    steps: Sequence[tuple[float | None, str]] = ((None, GREEN),)
    options: Json = field(default_factory=dict)
    custom: Json = field(default_factory=dict)
    overrides: Sequence[Json] = ()
    transformations: Sequence[Json] = ()

    def json(self, number: int, x: int, y: int) -> Json:
        """The panel at a place of the grid (24 columns)."""
        return {
            "id": number,
            "title": self.title,
            "type": self.kind,
            "description": self.description,
            "datasource": self.targets[0]["datasource"],
            "gridPos": {"h": self.height, "w": self.width, "x": x, "y": y},
            "targets": [
                {**target, "refId": chr(ord("A") + place)}
                for place, target in enumerate(self.targets)
            ],
            "fieldConfig": {
                "defaults": {
                    "unit": self.unit,
                    "noValue": "0" if self.kind == "stat" else "no data",
                    "custom": self.custom,
                    "thresholds": {
                        "mode": "absolute",
                        "steps": [
                            {"value": value, "color": colour} for value, colour in self.steps
                        ],
                    },
                },
                "overrides": list(self.overrides),
            },
            "options": self.options,
            "transformations": list(self.transformations),
        }


def influxql(query: str, alias: str = "", *, table: bool = False) -> Json:
    """A query to InfluxDB as it is written; ``alias`` may name tags as ``$tag_x``."""
    return {
        "datasource": INFLUXDB,
        "rawQuery": True,
        "query": query,
        "alias": alias,
        "resultFormat": "table" if table else "time_series",
    }


def promql(expression: str, legend: str) -> Json:
    """A query to Prometheus."""
    return {
        "datasource": PROMETHEUS,
        "expr": expression,
        "legendFormat": legend,
        "editorMode": "code",
        "range": True,
    }


def lines(title: str, targets: Sequence[Json], width: int, unit: str, **more: Any) -> Panel:
    """A chart over time, its thresholds as dashed lines."""
    custom = {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 5,
        "showPoints": "never",
        "spanNulls": 60_000,
        "thresholdsStyle": {"mode": "dashed" if len(more.get("steps", ())) > 1 else "off"},
    }
    options = {
        "legend": {
            "displayMode": "table",
            "placement": "right",
            "showLegend": True,
            "calcs": ["lastNotNull", "max"],
            "sortBy": "Max",
            "sortDesc": True,
        },
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return Panel(
        title, "timeseries", targets, width, 9, unit, options=options, custom=custom, **more
    )


def stat(title: str, target: Json, description: str, **more: Any) -> Panel:
    """One number."""
    options = {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "value",
        "graphMode": "area",
        "textMode": "value",
    }
    return Panel(title, "stat", [target], 4, 4, description=description, options=options, **more)


def variable(name: str, label: str, query: str) -> Json:
    """A choice of several values that InfluxDB knows, all at first."""
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": INFLUXDB,
        "query": query,
        "refresh": 2,  # whenever the time range changes
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
    }
