"""The shapes of faults and the timeline of incidents."""

from __future__ import annotations

import itertools

import pytest

from daemon.simulator.fault import REMIND_SECONDS, Fault, Readings, Span
from daemon.simulator.faults import CYCLE, Intrusion, Overheat
from daemon.simulator.plan import Timeline
from daemon.simulator.units import units
from spindle.catalog import METRICS

HEALTHY = Readings(temperature=35.0, iops=300.0, latency=2.0, capacity=50.0)
DURATION = 180.0
TYPES = {"DriveFailure", "DataCorruption", "UnauthorizedAccess"}


def at(seconds: float, step: float = 1.0) -> Span:
    return Span(seconds - step, seconds, DURATION)


def life(fault: Fault, step: float = 1.0) -> list[tuple[float, str, int]]:
    """(time, event type, criticality) of every event of the fault's life."""
    found = []
    for number in range(int(DURATION / step)):
        span = at(number * step, step)
        trouble = fault.trouble(span, fault.readings(span, HEALTHY))
        if trouble:
            found.append((span.until, trouble.event_type, trouble.criticality))
    return found


@pytest.mark.parametrize("fault", CYCLE, ids=lambda fault: fault.name)
@pytest.mark.parametrize("step", [0.25, 1.0, 5.0])
def test_events_tell_the_beginning_and_what_is_worse_and_repeat_themselves_seldom(
    fault: Fault, step: float
) -> None:
    told = life(fault, step)
    assert told[0][0] <= 15
    levels = [level for _, _, level in told]
    assert levels == sorted(levels)
    for (before, _, was), (after, _, now) in itertools.pairwise(told):
        assert now > was or after - before >= REMIND_SECONDS / 2


@pytest.mark.parametrize("fault", CYCLE, ids=lambda fault: fault.name)
def test_every_event_of_a_fault_is_critical_and_of_a_known_type(fault: Fault) -> None:
    assert {kind for _, kind, _ in life(fault)} <= TYPES
    assert {level for _, _, level in life(fault)} <= {8, 9, 10}


@pytest.mark.parametrize("fault", CYCLE, ids=lambda fault: fault.name)
def test_a_fault_begins_and_ends_in_health(fault: Fault) -> None:
    assert fault.readings(at(0), HEALTHY) == HEALTHY
    assert fault.readings(at(DURATION), HEALTHY) == HEALTHY


@pytest.mark.parametrize("healthy", [28.0, 35.0, 46.0])
def test_an_overheating_disk_is_critical_within_15_seconds(healthy: float) -> None:
    readings = Overheat().readings(at(15), HEALTHY._replace(temperature=healthy))
    assert readings.temperature > (METRICS["DiskTemp"].critical or 0)


def test_a_failing_drive_climbs_beyond_100_ms_corrupts_data_then_fails() -> None:
    (fault,) = (each for each in CYCLE if each.name == "drive_failure")
    assert fault.readings(at(20), HEALTHY).latency > 100
    kinds = [kind for _, kind, _ in life(fault)]
    assert kinds == sorted(kinds)  # DataCorruption first, DriveFailure then
    assert set(kinds) == {"DataCorruption", "DriveFailure"}


def test_an_intrusion_is_a_surge_of_io_that_slows_the_array() -> None:
    readings = Intrusion().readings(at(15), HEALTHY)
    assert readings.iops > 2000
    assert readings.latency > (METRICS["Latency"].warning or 0)


def timeline(duration: float = 180, quiet: float = 60) -> Timeline:
    return Timeline(units(2, 6), seed=1, after=20, duration=duration, quiet=quiet)


def test_incidents_take_turns_with_quiet_between() -> None:
    seen = [timeline().at(second) for second in range(20 + 3 * 240)]
    names = [incident.fault.name if incident else None for incident in seen]
    assert names == (
        [None] * 20
        + (["overheat"] * 180 + [None] * 60)
        + (["drive_failure"] * 180 + [None] * 60)
        + (["intrusion"] * 180 + [None] * 60)
    )


def test_each_incident_stays_on_one_device_of_its_class() -> None:
    fleet = units(2, 6)
    for number in range(30):
        start = 20 + number * 240
        found = [timeline().at(start + s) for s in (0, 90, 179)]
        assert len({incident.unit for incident in found if incident}) == 1
        for incident in found:
            assert incident is not None
            assert fleet[incident.unit].source_device == incident.fault.device_class


def test_the_seed_alone_decides_which_devices_fall_ill() -> None:
    first, again = timeline().at(100), timeline().at(100)
    assert first is not None
    assert again is not None
    assert first.unit == again.unit


def test_a_span_knows_what_happened_since_the_tick_before() -> None:
    assert Span(9, 10, 99).strikes(first=10, every=8)
    assert not Span(10, 11, 99).strikes(first=10, every=8)
    assert Span(17, 18, 99).strikes(first=10, every=8)
    assert Span(0, 60, 99).strikes(first=10, every=8)
    assert not Span(0, 9, 99).strikes(first=10, every=8)
