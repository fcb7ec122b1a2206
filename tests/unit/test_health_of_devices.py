"""``device_health``: the verdict of thresholds, events and silence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from reader.detection.findings import Finding, State
from reader.health import summary, verdict
from reader.health.close_looks import CloseLooks
from reader.health.evidence import Evidence, PreviousState, Rules
from reader.health.intervals import Silences
from reader.health.limits import BUCKET_NS, Thresholds
from spindle.store.base import Bucket, DeviceKey, EventRow, Latest
from spindle.timestamps import NS, format_ns

NOW = 1_800_000_000 * NS
RULES = Rules(Thresholds(), stale_ns=300 * NS, event_ns=900 * NS)
DISK = DeviceKey("DiskUnit", "disk-1", "array-1")


def reading(metric: str, value: float, device: str = "disk-1", age: int = 1) -> Latest:
    return Latest("DiskUnit", metric, device, "array-1", NOW - age * NS, value)


def event(
    device: str = "disk-1", criticality: int = 9, message: str = "", age: int = 1
) -> EventRow:
    return EventRow(
        *(NOW - age * NS, "e-1", "DiskUnit", "DriveFailure", device, "array-1"),
        *(criticality, message),
    )


def minutes(values: Sequence[float], metric: str = "DiskTemp") -> dict[DeviceKey, Any]:
    """A second between two readings, the last one a second ago."""
    start = NOW - len(values) * NS
    steps = [
        Bucket("DiskUnit", metric, "disk-1", "array-1", start + n * NS, v, v, v, 1)
        for n, v in enumerate(values)
    ]
    return {DISK: {metric: steps}}


def judged(
    readings: Sequence[Latest], events: Sequence[EventRow] = (), **more: Any
) -> dict[str, Any]:
    units = verdict.judge(Evidence(readings, events, **more), RULES, NOW)
    return summary.of_device("DiskUnit", "DiskUnit", units, 24)


def after(values: Sequence[float], metric: str = "DiskTemp", **more: Any) -> dict[str, Any]:
    """The verdict when these were the last readings."""
    steps = minutes(values, metric)
    return judged([reading(metric, values[-1])], buckets=steps, **more)


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
    assert judged([reading(metric, value)])["health"] == state


def test_a_class_is_as_well_as_its_worst_member_and_counts_them_all() -> None:
    found = judged(
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


def test_a_reason_says_what_was_read_its_unit_the_limit_it_reached_and_since_when() -> None:
    found = after([40.0] * 60 + [61.23] * 40)
    reason = found["reasons"][0]
    assert (reason["value"], reason["unit"], reason["limit"]) == (61.23, "degC", 60.0)
    assert reason["message"] == "DiskTemp 61.23 degC, at or above 60 degC (critical) for 40 s"
    assert reason["since"] == found["since"] == format_ns(NOW - 40 * NS)


@pytest.mark.parametrize(
    ("values", "state"),
    [
        ([40.0] * 60 + [61.0] * 3, "ok"),  # not long enough yet
        ([40.0] * 60 + [61.0] * 5, "critical"),
        ([40.0] * 60 + [61.0] * 30 + [59.0] * 200, "critical"),  # not below 58: it holds
        ([40.0] * 60 + [61.0] * 30 + [57.0] * 10, "critical"),  # below 58, not for long enough
        ([40.0] * 60 + [61.0] * 30 + [57.0] * 25, "warning"),
        ([40.0] * 60 + [61.0] * 30 + [40.0] * 25, "ok"),
        ([61.0, 40.0] * 60, "critical"),  # began so; never well for 20 s in a row
        ([40.0] + [40.0, 61.0] * 60, "ok"),  # never past the limit for 5 s in a row
    ],
)
def test_a_limit_is_reached_after_a_while_and_left_at_a_better_value_for_a_while(
    values: list[float], state: str
) -> None:
    assert after(values)["health"] == state


def in_steps(values: Sequence[float]) -> dict[DeviceKey, Any]:
    """A reading a second, the last one now, as the store gives them: in steps of five seconds."""
    times = [NOW - (len(values) - 1 - n) * NS for n in range(len(values))]
    steps = []
    for begin in sorted({time // BUCKET_NS * BUCKET_NS for time in times}):
        own = [v for time, v in zip(times, values, strict=True) if 0 <= time - begin < BUCKET_NS]
        steps.append(
            Bucket(
                *("DiskUnit", "DiskTemp", "disk-1", "array-1", begin),
                *(sum(own) / len(own), min(own), max(own), len(own)),
            )
        )
    return {DISK: {"DiskTemp": steps}}


@pytest.mark.parametrize("ill", [61.0, 255.0, 5000.0])
@pytest.mark.parametrize("lead", range(60, 65))
def test_one_reading_past_a_limit_says_nothing_wherever_in_a_step_it_falls(
    lead: int, ill: float
) -> None:
    for after in range(30):
        values = [40.0] * lead + [ill] + [40.0] * after
        steps = in_steps(values)
        found = judged([reading("DiskTemp", values[-1], age=0)], buckets=steps)
        assert found["health"] == "ok", after


@pytest.mark.parametrize("lead", range(60, 65))
def test_a_limit_is_reached_within_ten_seconds_wherever_in_a_step_it_begins(lead: int) -> None:
    states = []
    for held in range(1, 12):
        values = [40.0] * lead + [66.0] * held
        steps = in_steps(values)
        states.append(judged([reading("DiskTemp", 66.0, age=0)], buckets=steps)["health"])
    assert set(states[:4]) == {"ok"}
    assert set(states[9:]) == {"critical"}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ([40.0] * 60 + [61.0], "DiskTemp 61 degC, at or above 60 degC (critical) just now"),
        (
            [40.0] * 60 + [61.0] * 30 + [59.0] * 9,
            "DiskTemp 59 degC, not yet safely back from 60 degC (critical), "
            "which it reached 39 s ago",
        ),
        (
            [40.0] * 60 + [61.0] * 30 + [33.0] * 9,
            "DiskTemp 33 degC, below 58 degC again but not yet for 20 s; "
            "it reached 60 degC (critical) 39 s ago",
        ),
    ],
)
def test_what_is_well_again_is_not_said_to_be_bad_still(values: list[float], sentence: str) -> None:
    sudden = Thresholds({("metrics", "DiskTemp"): {"enter_seconds": 0.0}})
    evidence = Evidence([reading("DiskTemp", values[-1])], buckets=minutes(values))
    (unit,) = verdict.judge(evidence, Rules(sudden, 300 * NS, 900 * NS), NOW)
    assert unit.reasons[0].message == sentence


def test_without_a_history_a_device_that_was_ill_stays_so_until_it_is_well_enough() -> None:
    before = {DISK: PreviousState("critical", NOW - 600 * NS)}
    found = judged([reading("DiskTemp", 59)], previous_state=before)
    assert (found["health"], found["since"]) == ("critical", format_ns(NOW - 600 * NS))
    assert judged([reading("DiskTemp", 59)])["health"] == "warning"
    assert judged([reading("DiskTemp", 40)], previous_state=before)["health"] == "ok"


def test_only_what_the_newest_readings_do_not_decide_needs_a_closer_look() -> None:
    evidence = Evidence(
        [reading("DiskTemp", 40, "a"), reading("DiskTemp", 53.5, "b"), reading("IOPs", 9, "c")],
        [event("c"), event("d", age=901)],
    )
    urgent = [DISK._replace(device_id=name) for name in "cb"]
    assert CloseLooks().candidates(evidence, RULES, NOW) == urgent


def test_a_recent_critical_event_makes_its_device_critical_whatever_it_reads() -> None:
    found = judged([reading("DiskTemp", 30)], [event(message="heads crashed", age=800)])
    assert found["health"] == "critical"
    assert found["reasons"][0]["event_type"] == "DriveFailure"
    said = found["reasons"][0]["message"]
    assert said == "DriveFailure of criticality 9: heads crashed (13 min ago)"


def test_an_event_is_over_when_the_readings_told_of_it_and_are_well_again() -> None:
    hot_then_well = [40.0] * 30 + [66.0] * 100 + [40.0] * 90
    found = after(hot_then_well, events=[event(age=95), event(age=103)])
    assert (found["health"], found["reasons"][0]["severity"]) == ("ok", "ok")
    assert found["reasons"][0]["message"] == "over: DriveFailure of criticality 9 (95 s ago)"
    assert 90 <= found["score"] < 100
    assert after(hot_then_well, events=[event(age=50)])["health"] == "critical"
    assert after([40.0] * 220, events=[event(age=95)])["health"] == "critical"


def test_an_old_event_is_named_but_makes_nothing_ill() -> None:
    found = judged([reading("DiskTemp", 30)], [event(age=1000)])
    assert (found["health"], found["reasons"][0]["severity"]) == ("ok", "ok")


def test_events_of_the_reader_itself_do_not_count_twice() -> None:
    own = EventRow(NOW - NS, "a", "DiskUnit", "Anomaly", "disk-1", "", 8, "")
    assert judged([reading("DiskTemp", 30)], [own])["health"] == "ok"


def test_a_device_that_only_sent_a_critical_event_is_critical() -> None:
    found = judged([], [event("disk-9")])
    assert found["health"] == "critical"
    assert found["last_seen"] is not None
    assert len(found["reasons"]) == 1


def test_a_silent_device_is_a_warning_then_unknown_and_the_reason_says_when_it_was_seen() -> None:
    assert judged([reading("DiskTemp", 30, age=70)])["health"] == "ok"
    warned = judged([reading("DiskTemp", 30, age=100)], intervals={DISK: 1.0})
    assert warned["health"] == "warning"
    seen = format_ns(NOW - 100 * NS)
    assert warned["reasons"][0]["message"] == (
        f"no reading for 100 s, last seen {seen[:19]}Z, usually every 1 s"
    )
    found = judged([reading("DiskTemp", 99, age=720)])
    assert found["health"] == "unknown"
    assert found["reasons"][0]["message"].startswith("no reading for 12 min, last seen 2027-")
    assert found["since"] == found["last_seen"] == format_ns(NOW - 720 * NS)


def test_a_device_that_reports_every_ten_minutes_is_not_silent_after_twelve() -> None:
    intervals = {DISK: 600.0}
    for age, state in ((720, "ok"), (1900, "warning"), (6100, "unknown")):
        found = judged([reading("DiskTemp", 30, age=age)], intervals=intervals)
        assert found["health"] == state


def test_a_device_is_not_judged_silent_before_it_is_known_how_often_it_reports() -> None:
    for age, state in ((150, "ok"), (899, "ok"), (7190, "ok"), (7210, "unknown")):
        found = judged([reading("DiskTemp", 30, age=age)], intervals={DISK: 0.0})
        assert found["health"] == state


def test_a_device_that_was_silent_and_is_back_leaves_a_trace_for_hours() -> None:
    silences = Silences()
    for age in (100, 400):  # seen twice in its silence
        gone = Evidence([reading("DiskTemp", 30, age=age)], intervals={DISK: 1.0})
        silences.note(verdict.judge(gone, RULES, NOW), NOW)
    assert not silences.over
    back = Evidence([reading("DiskTemp", 30, age=2)])
    silences.note(verdict.judge(back, RULES, NOW), NOW)
    found = judged([reading("DiskTemp", 30, age=1)], silences=silences.over)
    assert found["health"] == "ok"
    until = format_ns(NOW - 2 * NS)[:19]
    assert found["reasons"][0]["message"] == f"over: no reading for 7 min until {until}Z (2 s ago)"
    silences.note((), NOW + 5 * 3600 * NS)
    assert not silences.over


def test_a_stale_reading_counts_for_nothing_beside_a_fresh_one() -> None:
    assert judged([reading("DiskTemp", 99, age=720), reading("IOPs", 300)])["health"] == "ok"


@pytest.mark.parametrize("severity", ["ok", "warning", "critical"])
def test_a_finding_weighs_as_much_as_it_says(severity: State) -> None:
    finding = Finding(
        *(*DISK[:2], "Latency", severity, NOW - 60 * NS, 9.0, "ms", None),
        "twice that of its peers",
        array_id=DISK.array_id,
    )
    found = judged([reading("Latency", 9)], findings={DISK: [finding]})
    assert found["health"] == severity
    assert found["reasons"][0]["message"] == "twice that of its peers"


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (66.0, "DiskTemp 66 degC; never above 40"),
        (58.0, "DiskTemp 66 degC; never above 40"),
        (33.42, "DiskTemp 66 degC; never above 40; 33.42 degC now, over when it stays so"),
    ],
)
def test_a_finding_whose_value_is_back_says_so(now: float, said: str) -> None:
    finding = Finding(
        *(*DISK[:2], "DiskTemp", "warning", NOW - 60 * NS, 66.0, "degC", None),
        "DiskTemp 66 degC; never above 40",
        array_id=DISK.array_id,
        expected=33.0,
    )
    evidence = Evidence([reading("DiskTemp", now)], findings={DISK: [finding]})
    (unit,) = verdict.judge(evidence, RULES, NOW)
    assert said in [reason.message for reason in unit.reasons]


def test_a_device_never_heard_of_is_unknown() -> None:
    found = summary.of_device("disk-77", None, [], 24)
    assert (found["device"], found["health"], found["score"]) == ("disk-77", "unknown", 0)
    assert found["reasons"][0]["message"] == "nothing was heard of disk-77 in the last 24 h"
    assert found["counts"] == {"ok": 0, "unknown": 0, "warning": 0, "critical": 0}


def test_the_reply_has_the_same_keys_whatever_the_verdict() -> None:
    never = summary.of_device("disk-77", None, [], 24)
    found = judged([reading("DiskTemp", 66)])
    assert found.keys() == never.keys()
    assert found["reasons"][0].keys() == never["reasons"][0].keys()


def test_the_score_tells_the_states_apart_and_worse_is_lower() -> None:
    def score(*readings: Latest) -> int:
        return int(judged(readings)["score"])

    assert score(reading("DiskTemp", 30)) == 100
    assert 41 <= score(reading("DiskTemp", 55)) <= 65
    assert score(reading("DiskTemp", 61)) <= 30
    assert score(reading("DiskTemp", 90)) < score(reading("DiskTemp", 61))
    assert score(reading("DiskTemp", 61), reading("Latency", 200)) < score(reading("DiskTemp", 61))


def test_an_answer_about_ten_thousand_ill_devices_names_the_worst_only() -> None:
    found = judged([reading("DiskTemp", 60 + n / 1000, f"disk-{n}") for n in range(10_000)])
    assert found["counts"]["critical"] == 10_000
    assert len(found["reasons"]) == summary.MOST_REASONS
    assert found["reasons"][0]["device"] == "disk-9999"
