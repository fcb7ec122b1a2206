"""The provisioned dashboard is made by code, and refers only to what is provisioned."""

from __future__ import annotations

import json

import yaml

from grafana import dashboard, panels
from local.layout import ROOT
from spindle import catalog

MADE = dashboard.dashboard()


def test_the_committed_dashboard_is_made_from_the_code() -> None:
    """python -m grafana.dashboard."""
    assert dashboard.FILE.read_text() == dashboard.text()


def test_every_data_source_named_is_provisioned() -> None:
    provisioned = yaml.safe_load(
        (ROOT / "grafana" / "provisioning" / "datasources" / "spindle.yml").read_text()
    )
    uids = {source["uid"] for source in provisioned["datasources"]}
    assert uids == {panels.INFLUXDB["uid"], panels.PROMETHEUS["uid"]}
    for panel in MADE["panels"]:
        for target in panel.get("targets", []):
            assert target["datasource"]["uid"] in uids


def test_every_known_metric_has_a_panel_with_its_unit() -> None:
    text = json.dumps(MADE)
    for name, metric in catalog.METRICS.items():
        assert (name if metric.smart else f"= '{name}'") in text, name
    units = {
        panel["title"]: panel["fieldConfig"]["defaults"]["unit"]
        for panel in MADE["panels"]
        if "targets" in panel
    }
    assert units["Temperatures"] == "celsius"
    assert units["Latency"] == "ms"
    assert units["CapacityUsed"] == "percent"


def test_panels_have_numbers_of_their_own_and_do_not_overlap() -> None:
    places = [panel["gridPos"] for panel in MADE["panels"]]
    assert len({panel["id"] for panel in MADE["panels"]}) == len(places)
    cells = [
        (x, y)
        for place in places
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < dashboard.COLUMNS
