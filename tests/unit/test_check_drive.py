"""Verdicts on drives: golden folders, exit codes, broken outputs, and what change means."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.smart.reading import read
from reader.health.smart import Drive, judge
from reader.health.smart_rules import RULES, SOURCE, Growth
from tests.servers import ROOT
from tools.check_drive import as_object, check

GOLDEN = ROOT / "tests" / "golden" / "drives"
CASES = sorted(path.name for path in GOLDEN.iterdir())
DISK = Drive("ATA", 7200)
WELL = {"SmartFailing": 0.0, "ReallocatedSectors": 0.0, "PendingSectors": 0.0, "CrcErrors": 0.0}


def beside(case: str, name: str) -> Any:
    return json.loads((GOLDEN / case / name).read_text())


FAILING = [c for c in CASES if beside(c, "verdict.json")["health"] == "critical"]


def verdict(output: object) -> dict[str, Any]:
    return as_object(check("smartctl.json", json.dumps(output).encode()))


@pytest.mark.parametrize("case", CASES)
def test_points_facts_and_verdict_are_those_beside_it(case: str) -> None:
    output = beside(case, "smartctl.json")
    assert dict(read(output).metrics) == beside(case, "points.json")
    assert dict(read(output).facts) == beside(case, "facts.json")
    assert verdict(output) == beside(case, "verdict.json")


def test_the_verdicts_of_the_golden_folders_are_those_of_an_engineer() -> None:
    """A second look at what the files say, so that none is made anew by mistake."""
    health = {case: beside(case, "verdict.json")["health"] for case in CASES}
    by_state = {
        state: {c for c in CASES if health[c] == state} for state in ("ok", "critical", "unknown")
    }
    assert by_state["critical"] == {
        *("disk-attribute-failing-now", "disk-exit-bit-3-without-its-status", "disk-pending-300"),
        *("disk-failed-though-counters-are-zero", "nvme-read-only", "nvme-spare-gone"),
        "sas-failing",
    }
    assert by_state["unknown"] == {"disk-asleep", "passed-alone", "usb-bridge-that-says-nothing"}
    assert by_state["ok"] == {
        *("disk-well", "flash-ata-few-bad-blocks", "nvme-well", "sas-well", "seagate-packed-188")
    }


def damaged(value: Any, path: list[int], change: str) -> Any:
    """The same with one place changed, chosen by ``path``."""
    if isinstance(value, dict) and value and path:
        key = sorted(value)[path[0] % len(value)]
        return {**value, key: damaged(value[key], path[1:], change)}
    if isinstance(value, list) and value and path:
        place = path[0] % len(value)
        return [*value[:place], damaged(value[place], path[1:], change), *value[place + 1 :]]
    if change == "reorder" and isinstance(value, dict):
        return dict(reversed(value.items()))
    if change == "text" and isinstance(value, int | float | bool):
        return json.dumps(value)
    return None if change == "null" else value


@given(
    case=st.sampled_from(FAILING),
    changes=st.lists(
        st.tuples(
            st.lists(st.integers(0, 30), min_size=1, max_size=5),
            st.sampled_from(["null", "text", "reorder"]),
        ),
        max_size=4,
    ),
)
def test_a_failing_drive_is_never_ok_whatever_is_lost_of_its_output(
    case: str, changes: list[tuple[list[int], str]]
) -> None:
    output = beside(case, "smartctl.json")
    for path, change in changes:
        output = damaged(output, path, change)
    assert verdict(output)["health"] != "ok"


@given(case=st.sampled_from(FAILING), cut=st.floats(0, 1))
def test_a_truncated_output_of_a_failing_drive_is_never_ok(case: str, cut: float) -> None:
    content = (GOLDEN / case / "smartctl.json").read_bytes().rstrip()
    found = check("x", content[: int(cut * len(content))]).verdict
    assert found.health in ("unknown", "critical")
    assert found.reasons


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(),
                    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))  # fmt: skip
def test_whatever_json_it_is_given_there_is_a_verdict_and_it_is_not_ok(output: object) -> None:
    assert verdict(output)["health"] == "unknown"


@pytest.mark.parametrize(
    ("growth", "health"),
    [
        (None, "warning"),
        (Growth(day=0, month=0, days=1000), "ok"),  # ten for three years
        (Growth(day=10, month=10, days=90), "critical"),  # ten since yesterday
        (Growth(day=0, month=4, days=90), "warning"),
        (Growth(day=0, month=0, days=3), "warning"),  # too young a history to say
    ],
)
def test_change_counts_more_than_level(growth: Growth | None, health: str) -> None:
    values = {**WELL, "ReallocatedSectors": 10.0}
    found = judge(values, DISK, {"ReallocatedSectors": growth} if growth else None)
    assert found.health == health
    assert "10 reallocated sectors (attribute 5" in found.reasons[0].message


def test_what_cannot_be_read_now_does_not_settle() -> None:
    settled = {"PendingSectors": Growth(day=0, month=0, days=1000)}
    assert judge({**WELL, "PendingSectors": 3.0}, DISK, settled).health == "warning"


@pytest.mark.parametrize("growth", [Growth(1e6, 1e6, 90), None])
def test_a_cable_and_hot_air_are_never_critical(growth: Growth | None) -> None:
    for metric, value in (("CrcErrors", 1e6), ("DiskTemp", 99.0), ("TemperatureOutOfRange", 1.0)):
        found = judge({**WELL, metric: value}, DISK, {metric: growth} if growth else None)
        assert found.health == "warning", metric


def test_the_risk_rises_with_the_value_and_lies_in_its_interval() -> None:
    for metric in ("ReallocatedSectors", "PendingSectors", "ReportedUncorrectable"):
        last = 0.0
        for value in (1.0, 5.0, 20.0, 100.0, 2000.0, 1e5):
            risk = judge({**WELL, metric: value}, DISK).risk
            assert risk is not None
            likely, low, high = risk.probability
            assert last <= likely and 0 < low <= likely <= high < 1
            last = likely
    assert judge({**WELL, "PendingSectors": 5.0}, Drive("SCSI", 7200)).risk is None


def test_drives_of_one_health_are_ranked_by_value_and_more_by_what_has_grown() -> None:
    def hazard(growth: Growth | None = None, **values: float) -> float:
        return judge(
            {**WELL, **values}, DISK, dict.fromkeys(values, growth) if growth else None
        ).hazard

    levels = [hazard(PendingSectors=float(value)) for value in (1, 2, 3, 5, 16, 30, 100, 250)]
    assert levels == sorted(set(levels)), "no two are equal"
    assert hazard(PendingSectors=1.0) == pytest.approx(0.342 / 4)
    still, month = Growth(0, 0, 90), Growth(0, 8, 90)
    new = Growth(8, 8, 90)
    assert hazard(PendingSectors=8.0) == hazard(still, PendingSectors=8.0)
    assert hazard(still, PendingSectors=8.0) < hazard(month, PendingSectors=8.0)
    assert hazard(month, PendingSectors=8.0) < hazard(new, PendingSectors=8.0)
    assert hazard(still, PendingSectors=30.0) < hazard(month, PendingSectors=8.0)
    both = hazard(PendingSectors=8.0, ReallocatedSectors=8.0)
    assert both > max(hazard(PendingSectors=8.0), hazard(ReallocatedSectors=8.0))
    assert hazard(CrcErrors=1e6) == 0
    # After a first one drives fail 14 times as often as others (2.5 % a year), within a month and
    # within a day: a first reallocation matters more than thousands that do not grow.
    first = hazard(Growth(1, 1, 90), ReallocatedSectors=1.0)
    assert first == pytest.approx(2 * 14 * 0.025 + 0.027 / 4)
    assert hazard(still, ReallocatedSectors=5000.0) < first
    # 197 and 198 are two counts of the same sectors, which on Seagate's drives are always equal.
    pending, unreadable = hazard(PendingSectors=300.0), hazard(OfflineUncorrectable=300.0)
    assert hazard(PendingSectors=300.0, OfflineUncorrectable=300.0) == max(pending, unreadable)
    assert hazard(ReallocationEvents=5.0, ReallocatedSectors=5.0) == hazard(ReallocatedSectors=5.0)
    # Beyond the last published value more is worse still, but no longer by much.
    many = [hazard(PendingSectors=float(value)) for value in (250, 1000, 65_535)]
    assert many == sorted(set(many)) and many[-1] < 2 * many[0]
    # New time-outs and end-to-end errors are less than a new uncorrectable error, old ones nothing.
    once = Growth(1, 1, 90)
    late, wrong = hazard(once, CommandTimeouts=1.0), hazard(once, EndToEndErrors=1.0)
    assert 0 < late < wrong < hazard(once, ReportedUncorrectable=1.0)
    assert hazard(still, CommandTimeouts=900.0) == hazard(still, EndToEndErrors=900.0) == 0


def test_a_reason_says_how_many_which_attribute_how_many_more_and_what_becomes_of_such_drives() -> (
    None
):
    growth = {"PendingSectors": Growth(day=5, month=7, days=40)}
    (reason,) = judge({**WELL, "PendingSectors": 12.0}, DISK, growth).reasons
    assert reason.message == (
        "12 pending sectors (attribute 197 Current_Pending_Sector), 5 more since yesterday; "
        "drives like this fail at about 46 % a year (39-54 %)"
    )
    growth = {"PendingSectors": Growth(day=0, month=7, days=12)}
    (reason,) = judge({**WELL, "PendingSectors": 12.0}, DISK, growth).reasons
    assert ", 7 more within 12 days;" in reason.message


def test_of_every_rule_the_rates_rise_within_their_intervals_and_name_their_source() -> None:
    rated = [rule for rule in RULES if rule.rates]
    assert len(rated) >= 6
    for rule in rated:
        for before, risk in pairwise(rule.rates):
            assert before.since < risk.since
            assert before.rate <= risk.rate
            assert risk.low <= risk.rate <= risk.high
        assert "Backblaze 2014" in rule.why or "188" in rule.attribute
    assert "2014" in SOURCE


def test_a_drive_that_says_that_it_fails_is_critical_whatever_else_it_says() -> None:
    for metric in ("SmartFailing", "AttributesFailing", "MediaReadOnly", "ReliabilityDegraded"):
        settled = {metric: Growth(day=0, month=0, days=1000)}
        assert judge({**WELL, metric: 1.0}, DISK, settled).health == "critical"


@pytest.mark.parametrize(
    ("cases", "code"),
    [
        (["disk-well", "nvme-well"], 0),
        (["disk-well", "disk-cable"], 1),
        (["disk-cable", "sas-failing", "disk-asleep"], 2),
        (["disk-well", "disk-asleep"], 3),
    ],
)
def test_the_exit_code_says_the_worst(cases: list[str], code: int) -> None:
    files = [str(GOLDEN / case / "smartctl.json") for case in cases]
    command = [sys.executable, "-m", "tools", "check-drive", *files, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == code, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["file"] for row in rows] == files
    assert [row["health"] for row in rows] == [beside(c, "verdict.json")["health"] for c in cases]


def test_standard_input_is_read_and_what_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tools", "check-drive", "-", str(tmp_path / "none.json")]
    content = (GOLDEN / "disk-pending-12" / "smartctl.json").read_text()
    done = subprocess.run(
        command, input=content, capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 3
    assert "12 pending sectors" in done.stdout
    assert "No such file" in done.stdout
    assert "Traceback" not in done.stderr
