"""What somebody knows of is quiet until it gets worse, and what worse is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reader.health import decisions, verdict
from reader.health.decisions import Acknowledgement
from reader.health.evidence import Evidence, Rules, Unit
from reader.health.limits import Thresholds
from spindle import catalog
from spindle.store.base import EventRow, Latest
from spindle.timestamps import NS

NOW = 1_800_000_000 * NS
RULES = Rules(Thresholds(), stale_ns=120 * NS, event_ns=900 * NS)
NAME = "naa.5000c500a1b2c3d4"
DISK = ("DiskUnit", NAME)


def reading(metric: str, value: float, age: int = 1) -> Latest:
    return Latest("DiskUnit", metric, "naa.5000c500a1b2c3d4", "md0", NOW - age * NS, value)


def event(kind: str, age: int, criticality: int = 9) -> EventRow:
    return EventRow(
        NOW - age * NS,
        f"{kind}-{age}",
        "DiskUnit",
        kind,
        "naa.5000c500a1b2c3d4",
        "md0",
        criticality,
        "",
    )


def judged(
    *readings: Latest, events: tuple[EventRow, ...] = (), known: tuple[Acknowledgement, ...] = ()
) -> Unit:
    evidence = Evidence(readings, events, acknowledged={DISK: known} if known else {})
    (unit,) = verdict.judge(evidence, RULES, NOW)
    return unit


def known_of(unit: Unit, name: str, **more: Any) -> Acknowledgement:
    reasons = [each for each in unit.reasons if each.name == name]
    metric = catalog.metric(name)
    bad = metric.bad if metric is not None else "neither"
    return decisions.of_reasons(reasons, unit.array_id, bad, NOW, **more)


def again(metric: str, then: float, now: float) -> Unit:
    """The verdict on a value, when another was acknowledged."""
    said = known_of(judged(reading(metric, then)), metric)
    return judged(reading(metric, now), known=(said,))


def test_a_reason_that_is_known_is_a_line_with_the_severity_it_would_have() -> None:
    said = known_of(
        judged(reading("PendingSectors", 12)), "PendingSectors", note="a spare is ordered"
    )
    unit = judged(reading("PendingSectors", 12), known=(said,))
    assert unit.state == "ok"
    (reason,) = unit.reasons
    assert (reason.severity, reason.acknowledged) == ("ok", "warning")
    assert reason.message.startswith("acknowledged: a spare is ordered; 12 pending sectors")


@pytest.mark.parametrize(
    ("metric", "then", "quiet", "worse"),
    [
        ("PendingSectors", 12, 12, 13),  # a counter: one more
        ("PendingSectors", 12, 3, 40),
        ("AvailableSpare", 30, 30, 29),  # less is worse
        ("DiskTemp", 56, 57.9, 58.1),  # 2 degC is noise
        ("Latency", 25, 31, 32),  # a quarter
        ("DiskTemp", 59, 59.9, 60),  # a higher severity
    ],
)
def test_a_reason_is_worse_by_the_measure_of_its_metric(
    metric: str, then: float, quiet: float, worse: float
) -> None:
    assert again(metric, then, quiet).state == "ok"
    unit = again(metric, then, worse)
    assert unit.state != "ok"
    assert "worse than what was acknowledged at 2027-01-15T08:00:00Z" in unit.reasons[0].message


def test_what_was_worse_once_alarms_until_it_is_acknowledged_anew() -> None:
    said = known_of(judged(reading("DiskTemp", 56)), "DiskTemp")
    assert judged(reading("DiskTemp", 56), known=(said,)).state == "ok"
    broken = replace(said, worse_ns=NOW)
    assert judged(reading("DiskTemp", 56), known=(broken,)).state == "warning"


def test_it_holds_until_its_time_and_alarms_then_though_nothing_changed() -> None:
    until = known_of(judged(reading("DiskTemp", 56)), "DiskTemp", until_ns=NOW + 1)
    assert judged(reading("DiskTemp", 56), known=(until,)).state == "ok"
    assert judged(reading("DiskTemp", 56), known=(replace(until, until_ns=NOW),)).state == "warning"


def test_another_attribute_alarms_beside_the_known_one() -> None:
    said = known_of(judged(reading("PendingSectors", 12)), "PendingSectors")
    unit = judged(reading("PendingSectors", 12), reading("OfflineUncorrectable", 1), known=(said,))
    assert unit.state == "warning"
    assert [each.name for each in unit.reasons] == ["OfflineUncorrectable", "PendingSectors"]


def test_another_event_of_the_same_type_alarms_and_one_of_another_type_does() -> None:
    said = known_of(judged(events=(event("DriveFailure", 60),)), "DriveFailure")
    old = replace(said, time_ns=NOW - 30 * NS)
    assert judged(events=(event("DriveFailure", 60),), known=(old,)).state == "ok"
    both = (event("DriveFailure", 5), event("DriveFailure", 60))
    assert judged(events=both, known=(old,)).state == "critical"
    other = (event("UnauthorizedAccess", 40, 8), event("DriveFailure", 60))
    unit = judged(events=other, known=(old,))
    assert unit.state == "critical"
    assert unit.reasons[0].event_type == "UnauthorizedAccess"


def test_a_known_silence_is_quiet_also_when_the_device_becomes_unknown() -> None:
    said = known_of(judged(reading("IOPs", 5, age=700)), "Silence")
    assert judged(reading("IOPs", 5, age=700), known=(said,)).state == "ok"
    assert judged(reading("IOPs", 5, age=90_000), known=(said,)).state == "ok"


def test_a_drive_that_says_that_it_fails_is_never_ok_however_well_it_is_known() -> None:
    unit = judged(reading("SmartFailing", 1))
    assert unit.state == "critical"
    assert judged(reading("SmartFailing", 1), known=(known_of(unit, "SmartFailing"),)).state == (
        "warning"
    )


def test_a_drive_that_moved_takes_along_what_is_known_of_it_and_a_label_does_not() -> None:
    elsewhere = replace(
        known_of(judged(reading("DiskTemp", 56)), "DiskTemp"), array_id="another-host"
    )
    assert judged(reading("DiskTemp", 56), known=(elsewhere,)).state == "ok"
    two = [
        Latest("DiskUnit", "DiskTemp", "sda", host, NOW - NS, 56.0) for host in ("host-a", "host-b")
    ]
    said = replace(elsewhere, device_id="sda", array_id="host-a")
    units = verdict.judge(Evidence(two, acknowledged={("DiskUnit", "sda"): (said,)}), RULES, NOW)
    assert {unit.array_id: unit.state for unit in units} == {"host-a": "ok", "host-b": "warning"}
