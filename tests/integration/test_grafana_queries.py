"""Every InfluxQL query of the dashboard, run on a real InfluxDB that holds the promised schema."""

from __future__ import annotations

import json
import time
import urllib.parse
import urllib.request
from typing import Any

import pytest

from grafana import dashboard, panels
from spindle import catalog
from tests.servers import Server

MADE = dashboard.dashboard()
INTERVAL_SECONDS = 10
DATABASE = "dashboard"

#: As Grafana fills them in: two values chosen, all chosen, one chosen.
CHOICES = [
    {"source_device": "(DiskUnit|StorageArray)", "device_id": "(disk-1|array1)", "metric": ".*"},
    {"source_device": ".*", "device_id": ".*", "metric": "DiskTemp"},
]


def _queries() -> list[tuple[str, str]]:
    found = [
        (f"{panel['title']}-{target['refId']}", target["query"])
        for panel in MADE["panels"]
        for target in panel.get("targets", [])
        if target["datasource"] == panels.INFLUXDB
    ]
    return found + [
        (f"${variable['name']}", variable["query"]) for variable in MADE["templating"]["list"]
    ]


def _filled_in(query: str, choice: dict[str, str]) -> str:
    now_ms = int(time.time() * 1000)
    query = query.replace("$timeFilter", f"time >= {now_ms - 3_600_000}ms and time <= {now_ms}ms")
    query = query.replace("$__interval", f"{INTERVAL_SECONDS}s")
    for name, value in choice.items():
        query = query.replace(f"${name}", value)
    assert "$" not in query.replace("$/", "/"), query
    return query


def _lines() -> str:
    now = time.time_ns() - 600 * 10**9
    lines = []
    for step in range(12):
        at = now + step * 5 * 10**9
        for device, source in (("disk-1", "DiskUnit"), ("array1", "StorageArray")):
            lines += [
                f"device_metrics,array_id=array1,device_id={device},metric_type={metric},"
                f"source_device={source} value={40 + step} {at}"
                for metric in catalog.METRICS
            ]
            lines.append(
                f"events,array_id=array1,device_id={device},event_type=DriveFailure,"
                f'source_device={source} event_id="e{step}",criticality=9i,event_message="hot" {at}'
            )
    return "\n".join(lines)


def _post(server: Server, path: str, body: bytes) -> bytes:
    request = urllib.request.Request(f"http://{server.url}{path}", data=body, method="POST")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return bytes(answer.read())


@pytest.fixture(scope="module")
def filled(influxd: Server) -> Server:
    """InfluxDB with ten minutes of readings and events of two devices."""
    _post(influxd, "/query", urllib.parse.urlencode({"q": f"CREATE DATABASE {DATABASE}"}).encode())
    _post(influxd, f"/write?db={DATABASE}&precision=ns", _lines().encode())
    return influxd


@pytest.mark.parametrize("choice", CHOICES, ids=["two", "all"])
@pytest.mark.parametrize(("name", "query"), _queries(), ids=[name for name, _ in _queries()])
def test_every_query_of_the_dashboard_returns_rows(
    filled: Server, name: str, query: str, choice: dict[str, str]
) -> None:
    """With several values chosen, and with all of them."""
    body = urllib.parse.urlencode({"db": DATABASE, "q": _filled_in(query, choice)}).encode()
    (result,) = json.loads(_post(filled, "/query", body))["results"]
    assert "error" not in result
    series: list[dict[str, Any]] = result["series"]
    assert all(each["values"] for each in series)


def test_the_critical_events_carry_every_promised_column(filled: Server) -> None:
    """Tags and fields of the schema, with the message a person reads."""
    query = next(
        query for name, query in _queries() if name == "Critical events-A" and "ORDER" in query
    )
    body = urllib.parse.urlencode({"db": DATABASE, "q": _filled_in(query, CHOICES[1])}).encode()
    (result,) = json.loads(_post(filled, "/query", body))["results"]
    (series,) = result["series"]
    first = dict(zip(series["columns"], series["values"][0], strict=True))
    assert first["criticality"] == 9
    assert first["event_message"] == "hot"
    assert first["event_id"] == "e11"
    assert {first["device_id"], series["values"][1][3]} == {"disk-1", "array1"}
