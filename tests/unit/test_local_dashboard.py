"""The provisioned dashboards are made by code, and refer only to what is provisioned."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana import dashboard, panels
from grafana.dashboard import DASHBOARDS
from local.layout import ROOT
from spindle import catalog

COLUMNS = 24
MADE: dict[str, dict[str, Any]] = {name: json.loads(dashboard.text(name)) for name in DASHBOARDS}
EACH = pytest.mark.parametrize("name", DASHBOARDS)


def shown(name: str) -> list[dict[str, Any]]:
    """The panels that ask something."""
    return [panel for panel in MADE[name]["panels"] if "targets" in panel]


@EACH
def test_the_committed_dashboard_is_made_from_the_code(name: str) -> None:
    """python -m grafana.dashboard."""
    assert (dashboard.FOLDER / f"{name}.json").read_text() == dashboard.text(name)


def test_nothing_else_is_provisioned() -> None:
    assert {path.stem for path in dashboard.FOLDER.iterdir()} == set(DASHBOARDS)
    assert len({made["uid"] for made in MADE.values()}) == len(DASHBOARDS)


@EACH
def test_the_sdk_reads_it_and_writes_the_same(name: str) -> None:
    """What the SDK does not know, such as a misspelt key, would be lost on the way."""
    register_default_plugins()
    read = Dashboard.from_json(MADE[name])
    assert json.loads(json.dumps(read, cls=JSONEncoder)) == MADE[name]


@EACH
def test_every_data_source_named_is_provisioned(name: str) -> None:
    folder = ROOT / "grafana" / "provisioning" / "datasources"
    provisioned = yaml.safe_load((folder / "spindle.yml").read_text())
    sources = {source["uid"]: source["type"] for source in provisioned["datasources"]}
    assert set(sources) == {panels.INFLUXDB.uid, panels.PROMETHEUS.uid}
    found = [*MADE[name]["templating"].get("list", []), *MADE[name]["annotations"].get("list", [])]
    found += [target for panel in shown(name) for target in (panel, *panel["targets"])]
    for each in found:
        if (source := each.get("datasource")) is not None:
            assert sources[source["uid"]] == source["type"]


@EACH
def test_what_has_no_value_is_not_0_and_says_why(name: str) -> None:
    for panel in shown(name):
        influx = panel["datasource"]["uid"] == panels.INFLUXDB.uid
        said = panel["fieldConfig"]["defaults"]["noValue"]
        assert said == (panels.NEEDS_INFLUXDB if influx else panels.UNKNOWN)
        if panel["type"] == "stat" and not influx:
            assert all(target["instant"] for target in panel["targets"]), panel["title"]


def test_every_known_metric_has_a_panel_with_its_unit() -> None:
    text = json.dumps(MADE["device"])
    for name, metric in catalog.METRICS.items():
        assert (name if metric.smart else f"= '{name}'") in text, name
    units = {
        panel["title"]: panel["fieldConfig"]["defaults"].get("unit") for panel in shown("device")
    }
    assert units["DiskTemp"] == "celsius"
    assert units["Latency"] == "ms"
    assert units["CapacityUsed"] == "percent"


@EACH
def test_panels_have_numbers_of_their_own_and_do_not_overlap(name: str) -> None:
    places = [panel["gridPos"] for panel in MADE[name]["panels"]]
    assert len({panel["id"] for panel in MADE[name]["panels"]}) == len(places)
    cells = [
        (x, y)
        for place in places
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < COLUMNS
