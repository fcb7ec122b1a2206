"""Every query of every dashboard, as Grafana fills it in, on a running pipeline: it returns rows.

A real InfluxDB and a real Prometheus, filled by the services themselves.
"""

from __future__ import annotations

import json
import re
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import pytest

from grafana import dashboard
from tests.integration.lit_pipeline import DATABASE, Lit
from tests.prometheus_server import query
from tests.servers import Server
from tests.waiting import wait_until

MADE: dict[str, dict[str, Any]] = {
    name: json.loads(dashboard.text(name)) for name in dashboard.DASHBOARDS
}
INTERVAL = "10s"


class Asked(NamedTuple):
    """One query of a dashboard."""

    board: str
    title: str
    query: str
    influx: bool
    now: bool

    def __str__(self) -> str:
        return f"{self.board}-{self.title}"


def _asked() -> Iterator[Asked]:
    for board, made in MADE.items():
        for panel in made["panels"]:
            for target in panel.get("targets", ()):
                yield _one(board, f"{panel['title']}-{target['refId']}", target)
        for marks in made["annotations"].get("list", ()):
            yield _one(board, f"marks-{marks['name']}", marks["target"])


def _one(board: str, title: str, target: dict[str, Any]) -> Asked:
    influx = "query" in target
    query = target["query"] if influx else target["expr"]
    return Asked(board, title, query, influx, bool(target.get("instant")))


def _influx(server: Server, query: str) -> list[dict[str, Any]]:
    """The series of the answer."""
    body = urllib.parse.urlencode({"db": DATABASE, "q": query}).encode()
    with urllib.request.urlopen(f"http://{server.url}/query", data=body, timeout=10) as answer:
        (result,) = json.load(answer)["results"]
    assert "error" not in result, (query, result)
    series: list[dict[str, Any]] = result.get("series", [])
    return series


def _prometheus(server: Server, path: str, **asked: object) -> Any:
    url = f"http://{server.url}/api/v1/{path}?{urllib.parse.urlencode(asked)}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)["data"]


def _options(variable: dict[str, Any], lit: Lit, chosen: dict[str, str]) -> list[str]:
    """What may be chosen for a variable, as Grafana would find it."""
    if variable["type"] == "custom":
        return [option["value"] for option in variable["options"]]
    if isinstance(variable["query"], str):
        found = _influx(lit.influxd, _filled(variable["query"], chosen))
        return [row[1] for series in found for row in series["values"]]
    match = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"])
    assert match is not None
    given = {"match[]": _filled(match[1], chosen)}
    found = _prometheus(lit.prometheus, f"label/{match[2]}/values", **given)
    return [each for each in found if each]


def _filled(query: str, chosen: dict[str, str]) -> str:
    """As Grafana fills in a query."""
    now_ms = int(time.time() * 1000)
    query = query.replace("$timeFilter", f"time >= {now_ms - 3_600_000}ms and time <= {now_ms}ms")
    query = query.replace("$__rate_interval", "10s").replace("$__interval", INTERVAL)
    for name, value in chosen.items():
        query = query.replace(f"${name}", value)
    assert not re.search(r"\$[a-z_]", query), query
    return query


def _escaped(value: str) -> str:
    """A value as part of a regular expression; both databases read ``[.]`` alike."""
    assert not set(value) & set("\\^$*+?()|[]{}/"), value
    return value.replace(".", "[.]")


def _choices(board: str, lit: Lit, *, whole: bool) -> dict[str, str]:
    """A value of each variable of a dashboard.

    :param whole: as the dashboard opens; else one or two of what can be chosen.
    """
    chosen: dict[str, str] = {}
    for variable in MADE[board]["templating"].get("list", ()):
        options = _options(variable, lit, chosen)
        assert options, variable["name"]
        name, wanted = variable["name"], "hot-1"
        if variable["type"] == "custom":
            chosen[name] = options[0] if whole else options[1]
        elif not variable["multi"]:
            assert wanted in options
            chosen[name] = wanted
        elif whole and variable.get("allValue"):
            chosen[name] = variable["allValue"]
        else:
            some = options if whole else [each for each in options if each in ("md0", wanted)]
            chosen[name] = f"({'|'.join(map(_escaped, some or options[:2]))})"
            if not whole and name == "device_id":
                assert wanted in some
    return chosen


@pytest.fixture(scope="module")
def filled(lit: Lit) -> Lit:
    """The pipeline, once there is a visit, an anomaly's event, a request and a rate of each."""
    url = f"http://127.0.0.1:{lit.services['gateway'].port}/api/v1/devices"
    for _ in range(3):
        urllib.request.urlopen(url)
    wait_until(lambda: _influx(lit.influxd, "SELECT * FROM parking_visits"))
    asked = 'gateway_requests_total{route!~"/healthz|/readyz|/metrics"}'
    for metric in (asked, "gateway_request_seconds_count", "reader_request_seconds_count"):
        wait_until(partial(query, lit.prometheus, f"rate({metric}[10s])"))
    return lit


@pytest.mark.parametrize("whole", [True, False], ids=["as it opens", "chosen"])
@pytest.mark.parametrize("asked", list(_asked()), ids=str)
def test_every_query_of_the_dashboards_returns_rows(filled: Lit, asked: Asked, whole: bool) -> None:
    """With everything chosen, and with a few."""
    query = _filled(asked.query, _choices(asked.board, filled, whole=whole))
    if asked.influx:
        found = _influx(filled.influxd, query)
        assert all(each["values"] for each in found)
    elif asked.now:
        found = _prometheus(filled.prometheus, "query", query=query)["result"]
    else:
        end = time.time()
        found = _prometheus(
            filled.prometheus, "query_range", query=query, start=end - 60, end=end, step=5
        )["result"]
    assert found, query


def test_a_dead_writer_looks_dead_and_what_waits_for_it_is_still_known(filled: Lit) -> None:
    """Nothing that it said last is shown as if it were so."""

    def shown(title: str) -> list[float]:
        (asked,) = (one for one in _asked() if (one.board, one.title) == ("pipeline", f"{title}-A"))
        found = _prometheus(filled.prometheus, "query", query=asked.query)["result"]
        return [float(one["value"][1]) for one in found]

    writer = filled.services["writer"]
    assert shown("Writers") == [1]
    assert shown("Stored")[0] > 0
    writer.kill()
    wait_until(lambda: shown("Writers") == [0])
    assert shown("Stored") == []
    wait_until(lambda: shown("Waiting")[0] > 0)
    writer.start()
    wait_until(lambda: shown("Writers") == [1])
