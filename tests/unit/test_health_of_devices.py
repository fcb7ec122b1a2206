"""``device_health``: the verdict of thresholds, events and silence."""

from __future__ import annotations

from typing import Any

import pytest

from reader import health
from spindle.store.base import EventRow, Latest
from spindle.timestamps import NS

NOW = 1_800_000_000 * NS
STALE = 300 * NS


def reading(metric: str, value: float, device: str = "disk-1", age: int = 1) -> Latest:
    return Latest("DiskUnit", metric, device, "array-1", NOW - age * NS, value)


def event(device: str = "disk-1", criticality: int = 9, message: str = "") -> EventRow:
    return EventRow(
        NOW - NS, "e-1", "DiskUnit", "DriveFailure", device, "array-1", criticality, message
    )


def verdict(readings: list[Latest], events: list[EventRow] | None = None) -> dict[str, Any]:
    units = health.judge(readings, events or [], NOW, STALE)
    return health.answer("DiskUnit", "DiskUnit", units, 24)


@pytest.mark.parametrize(
    ("metric", "value", "state"),
    [
        ("DiskTemp", 54.9, "ok"),
        ("DiskTemp", 55.0, "warning"),
        ("DiskTemp", 60.0, "critical"),
        ("Latency", 10.5, "ok"),
        ("Latency", 20.0, "warning"),
        ("CapacityUsed", 95.0, "critical"),
        ("IOPs", 100.0, "ok"),
        ("IOPs", 1e9, "ok"),
        ("Utilisation", 100.0, "ok"),
        ("SomethingNew", 1e12, "ok"),
    ],
)
def test_each_metric_has_thresholds_of_its_own_and_load_is_no_illness(
    metric: str, value: float, state: str
) -> None:
    assert verdict([reading(metric, value)])["health"] == state


def test_a_class_is_as_well_as_its_worst_member_and_counts_them_all() -> None:
    found = verdict(
        [
            reading("DiskTemp", 30, "disk-1"),
            reading("DiskTemp", 56, "disk-2"),
            reading("DiskTemp", 70, "disk-3"),
            reading("DiskTemp", 30, "disk-4", age=301),
        ]
    )
    assert found["health"] == "critical"
    assert found["counts"] == {"ok": 1, "unknown": 1, "warning": 1, "critical": 1}
    assert [reason["device"] for reason in found["reasons"]] == ["disk-3", "disk-2", "disk-4"]


def test_a_reason_says_what_was_read_its_unit_and_the_limit_it_reached() -> None:
    reason = verdict([reading("DiskTemp", 61.23)])["reasons"][0]
    assert (reason["value"], reason["unit"], reason["limit"]) == (61.23, "degC", 60.0)
    assert reason["message"] == "DiskTemp 61.23 degC, at or above 60 degC (critical)"


def test_a_recent_critical_event_makes_its_device_critical_whatever_it_reads() -> None:
    found = verdict([reading("DiskTemp", 30)], [event(message="heads crashed")])
    assert found["health"] == "critical"
    assert found["reasons"][0]["event_type"] == "DriveFailure"
    assert found["reasons"][0]["message"] == "DriveFailure of criticality 9: heads crashed"


def test_a_device_that_only_sent_a_critical_event_is_critical() -> None:
    found = verdict([], [event("disk-9")])
    assert found["health"] == "critical"
    assert found["last_seen"] is not None
    assert len(found["reasons"]) == 1


def test_a_device_that_fell_silent_is_unknown_and_the_reason_says_for_how_long() -> None:
    found = verdict([reading("DiskTemp", 99, age=720)])
    assert found["health"] == "unknown"
    assert found["reasons"][0]["message"] == "no reading for 12 min"


def test_a_stale_reading_counts_for_nothing_beside_a_fresh_one() -> None:
    assert verdict([reading("DiskTemp", 99, age=720), reading("IOPs", 300)])["health"] == "ok"


def test_a_device_never_heard_of_is_unknown() -> None:
    found = health.answer("disk-77", None, [], 24)
    assert (found["device"], found["health"]) == ("disk-77", "unknown")
    assert found["reasons"][0]["message"] == "nothing was heard of disk-77 in the last 24 h"
    assert found["counts"] == {"ok": 0, "unknown": 0, "warning": 0, "critical": 0}


def test_the_reply_has_the_same_keys_whatever_the_verdict() -> None:
    never = health.answer("disk-77", None, [], 24)
    assert verdict([reading("DiskTemp", 30)]).keys() == never.keys()


def test_an_answer_about_ten_thousand_ill_devices_names_the_worst_only() -> None:
    found = verdict([reading("DiskTemp", 60 + n / 1000, f"disk-{n}") for n in range(10_000)])
    assert found["counts"]["critical"] == 10_000
    assert len(found["reasons"]) == health.MOST_REASONS
    assert found["reasons"][0]["device"] == "disk-9999"
