"""The dashboard of the car park: how many are inside, who came and went, how long they stayed."""

from __future__ import annotations

from typing import Any

from grafana import panels
from grafana.panels import GREEN, ORANGE, influxql, promql
from spindle.subjects import LOT, PARKING_VISITS, STATUS

_CHOSEN = f'"{LOT}" =~ /^$lot$/'


def dashboard() -> Any:
    """The car park."""
    lots = f'SHOW TAG VALUES FROM "{PARKING_VISITS}" WITH KEY = "{LOT}"'
    return panels.board(
        "spindle-parking",
        "Spindle: parking",
        "Entries, exits and visits of the car park",
        [panels.variable("lot", "Lot", lots, source=panels.INFLUXDB)],
        {"Now": _now(), "Over time": _over_time(), "Visits": [_visits()]},
    )


def _now() -> list[Any]:
    """Every gateway shows the whole, so the largest is taken and nothing added up."""
    without, every = "max(unmatched_events)", "(max(matched_events) + max(unmatched_events))"
    stays = _asked('mean("duration_seconds")', "\"status\" = 'matched'")
    return [
        panels.number(
            "Inside", promql("max(parking_vehicles_inside)", now=True), "Vehicles inside now"
        ),
        panels.number(
            "Exits with an entry", promql("max(matched_events)", now=True), "Ever counted"
        ),
        panels.number("Exits without one", promql(without, now=True), "Ever counted"),
        panels.number(
            "Without an entry",
            promql(f"{without} / ({every} > 0)", now=True),
            "Share of all exits; unknown before the first",
            unit="percentunit",
            steps=((None, GREEN), (0.1, ORANGE)),
        ),
        panels.number("Mean stay", influxql(stays), "Of visits that ended in this time", unit="s"),
        panels.number(
            "Conflicts",
            promql("sum(parking_conflicts_total)", now=True),
            "Times that another matcher changed a plate's state first",
        ),
    ]


def _asked(columns: str, where: str, rest: str = "") -> str:
    asked = f'SELECT {columns} FROM "{PARKING_VISITS}" WHERE $timeFilter AND {_CHOSEN} AND {where}'
    return f"{asked} {rest}".strip()


def _over_time() -> list[Any]:
    rate = "max(rate(event_processing_latency_seconds_{}[$__rate_interval]))"
    buckets = "sum by (le) (rate(event_processing_latency_seconds_bucket[$__rate_interval]))"
    ended = _asked(
        'count("id")', '"plate" =~ /./', f'GROUP BY time($__interval), "{STATUS}" fill(0)'
    )
    stays = _asked(
        'mean("duration_seconds") AS "mean", max("duration_seconds") AS "longest"',
        "\"status\" = 'matched'",
        f'GROUP BY time($__interval), "{LOT}" fill(null)',
    )
    return [
        panels.lines("Inside", [promql("max(parking_vehicles_inside)", "inside")]),
        panels.lines("Visits ended", [influxql(ended, f"$tag_{STATUS}")], bars=True),
        panels.lines("Stays", [influxql(stays, f"$tag_{LOT} $col")], 12, "s"),
        panels.lines(
            "From an exit to its visit",
            [
                promql(f"{rate.format('sum')} / {rate.format('count')}", "mean"),
                promql(f"histogram_quantile(0.99, {buckets})", "99 %"),
            ],
            12,
            "s",
        ),
    ]


def _visits() -> Any:
    columns = (
        f'"plate", "{LOT}", "{STATUS}", "entry_time", "exit_time", "duration_seconds", "reason"'
    )
    query = _asked(columns, '"plate" =~ /./', "ORDER BY time DESC LIMIT 500")
    return panels.rows(
        "Visits",
        [influxql(query, table=True)],
        24,
        "Newest first, as they ended",
        fields={"duration_seconds": [("unit", "s")]},
    )
