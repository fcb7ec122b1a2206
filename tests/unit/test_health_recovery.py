"""When what a critical event told of is over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from reader.detection.findings import Finding
from reader.health import verdict
from reader.health.evidence import Evidence, Rules
from reader.health.limits import Thresholds
from spindle.store.base import Bucket, DeviceKey, EventRow, Latest
from spindle.timestamps import NS

NOW = 1_800_000_000 * NS
RULES = Rules(Thresholds(), stale_ns=300 * NS, event_ns=900 * NS)
DISK = DeviceKey("DiskUnit", "disk-1", "")


def event(age: int, event_type: str = "DriveFailure", message: str = "") -> EventRow:
    return EventRow(
        NOW - age * NS, f"e-{age}", "DiskUnit", event_type, "disk-1", "array-1", 8, message
    )


def unit(series: Mapping[str, Sequence[float]], events: Sequence[EventRow], **more: Any) -> Any:
    """Judged when these were its last readings, a second between two, the last one a second ago."""
    steps = {
        metric: [
            Bucket(*("DiskUnit", metric, "disk-1", ""), NOW - (len(values) - n) * NS, *(v, v, v), 1)
            for n, v in enumerate(values)
        ]
        for metric, values in series.items()
    }
    readings = [Latest(*("DiskUnit", m, "disk-1", ""), NOW - NS, v[-1]) for m, v in series.items()]
    newest_first = sorted(events, key=lambda each: -each.time_ns)
    return verdict.judge(Evidence(readings, newest_first, {DISK: steps}, **more), RULES, NOW)[0]


def states(series: Mapping[str, Sequence[float]], events: Sequence[int], since: int) -> list[str]:
    """The states of each second from ``since`` on, once each in a row.

    :param events: seconds from the first reading.
    """
    seen: list[str] = []
    whole = len(next(iter(series.values())))
    for end in range(since, whole):
        past = {metric: values[:end] for metric, values in series.items()}
        state = unit(past, [event(end - at) for at in events if at < end]).state
        if seen[-1:] != [state]:
            seen.append(state)
    return seen


def test_a_disk_that_has_cooled_down_for_twenty_seconds_is_well_whatever_its_last_event() -> None:
    hot = [40.0] * 60 + [66.0] * 30
    assert unit({"DiskTemp": [*hot, *[40.0] * 15]}, [event(20), event(28)]).state == "critical"
    found = unit({"DiskTemp": [*hot, *[40.0] * 25]}, [event(30), event(38)])
    assert (found.state, found.reasons[0].severity) == ("ok", "ok")
    assert found.reasons[0].message == "over: DriveFailure of criticality 8 (30 s ago)"


def test_an_event_that_comes_when_the_disk_is_cool_again_counts_for_a_minute() -> None:
    series = {"DiskTemp": [40.0] * 60 + [66.0] * 30 + [40.0] * 90}
    assert unit(series, [event(100), event(50)]).state == "critical"
    assert unit(series, [event(100), event(62)]).state == "ok"


def test_a_disk_that_grew_hot_again_has_to_be_cool_for_a_minute() -> None:
    series = {"DiskTemp": [40.0] * 60 + ([66.0] * 30 + [40.0] * 30) * 3}
    events = [*range(65, 90, 8), *range(125, 150, 8), *range(185, 210, 8)]
    # Once for the first time, of which nobody could know that it was not the last.
    assert states(series, events, since=64) == ["ok", "critical", "ok", "critical"]
    series["DiskTemp"] += [40.0] * 35
    assert states(series, events, since=200) == ["critical", "ok"]


def test_a_disk_that_grows_hot_a_second_time_later_is_well_again_as_soon_as_the_first_time() -> (
    None
):
    series = {"DiskTemp": [40.0] * 60 + ([66.0] * 30 + [40.0] * 90) * 2}
    whole = len(series["DiskTemp"])
    cooled = {"DiskTemp": series["DiskTemp"][: whole - 65]}
    assert unit(cooled, [event(30), event(150)]).state == "ok"


def test_a_link_that_is_lost_again_and_again_is_critical_throughout() -> None:
    series = {"Latency": [3.0] * 60 + ([150.0] * 20 + [3.0] * 30) * 5}
    events = [61 + 50 * n for n in range(5)]
    assert states(series, events, since=62) == ["critical"]
    series["Latency"] += [3.0] * 60
    assert states(series, events, since=200) == ["critical", "ok"]


def test_an_intrusion_counts_its_time_though_the_load_that_it_brought_is_gone() -> None:
    series = {"Latency": [3.0] * 60 + [35.0] * 60 + [3.0] * 300}
    assert unit(series, [event(350, "UnauthorizedAccess")]).state == "critical"
    assert unit(series, [event(350, "DriveFailure")]).state == "ok"


def test_an_event_that_no_reading_told_of_counts_its_time_though_a_later_one_is_over() -> None:
    series = {"DiskTemp": [40.0] * 600 + [66.0] * 30 + [40.0] * 100}
    untold = event(500, message="request to S3 failed")
    found = unit(series, [untold, event(110)])
    assert found.state == "critical"
    assert "S3" in found.reasons[0].message
    assert unit(series, [event(110)]).state == "ok"


def test_what_is_over_stays_over_though_a_metric_comes_near_its_limit_again() -> None:
    hot_then_well = [40.0] * 60 + [66.0] * 30 + [40.0] * 100
    assert unit({"DiskTemp": [*hot_then_well, 54.0, 54.0]}, [event(115)]).state == "ok"


def test_a_metric_that_was_past_its_limit_all_along_tells_neither_of_an_event_nor_of_its_end() -> (
    None
):
    full = [92.0] * 220
    cooled = {"DiskTemp": [40.0] * 60 + [66.0] * 60 + [40.0] * 100, "CapacityUsed": full}
    assert unit(cooled, [event(110)]).state == "warning"  # nearly full, but no longer critical
    never_hot = {"DiskTemp": [40.0] * 220, "CapacityUsed": full}
    assert unit(never_hot, [event(110)]).state == "critical"


def test_a_finding_of_another_kind_does_not_make_an_event_count_that_is_over() -> None:
    series = {"DiskTemp": [40.0] * 60 + [66.0] * 30 + [40.0] * 40}
    slow = Finding(*DISK[:2], "Latency", "warning", NOW - NS, 9.0, "ms", None, "unusual")
    assert unit(series, [event(50)], findings={DISK: [slow]}).state == "warning"


def test_every_metric_that_told_of_an_event_has_to_be_well() -> None:
    series = {"DiskTemp": [40.0] * 60 + [66.0] * 30 + [40.0] * 100, "Latency": [3.0] * 190}
    assert unit(series, [event(110)]).state == "ok"
    series["Latency"] = [3.0] * 60 + [40.0] * 130
    assert unit(series, [event(110)]).state == "critical"


def test_a_limit_that_asks_for_a_longer_time_of_being_well_is_given_it() -> None:
    slow = Thresholds({("metrics", "DiskTemp"): {"leave_seconds": 90}})
    series = [40.0] * 60 + [66.0] * 30 + [40.0] * 60
    steps = [
        Bucket(*("DiskUnit", "DiskTemp", "disk-1", ""), NOW - (150 - n) * NS, *(v, v, v), 1)
        for n, v in enumerate(series)
    ]
    evidence = Evidence(
        [Latest(*("DiskUnit", "DiskTemp", "disk-1", ""), NOW - NS, 40.0)],
        [event(70)],
        {DISK: {"DiskTemp": steps}},
    )
    assert verdict.judge(evidence, RULES, NOW)[0].reasons[0].severity == "ok"
    patient = replace(RULES, thresholds=slow)
    severities = {r.severity for r in verdict.judge(evidence, patient, NOW)[0].reasons}
    assert severities == {"critical"}


def after_a_silence(well: int, ill: float = 120.0) -> Any:
    """Slow for a minute, then silent for two, then well for so long."""
    ages = [*range(well + 300, well + 120, -1), *range(well, 0, -1)]
    values = [4.0] * 120 + [ill] * 60 + [4.0] * well
    steps = [
        Bucket(*("DiskUnit", "Latency", "disk-1", ""), NOW - age * NS, *(v, v, v), 1)
        for age, v in zip(ages, values, strict=True)
    ]
    newest = Latest("DiskUnit", "Latency", "disk-1", "", NOW - NS, values[-1])
    told = [event(well + 130)] if ill >= 100 else []
    evidence = Evidence([newest], told, {DISK: {"Latency": steps}})
    return verdict.judge(evidence, RULES, NOW)[0]


def test_a_drive_that_comes_back_from_silence_is_well_when_it_was_for_a_while_not_at_once() -> None:
    assert [after_a_silence(well).state for well in (1, 30, 70)] == ["critical", "critical", "ok"]
    assert [after_a_silence(well, 30.0).state for well in (1, 15, 25)] == ["warning"] * 2 + ["ok"]


def test_of_a_device_that_reports_every_ten_minutes_one_reading_decides() -> None:
    steps = [
        Bucket(*("DiskUnit", "Latency", "disk-1", ""), NOW - age * 60 * NS, *(v, v, v), 1)
        for age, v in ((21, 4.0), (11, 120.0), (1, 4.0))
    ]
    newest = Latest("DiskUnit", "Latency", "disk-1", "", NOW - 60 * NS, 4.0)
    evidence = Evidence([newest], [event(640)], {DISK: {"Latency": steps}}, intervals={DISK: 600.0})
    assert verdict.judge(evidence, RULES, NOW)[0].state == "ok"
