"""The rules: right by promtool, and about metrics that the services really emit."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

import pytest
import yaml

from local.services import SERVICES
from tests.http_calls import call
from tests.integration.lit_pipeline import EXPECTED, Lit
from tests.prometheus_server import RULE_TESTS, RULES, program
from tests.servers import ROOT

OWN = ("up",)  # Prometheus makes these itself
ADDED = {"job", "instance"}  # labels that Prometheus adds to what it scrapes

GROUPS: list[dict[str, Any]] = yaml.safe_load(RULES.read_text())["groups"]
ENTRIES: list[dict[str, Any]] = [rule for group in GROUPS for rule in group["rules"]]
RECORDED = {rule["record"] for rule in ENTRIES if "record" in rule}
ALERTS = {rule["alert"] for rule in ENTRIES if "alert" in rule}
WORDS = {
    *(
        "sum",
        "by",
        "without",
        "rate",
        "increase",
        "max",
        "and",
        "on",
        "or",
        "deriv",
        "histogram_quantile",
        "absent",
        "min",
    ),
    *("job", "instance", "stream", "reason", "severity"),
}


def promtool(*words: str) -> None:
    done = subprocess.run(
        [program("promtool"), *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_finds_no_fault_in_the_rules() -> None:
    promtool("check", "rules", str(RULES))


def test_promtool_finds_no_fault_in_the_configuration_for_this_machine() -> None:
    promtool("check", "config", str(ROOT / "prometheus" / "local.yml"))


def test_promtool_finds_no_fault_in_the_configuration_of_compose() -> None:
    """But for the file that the container makes when it starts."""
    promtool("check", "config", "--syntax-only", str(ROOT / "prometheus" / "prometheus.yml"))


@pytest.mark.parametrize("path", RULE_TESTS, ids=lambda path: path.name)
def test_each_alert_fires_when_it_should_and_is_quiet_otherwise(path: Any) -> None:
    promtool("test", "rules", str(path))


def test_every_alert_is_shown_to_fire_and_to_stay_quiet() -> None:
    fires: set[str] = set()
    quiet: set[str] = set()
    for path in RULE_TESTS:
        for one in yaml.safe_load(path.read_text())["tests"]:
            for case in one.get("alert_rule_test", []):
                (fires if case["exp_alerts"] else quiet).add(case["alertname"])
    assert fires == ALERTS
    assert quiet == ALERTS


def test_both_configurations_scrape_every_service() -> None:
    """The same jobs on the same ports, by name in compose and on loopback here."""
    found = []
    for name in ("prometheus.yml", "local.yml"):
        config = yaml.safe_load((ROOT / "prometheus" / name).read_text())
        assert config["rule_files"] == ["rules.yml"]
        found.append(
            {
                job["job_name"]: job["static_configs"][0]["targets"][0].rpartition(":")[2]
                for job in config["scrape_configs"]
            }
        )
    compose, local = found
    assert local.items() <= compose.items()
    assert {service.name for service in SERVICES} <= local.keys()


@pytest.fixture(scope="module")
def emitted(lit: Lit) -> dict[str, set[str]]:
    """Metric -> labels, scraped from every service while it runs."""
    found: dict[str, set[str]] = {}
    for service in lit.services.values():
        page = call(f"http://127.0.0.1:{service.port}/metrics").body.decode()
        for line in page.splitlines():
            if match := re.match(r"(\w+)(?:\{(.*)\})? ", line):
                found.setdefault(match[1], set()).update(re.findall(r'(\w+)="', match[2] or ""))
    return found


def test_alerts_of_devices_fire_by_name_on_what_the_reader_emits(lit: Lit) -> None:
    """And on no device that is well; each says why in its sentence."""
    assert lit.alerts() == EXPECTED
    url = f"http://{lit.prometheus.url}/api/v1/alerts"
    said = {
        alert["annotations"]["summary"]
        for alert in json.loads(call(url).body)["data"]["alerts"]
        if alert["labels"].get("simulated") == "false"
    }
    assert "hot-1 of host-a (ST4000NM0033) is critical: DiskTemp DriveFailure" in said
    assert "warm-1 of host-a (ST4000NM0033) is in warning: DiskTemp" in said
    assert "silent-1 of host-a fell silent" in said
    assert "full-1 of host-a will be full in 7 days" in said


def test_the_rules_name_no_metric_that_no_service_emits(emitted: dict[str, set[str]]) -> None:
    named = set()
    for rule in ENTRIES:
        bare = re.sub(r"\{[^}]*\}|\[[^]]*\]|\"[^\"]*\"", "", rule["expr"])
        named |= {word for word in re.findall(r"[a-zA-Z_:][\w:]*", bare) if word not in WORDS}
    assert named - RECORDED - set(OWN) - emitted.keys() == set()
    assert "writer_dead_lettered_points_total" in named


def test_the_series_of_the_tests_have_the_labels_of_the_real_ones(
    emitted: dict[str, set[str]],
) -> None:
    for path in RULE_TESTS:
        for one in yaml.safe_load(path.read_text())["tests"]:
            for series in one["input_series"]:
                name, _, labels = series["series"].partition("{")
                if name not in OWN:
                    assert set(re.findall(r'(\w+)="', labels)) - ADDED == emitted[name], name


def test_every_metric_of_a_service_begins_with_its_name(emitted: dict[str, set[str]]) -> None:
    """Row 28 of the promises; row 27's names are bare."""
    prefixes = tuple(f"{service.name}_" for service in SERVICES)
    bare = ("matched_events", "unmatched_events", "event_processing_latency_seconds")
    others = {name for name in emitted if not name.startswith((*prefixes, "parking_", *bare))}
    assert others == set()
