"""The provisioned dashboards are made by code, and refer only to what is provisioned."""

from __future__ import annotations

import json
import re
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


#: Of Grafana's value formats (@grafana/data, valueFormats/categories), those that may stand here.
UNITS = {
    *("short", "percent", "percentunit", "celsius", "ms", "s", "bytes", "Bps"),
    *("cps", "iops", "reqps", "h", "m", "string"),
}


@EACH
def test_no_line_has_a_hole_but_the_last_of_a_row(name: str) -> None:
    filled: dict[int, int] = {}
    last: set[int] = set()
    below = max(place["gridPos"]["y"] + place["gridPos"]["h"] for place in MADE[name]["panels"])
    for panel in MADE[name]["panels"]:
        place = panel["gridPos"]
        lines = range(place["y"], place["y"] + place["h"])
        for y in lines:
            filled[y] = filled.get(y, 0) + place["w"]
        if panel["type"] == "row":
            last |= set(range(place["y"] - 8, place["y"]))
    assert {y for y, width in filled.items() if width != COLUMNS} <= last
    for panel in MADE[name]["panels"]:  # one that ends above its neighbours leaves a hole
        place = panel["gridPos"]
        beside = {
            each["gridPos"]["y"] + each["gridPos"]["h"]
            for each in MADE[name]["panels"]
            if each["gridPos"]["y"] == place["y"]
        }
        assert len(beside) == 1, panel["title"]
    assert below == max(filled) + 1


@EACH
def test_units_are_grafanas_thresholds_rise_and_each_line_has_a_name(name: str) -> None:
    for panel in shown(name):
        title, config = panel["title"], panel["fieldConfig"]
        units = [config["defaults"].get("unit")]
        for override in config.get("overrides", ()):
            units += [each["value"] for each in override["properties"] if each["id"] == "unit"]
        assert {unit for unit in units if unit is not None} <= UNITS, title
        if steps := config["defaults"].get("thresholds", {}).get("steps"):
            values = [step["value"] for step in steps]
            assert values[0] is None, title
            assert values[1:] == sorted(set(values[1:])), title
        if panel["type"] in ("timeseries", "state-timeline"):
            names = [each.get("legendFormat") or each.get("alias") for each in panel["targets"]]
            assert all(names), title
            assert len(set(names)) == len(names), title
        references = [each["refId"] for each in panel["targets"]]
        assert len(set(references)) == len(references), title


@EACH
def test_overrides_sorting_and_links_name_columns_variables_and_dashboards_that_exist(
    name: str,
) -> None:
    chosen = {
        made["uid"]: {each["name"] for each in made["templating"].get("list", ())}
        for made in MADE.values()
    }
    for panel in shown(name):
        columns = columns_of(panel)
        for override in panel["fieldConfig"].get("overrides", ()):
            assert override["matcher"]["id"] == "byName"
            assert override["matcher"]["options"] in columns, panel["title"]
        for by in panel.get("options", {}).get("sortBy", ()):
            assert by["displayName"] in columns, panel["title"]
        for board, variables in re.findall(r"/d/([a-z-]+)\?([^\"]*)", json.dumps(panel)):
            assert set(re.findall(r"var-(\w+)=", variables)) <= chosen[board], panel["title"]
            assert set(re.findall(r"__data\.fields\.(\w+)", variables)) <= columns, panel["title"]


def columns_of(panel: dict[str, Any]) -> set[str]:
    """What a table's columns are called: as its last transformation, or its query, names them."""
    for each in reversed(panel.get("transformations", ())):
        if each["id"] == "organize":
            return set(each["options"]["renameByName"].values())
    query = " ".join(target.get("query", "") for target in panel["targets"])
    return set(re.findall(r'"(\w+)"', query))


@EACH
def test_each_variable_is_used_and_each_that_is_used_is_there(name: str) -> None:
    made = MADE[name]
    variables = {each["name"] for each in made["templating"].get("list", ())}
    asked = json.dumps([panel.get("targets") for panel in made["panels"]])
    asked += json.dumps(
        [made["templating"], made["annotations"], [p.get("repeat") for p in shown(name)]]
    )
    used = {each for each in re.findall(r"\$(\w+)", asked) if not each.startswith(("__", "tag_"))}
    assert used - {"timeFilter", "col"} == variables  # those two are Grafana's own
