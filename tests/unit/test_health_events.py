"""What is wrong by readings is an event when it begins, worsens, eases and ends, and only then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson

from reader.detection.findings import State
from reader.health import verdict
from reader.health.decisions import of_reasons
from reader.health.evidence import Evidence, PreviousState, Rules, Unit
from reader.health.limits import Thresholds
from reader.health.reasons import HEALTH, Reason
from reader.watching import announcements, health_events
from spindle.store.base import DeviceKey, EventRow, Latest
from spindle.timestamps import NS

NOW = 1_800_000_000 * NS
RULES = Rules(Thresholds(), stale_ns=120 * NS, event_ns=900 * NS)
DRIVE = DeviceKey("DiskUnit", "naa.5000c500a1b2c3d4", "md0")


class Course:
    """The fleet judged again and again; what is told of it."""

    def __init__(self) -> None:
        self.before: dict[DeviceKey, PreviousState] = {}

    def judged(
        self, *readings: Latest, silences: bool = True, anomalies: Any = (), **more: Any
    ) -> list[tuple[int, str]]:
        units = verdict.judge(Evidence(readings, **more), RULES, NOW)
        return self.units(units, silences=silences, anomalies=anomalies)

    def units(self, units: Sequence[Unit], **more: Any) -> list[tuple[int, str]]:
        """Criticality and message of each event."""
        anomalies = more.pop("anomalies", ())
        events, told = health_events.of_units(units, self.before, anomalies, NOW, **more)
        self.before = announcements.states(units, self.before, NOW, told)
        said = [orjson.loads(each.payload) for each in events]
        assert all(each["eventType"] == HEALTH for each in said)
        return [(each["criticality"], each["eventMessage"]) for each in said]


def says(metric: str, value: float, age: int = 1) -> Latest:
    return Latest(*DRIVE[:1], metric, *DRIVE[1:], NOW - age * NS, value)


def criticalities(told: list[tuple[int, str]]) -> list[int]:
    return [criticality for criticality, _ in told]


def test_a_limit_is_told_when_it_is_reached_worsens_eases_and_is_over() -> None:
    course = Course()
    assert course.judged(says("DiskTemp", 40)) == []
    assert criticalities(course.judged(says("DiskTemp", 56))) == [6]
    assert course.judged(says("DiskTemp", 57)) == []
    ((criticality, message),) = course.judged(says("DiskTemp", 63))
    assert (criticality, message[:17]) == (8, "DiskTemp 63 degC,")
    assert course.judged(says("DiskTemp", 64)) == []
    assert criticalities(course.judged(says("DiskTemp", 57))) == [3]
    assert course.judged(says("DiskTemp", 40)) == [(1, "over: DiskTemp")]
    assert course.judged(says("DiskTemp", 40)) == []


def test_another_attribute_is_told_though_the_state_stays() -> None:
    course = Course()
    assert criticalities(course.judged(says("DiskTemp", 63))) == [8]
    told = course.judged(says("DiskTemp", 63), says("SmartFailing", 1))
    assert criticalities(told) == [8]
    assert "says that it is failing" in told[0][1]


def test_a_silence_is_a_critical_event_once_the_device_is_unknown() -> None:
    course = Course()
    course.judged(says("IOPs", 5))
    ((criticality, message),) = course.judged(says("IOPs", 5, age=1300))
    assert (criticality, message[:18]) == (8, "no reading for 22 ")
    assert criticalities(course.judged(says("IOPs", 5))) == [1]


def test_after_a_start_a_silence_waits_until_devices_had_time_to_be_heard() -> None:
    course = Course()
    assert course.judged(says("IOPs", 5, age=1300), silences=False) == []
    assert criticalities(course.judged(says("IOPs", 5, age=1300))) == [8]
    # One that was told before a restart is not over because of it.
    assert course.judged(says("IOPs", 5, age=1300), silences=False) == []


def test_what_events_told_already_is_not_told_again() -> None:
    failure = EventRow(NOW - NS, "e-1", "DiskUnit", "DriveFailure", *DRIVE[1:], 9, "")
    assert Course().judged(says("DiskTemp", 40), events=(failure,)) == []


def test_health_events_do_not_make_a_device_ill() -> None:
    own = EventRow(NOW - NS, "e-1", "DiskUnit", HEALTH, *DRIVE[1:], 8, "DiskTemp 63 degC")
    (unit,) = verdict.judge(Evidence([says("DiskTemp", 40)], [own]), RULES, NOW)
    assert (unit.state, unit.reasons) == ("ok", ())


def test_an_anomaly_has_an_event_of_its_own() -> None:
    since = "2027-01-15T07:59:00Z"
    reason = Reason(
        *(*DRIVE, "Latency", None, 9.0, "ms", None, "warning", since, since, "Latency 9 ms")
    )
    unit = Unit(*DRIVE, "warning", 65, None, NOW, (reason,))
    assert Course().units([unit], anomalies={(DRIVE, "Latency", since)}) == []
    assert criticalities(Course().units([unit])) == [6]


def test_an_acknowledged_reason_ends_and_begins_anew_when_it_is_worse() -> None:
    course = Course()
    course.judged(says("PendingSectors", 12))
    (unit,) = verdict.judge(Evidence([says("PendingSectors", 12)]), RULES, NOW)
    said = of_reasons(unit.reasons, "md0", "high", NOW, note="a spare is ordered")
    known = {DRIVE[:2]: (said,)}
    ((criticality, message),) = course.judged(says("PendingSectors", 12), acknowledged=known)
    assert criticality == 1
    assert message.startswith("acknowledged: a spare is ordered; 12 pending")
    told = course.judged(says("PendingSectors", 13), acknowledged=known)
    assert criticalities(told) == [6]
    broken = {DRIVE[:2]: (replace(said, worse_ns=NOW),)}
    assert course.judged(says("PendingSectors", 13), acknowledged=broken) == []


def test_of_a_fleet_that_fails_at_once_the_rest_is_told_next_time() -> None:
    state: State = "critical"
    many = [
        replace(
            Unit(*DRIVE, state, 20, None, NOW, ()),
            device_id=f"disk-{n}",
            reasons=(
                Reason(*("DiskUnit", f"disk-{n}", "md0", "DiskTemp", None, 70.0, "degC", 60.0),
                       *(state, None, "", "hot")),
            ),
        )
        for n in range(700)
    ]  # fmt: skip
    course = Course()
    assert [len(course.units(many)) for _ in range(3)] == [500, 200, 0]


def test_a_drive_that_says_too_little_is_no_alarm() -> None:
    course = Course()
    told = course.judged(says("SmartFailing", 0))
    assert criticalities(told) == [6]
    assert "not known to be well" in told[0][1]


def test_a_drive_whose_host_says_that_it_is_gone_is_not_told_a_second_time_to_be_silent() -> None:
    course = Course()
    course.judged(says("DiskTemp", 40))
    gone = EventRow(NOW - 700 * NS, "e", DRIVE[0], "DriveGone", *DRIVE[1:], 8, "is gone")
    silent = says("DiskTemp", 40, 715), says("PendingSectors", 0, 715)
    assert course.judged(*silent, events=[gone], intervals={DRIVE: 1.0}) == []
    assert course.judged(*silent, intervals={DRIVE: 1.0}) == []  # once the event is old
    assert criticalities(course.judged(says("DiskTemp", 40))) == [1]
