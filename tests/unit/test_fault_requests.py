"""SIMULATED_FAULTS and its mistakes."""

from __future__ import annotations

import pytest

from daemon.settings import DaemonSettings
from daemon.simulator.fault_requests import KINDS, FaultSpec, parse_specs, place
from daemon.simulator.source import SimulatorSettings
from spindle import durations
from spindle.errors import InvalidInput, InvalidSettings
from spindle.settings import load


def mistake(**given: object) -> str:
    with pytest.raises(InvalidSettings) as caught:
        load(DaemonSettings, **given)
    (sentence,) = caught.value.mistakes
    return sentence


def test_a_fault_has_a_device_a_beginning_and_a_length() -> None:
    settings = load(SimulatorSettings, simulated_faults="overheat:array1-disk3:after=30:for=300")
    assert settings.fault_specs == [FaultSpec("overheat", "array1-disk3", 30, 300)]


def test_without_times_it_begins_at_once_and_lasts_as_long_as_is_usual_for_it() -> None:
    assert parse_specs("fail_slow:array2", 2, 6) == [FaultSpec("fail_slow", "array2", 0, 10_800)]


def test_several_are_separated_by_commas_and_none_is_none() -> None:
    specs = parse_specs(" silent:array1-disk1:for=5m ,, overheat:array1-disk2:after=1.5h,", 2, 6)
    assert [(spec.device_id, spec.after, spec.duration) for spec in specs] == [
        ("array1-disk1", 0, 300),
        ("array1-disk2", 5400, 300),
    ]
    assert parse_specs("", 2, 6) == []


@pytest.mark.parametrize(
    ("given", "seconds"),
    [("90", 90), (90, 90), (1.5, 1.5), ("90s", 90), ("2h", 7200), ("1d", 86400)],
)
def test_a_duration_is_in_seconds_or_has_a_unit(given: object, seconds: float) -> None:
    assert durations.parse(given) == seconds


@pytest.mark.parametrize(
    "given", ["", "5 m", "m", "-5", "nan", "inf", "1e9", "31d", "0", "٣", True, None, [5], "1_000"]
)
def test_what_is_no_duration_is_refused_with_what_is(given: object) -> None:
    with pytest.raises(InvalidInput, match=r"expected a duration of 1 s to 30 days, such as 90"):
        durations.parse(given)


@pytest.mark.parametrize("device", ["array1", "array2", "array1-disk1", "array2-disk6"])
def test_every_device_of_the_fleet_has_its_place(device: str) -> None:
    assert place(device, 2, 6)


@pytest.mark.parametrize(
    "device", ["array0", "array3", "array01", "array1-disk0", "array1-disk7", "sda", "", None, 7]
)
def test_another_device_is_refused_with_those_there_are(device: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        place(device, 2, 6)
    assert "array1 to array2, or array1-disk1 to array2-disk6" in str(caught.value)
    assert "real ones cannot be given a fault" in str(caught.value)


def test_all_mistakes_are_said_at_once() -> None:
    said = mistake(
        simulated_faults="fish:array9:for=never:x=1,overheat,intrusion:array1-disk1,silent:array1"
    )
    for part in (
        "no fault is called 'fish': expected one of overheat, slow_disk",
        "no simulated device is called 'array9'",
        "given 'never', expected a duration",
        "given 'x=1', expected after=DURATION or for=DURATION",
        "in 'overheat': expected FAULT:DEVICE_ID",
        "in 'intrusion:array1-disk1': intrusion befalls a StorageArray only",
    ):
        assert part in said
    assert "in 'silent:array1'" not in said


def test_a_device_may_not_have_the_same_fault_twice_at_once() -> None:
    said = mistake(simulated_faults="silent:array1:for=60,silent:array1:after=30")
    assert "array1 would have silent twice at once" in said
    assert parse_specs("silent:array1:for=60,silent:array1:after=60", 1, 1)
    assert parse_specs("silent:array1:for=60,overheat:array1:after=30", 1, 1)


def test_the_manual_names_every_fault() -> None:
    description = DaemonSettings.model_fields["simulated_faults"].description or ""
    assert all(name in description for name in KINDS)


def test_a_wrong_fleet_is_one_mistake_not_two() -> None:
    with pytest.raises(InvalidSettings) as caught:
        load(DaemonSettings, simulated_arrays=0, simulated_faults="silent:array7")
    assert len(caught.value.mistakes) == 1
