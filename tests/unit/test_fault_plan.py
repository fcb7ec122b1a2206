"""Faults asked for beside the timeline's, on a fleet, told as truth."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterator
from random import Random
from typing import Any

import orjson
import pytest

from daemon.main import reply_to
from daemon.messages import Message
from daemon.simulator.fault_requests import KINDS
from daemon.simulator.plan import FaultPlan, Incident, Timeline
from daemon.simulator.source import Simulator, SimulatorSettings
from daemon.simulator.units import METRICS, units
from spindle.catalog import METRICS as CATALOG
from spindle.errors import InvalidInput
from spindle.models import Event, decode, parse
from spindle.settings import load

NOW = 1_780_000_000_000_000_000
SECOND = 10**9
DISK = "array1-disk3"


def simulator(**given: object) -> Simulator:
    quiet = {"simulated_incident_seconds": 0, "event_probability": 0}
    return Simulator(load(SimulatorSettings, **{**quiet, **given}))


def run(one: Simulator, seconds: float, start: float = 0) -> Iterator[tuple[float, list[Message]]]:
    """(Second, messages) of each tick from ``start`` on, one a second."""
    for number in range(int(start), int(start + seconds)):
        yield number, one.read(NOW + number * SECOND)


def values(messages: list[Message], device_id: str) -> dict[str, float]:
    bodies = (message.payload for message in messages if message.stream == "METRICS")
    points: list[Any] = [item for body in bodies for item in decode(body)]
    return {p["metricType"]: p["value"] for p in points if p["deviceId"] == device_id}


def events(messages: list[Message]) -> list[Event]:
    bodies = [message.payload for message in messages if message.stream == "EVENTS"]
    return [parse(Event, item, NOW * 2) for body in bodies for item in decode(body)]


def truths(messages: list[Message]) -> list[dict[str, Any]]:
    return [orjson.loads(m.payload) for m in messages if m.subject == "simulation.truth"]


def test_a_fault_begins_at_its_time_and_is_over_at_its_end() -> None:
    one = simulator(simulated_faults=f"overheat:{DISK}:after=10:for=60")
    hot = [t for t, tick in run(one, 90) if values(tick, DISK)["DiskTemp"] > 50]
    assert 11 <= hot[0] <= 15
    assert 50 <= hot[-1] < 70


def test_overheating_is_critical_within_ten_seconds_with_an_event_at_once() -> None:
    one = simulator()
    one.read(NOW)
    one.inject("overheat", DISK, None, NOW + SECOND // 2)
    ticks = list(run(one, 10, start=1))
    assert values(ticks[-1][1], DISK)["DiskTemp"] > (CATALOG["DiskTemp"].critical or 0)
    (first, *_) = [event for _, tick in ticks for event in events(tick)]
    assert first.device_id == DISK
    assert first.criticality >= 8


def test_the_truth_says_start_and_end_of_each_fault() -> None:
    one = simulator(simulated_faults=f"silent:{DISK}:after=3:for=4")
    told = [(t, truth) for t, tick in run(one, 12) for truth in truths(tick)]
    assert [(t, truth["phase"]) for t, truth in told] == [(3, "start"), (7, "end")]
    for _, truth in told:
        assert truth["fault"] == "silent"
        assert (truth["device_id"], truth["source_device"]) == (DISK, "DiskUnit")
        assert truth["array_id"] == "array1"
        assert set(truth["metric_types"]) == set(METRICS)
        assert truth["asked_for"] is True
        assert truth["from"] == "2026-05-28T20:26:43Z"
        assert truth["to"] == "2026-05-28T20:26:47Z"


def test_the_built_in_incidents_tell_the_truth_too() -> None:
    one = simulator(simulated_incident_seconds=30)
    told = [(t, truth) for t, tick in run(one, 60) for truth in truths(tick)]
    assert [(t, x["phase"], x["fault"]) for t, x in told[:2]] == [
        (20, "start", "overheat"),
        (50, "end", "overheat"),
    ]
    assert told[0][1]["asked_for"] is False


@pytest.mark.parametrize("size", [1, 4, 6, 500])
def test_a_silent_device_is_left_out_and_nobody_else(size: int) -> None:
    one = simulator(daemon_envelope_size=size, simulated_faults=f"silent:{DISK}:after=1:for=2")
    others = [unit.device_id for unit in units(2, 6) if unit.device_id != DISK]
    for t, tick in run(one, 5):
        assert len(values(tick, DISK)) == (0 if 1 <= t < 3 else 4)
        assert all(len(values(tick, device)) == 4 for device in others)
        counted = [message for message in tick if message.stream == "METRICS"]
        assert sum(m.points for m in counted) == sum(len(decode(m.payload)) for m in counted)


def test_faults_of_one_device_leave_the_values_of_all_others_as_they_were() -> None:
    ill = simulator(simulated_faults=f"slow_disk:{DISK},silent:array2-disk6")
    for (_, sick), (_, well) in zip(run(ill, 20), run(simulator(), 20), strict=True):
        for unit in units(2, 6):
            if unit.device_id not in (DISK, "array2-disk6"):
                assert values(sick, unit.device_id) == values(well, unit.device_id)


def shape(fault: str, seconds: int = 600) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    """A disk's values while it has a fault, and what they would have been."""
    ill = simulator(simulated_faults=f"{fault}:{DISK}:for={seconds}")
    sick = [values(tick, DISK) for _, tick in run(ill, seconds)]
    return sick, [values(tick, DISK) for _, tick in run(simulator(), seconds)]


def column(rows: list[dict[str, float]], metric_type: str) -> list[float]:
    return [row[metric_type] for row in rows]


def test_a_slow_disk_passes_the_warning_threshold() -> None:
    sick, _ = shape("slow_disk")
    assert statistics.median(column(sick, "Latency")) > (CATALOG["Latency"].warning or 0)


def test_latency_spikes_now_and_then() -> None:
    sick, well = shape("latency_spikes")
    pairs = list(zip(column(sick, "Latency"), column(well, "Latency"), strict=True))
    assert 0.15 < sum(a > b + 10 for a, b in pairs) / len(pairs) < 0.45
    assert statistics.median(a - b for a, b in pairs) == 0


def test_iops_collapse_to_a_tenth_or_less() -> None:
    sick, well = shape("iops_collapse")
    pairs = zip(column(sick, "IOPs"), column(well, "IOPs"), strict=True)
    assert all(a <= 0.11 * b for a, b in list(pairs)[5:-25])


def test_a_leak_fills_the_device_and_never_beyond_it() -> None:
    sick, well = shape("capacity_leak")
    leaked = column(sick, "CapacityUsed")[-1] - column(well, "CapacityUsed")[-1]
    assert 1.5 < leaked < 21
    one = simulator(simulated_faults=f"capacity_leak:{DISK}:for=10h")
    one.read(NOW)
    assert values(one.read(NOW + 9 * 3600 * SECOND), DISK)["CapacityUsed"] == 99.5


def test_a_stuck_sensor_repeats_what_it_said_when_it_froze() -> None:
    one = simulator(simulated_faults=f"stuck_sensor:{DISK}:after=3:for=60")
    said = [values(tick, DISK)["DiskTemp"] for _, tick in run(one, 70)]
    assert len(set(said[3:63])) == 1
    assert len(set(said)) > 5


def test_a_flapping_device_is_well_in_between() -> None:
    sick, _ = shape("flapping")
    slow = [latency > 100 for latency in column(sick, "Latency")]
    assert 10 <= sum(a is not b for a, b in itertools.pairwise(slow)) <= 30


def test_a_failing_drive_slows_down_then_reports_then_falls_silent() -> None:
    one = simulator(simulated_faults=f"drive_failure:{DISK}:for=300")
    ticks = list(run(one, 310))
    slow = [t for t, tick in ticks if values(tick, DISK).get("Latency", 0) > 50]
    told = [(t, e.event_type, e.criticality) for t, tick in ticks for e in events(tick)]
    silent = [t for t, tick in ticks if not values(tick, DISK)]
    assert told[0][0] < slow[-1] < silent[0]
    assert silent == list(range(180, 300))
    assert told[0][1] == "DataCorruption"
    assert told[-1][1:] == ("DriveFailure", 10)
    assert told[-1][0] < 180


def test_a_fail_slow_disk_is_one_and_a_half_to_three_times_as_slow_and_nothing_else() -> None:
    sick, well = shape("fail_slow")
    ratios = [a["Latency"] / b["Latency"] for a, b in zip(sick, well, strict=True)]
    assert 1.5 <= statistics.median(ratios) <= 3
    for metric_type in ("DiskTemp", "IOPs", "CapacityUsed"):
        assert column(sick, metric_type) == column(well, metric_type)


@pytest.mark.parametrize("fault", sorted(KINDS))
def test_every_fault_ends_in_health_and_is_repeatable(fault: str) -> None:
    device = "array1" if fault == "intrusion" else DISK
    given = {"simulated_faults": f"{fault}:{device}:after=1:for=40"}
    again, ill, well = simulator(**given), simulator(**given), simulator()
    for t in range(60):
        tick = ill.read(NOW + t * SECOND)
        assert tick == again.read(NOW + t * SECOND)
        healthy = values(well.read(NOW + t * SECOND), device)
        if t < 1 or t > 41:
            assert values(tick, device) == healthy


def test_a_device_has_a_fault_once_at_a_time() -> None:
    one = simulator(simulated_faults=f"silent:{DISK}:after=90:for=10")
    one.read(NOW)
    one.inject("overheat", DISK, 60, NOW)
    with pytest.raises(InvalidInput, match=r"it has overheat for 30 s more: stop that one first"):
        one.inject("overheat", DISK, 60, NOW + 30 * SECOND)
    one.inject("overheat", DISK, 60, NOW + 60 * SECOND)
    with pytest.raises(InvalidInput, match=r"it is to have silent in 40 s: stop that one first"):
        one.inject("silent", DISK, 60, NOW + 50 * SECOND)


def test_a_disk_is_hot_and_slow_at_once_and_each_ends_by_itself() -> None:
    one, well = simulator(), simulator()
    hot, slow, told = [], [], []
    for t in range(100):
        if t == 1:
            one.inject("overheat", DISK, 80, NOW + t * SECOND)
        if t == 20:
            one.inject("slow_disk", DISK, 30, NOW + t * SECOND)
        tick, healthy = one.read(NOW + t * SECOND), values(well.read(NOW + t * SECOND), DISK)
        hot += [t] if values(tick, DISK)["DiskTemp"] > 55 else []
        slow += [t] if values(tick, DISK)["Latency"] > healthy["Latency"] * 3 + 15 else []
        told += [(t, each["fault"], each["phase"], each["id"]) for each in truths(tick)]
    assert hot[0] < 20
    assert hot[-1] > 60
    assert (hot, slow[0] > 20, slow[-1] < 50) == (list(range(hot[0], hot[-1] + 1)), True, True)
    assert [each[:3] for each in told] == [
        (1, "overheat", "start"),
        (20, "slow_disk", "start"),
        (50, "slow_disk", "end"),
        (81, "overheat", "end"),
    ]


def test_two_faults_that_begin_at_once_are_two_truths() -> None:
    one = simulator(simulated_faults=f"overheat:{DISK}:after=3,slow_disk:{DISK}:after=3")
    told = [truth["id"] for _, tick in run(one, 5) for truth in truths(tick)]
    assert len(set(told)) == 2


@pytest.mark.parametrize("order", ["stuck_sensor,overheat", "overheat,stuck_sensor"])
def test_a_stuck_sensor_repeats_itself_however_hot_the_disk_is(order: str) -> None:
    one = simulator()
    for t in range(60):
        if t in (10, 30):
            one.inject(order.split(",")[t == 30], DISK, 600, NOW + t * SECOND)
        said = values(one.read(NOW + t * SECOND), DISK)["DiskTemp"]
        if t == 30:
            first = said
    assert said == (first if order.endswith("stuck_sensor") else pytest.approx(35, abs=10))


def test_a_silent_disk_tells_no_event_of_what_else_it_has() -> None:
    one = simulator(simulated_faults=f"silent:{DISK},flapping:{DISK}")
    assert not [event for _, tick in run(one, 120) for event in events(tick)]


def test_stop_ends_all_that_a_device_has_or_one_of_it() -> None:
    one = simulator()
    one.read(NOW)
    for fault in ("overheat", "slow_disk", "silent"):
        one.inject(fault, DISK, None, NOW)
    one.read(NOW + SECOND)
    done = one.stop(DISK, NOW + 2 * SECOND, "silent")
    assert [each["fault"] for each in done] == ["silent"]
    with pytest.raises(InvalidInput, match="has no silent that could be stopped"):
        one.stop(DISK, NOW + 2 * SECOND, "silent")
    one.inject("latency_spikes", DISK, None, NOW + 2 * SECOND)  # of which no tick has told yet
    answer = one.answer(orjson.dumps({"fault": "stop", "device_id": DISK}), NOW + 3 * SECOND)
    assert answer["fault"] == "overheat"
    assert [each["fault"] for each in answer["also"]] == ["slow_disk", "latency_spikes"]
    told = truths(one.read(NOW + 3 * SECOND))
    assert [(each["fault"], each["phase"]) for each in told] == [
        ("silent", "end"),
        ("overheat", "end"),
        ("slow_disk", "end"),
    ]
    assert truths(one.read(NOW + 4 * SECOND)) == []


def test_a_fault_can_be_stopped_early_and_the_truth_says_when() -> None:
    one = simulator(simulated_faults=f"silent:{DISK}:for=1h")
    list(run(one, 5))
    (done,) = one.stop(DISK, NOW + 5 * SECOND)
    assert done["to"] == "2026-05-28T20:26:45Z"
    tick = one.read(NOW + 5 * SECOND)
    assert len(values(tick, DISK)) == 4
    (told,) = truths(tick)
    assert (told["phase"], told["to"], told["id"]) == ("end", done["to"], done["id"])
    with pytest.raises(InvalidInput, match="has no fault that could be stopped"):
        one.stop(DISK, NOW + 6 * SECOND)


def test_a_daemon_that_stops_ends_its_faults_and_the_truth_says_when() -> None:
    one = simulator(
        simulated_faults=f"silent:{DISK}:for=1h,silent:array2:for=1h,silent:array1:after=60"
    )
    assert one.farewell(NOW) == []
    (first, _) = [truth for _, tick in run(one, 5) for truth in truths(tick)]
    one.stop("array2", NOW + 4 * SECOND)  # of which no tick has told yet
    told = truths(one.farewell(NOW + 5 * SECOND))
    assert [(x["phase"], x["device_id"], x["to"]) for x in told] == [
        ("end", "array2", "2026-05-28T20:26:44Z"),
        ("end", DISK, "2026-05-28T20:26:45Z"),
    ]
    assert told[1]["id"] == first["id"]
    assert one.farewell(NOW + 6 * SECOND) == []


def timeline() -> Timeline:
    return Timeline(units(1, 2), seed=1, after=20, duration=100, quiet=10)


def test_no_incident_begins_while_a_fault_is_on_that_was_asked_for() -> None:
    asked = Incident(KINDS["silent"].make(Random(0)), 0, 10, 50, asked_for=True)
    plan = FaultPlan(timeline(), [asked])
    going = {now: plan.due(now).going for now in range(140)}
    assert all(each == [asked] for now, each in going.items() if 10 <= now < 50)
    assert all(each == [] for now, each in going.items() if 50 <= now < 130), "not half-way either"
    (incident,) = going[130]
    assert not incident.asked_for
    assert incident.begins == 130


def test_an_incident_keeps_off_a_device_that_is_to_have_a_fault() -> None:
    first = timeline().at(20)
    assert first is not None
    asked = Incident(KINDS["silent"].make(Random(0)), first.unit, 60, 80, asked_for=True)
    (incident,) = FaultPlan(timeline(), [asked]).due(30).going
    assert incident.unit != first.unit


def test_an_incident_gives_way_to_a_fault_on_its_device_and_does_not_come_back() -> None:
    plan = FaultPlan(timeline())
    (incident,) = plan.due(30).going
    plan.add(Incident(KINDS["silent"].make(Random(0)), incident.unit, 40, 50, asked_for=True))
    due = plan.due(41)
    assert [(each.fault.name, each.ends) for each in due.ended] == [(incident.fault.name, 40)]
    assert [each.fault.name for each in due.going] == ["silent"]
    assert plan.due(60).going == []


def ask(one: Simulator, payload: bytes) -> Any:
    return one.answer(payload, NOW + SECOND)


def test_a_request_is_one_json_object_with_known_keys() -> None:
    one = simulator()
    one.read(NOW)
    for payload in (b"", b"overheat", b"[]", b"\xff", b'{"fault":'):
        with pytest.raises(InvalidInput, match="the request is no JSON object: expected"):
            ask(one, payload)
    with pytest.raises(InvalidInput, match="given 'x', expected only fault, device_id, for, only"):
        ask(one, b'{"x":1}')
    with pytest.raises(InvalidInput, match="no fault is called None: expected one of overheat"):
        ask(one, b"{}")
    with pytest.raises(InvalidInput, match="expected a duration"):
        ask(one, b'{"fault":"silent","device_id":"array1","for":{"a":1}}')
    with pytest.raises(InvalidInput, match=r"only=\.\.\. names what a stop ends; a fault has none"):
        ask(one, b'{"fault":"silent","device_id":"array1","only":"silent"}')
    assert ask(one, b'{"fault":"silent","device_id":"array1"}')["fault"] == "silent"
    assert ask(one, b'{"fault":"stop","device_id":"array1"}')["fault"] == "silent"


def test_without_a_simulator_the_request_is_refused_with_the_reason() -> None:
    reply = reply_to("simulator", None, b'{"fault":"silent","device_id":"array1"}', NOW)
    assert reply == {
        "status": "error",
        "message": "nothing is done here: simulator is not among DAEMON_SOURCES",
    }
    with pytest.raises(InvalidInput, match="has not begun yet"):
        ask(simulator(), b'{"fault":"silent","device_id":"array1"}')
