"""The daemon's settings, their mistakes, and the cadence of its ticks."""

from __future__ import annotations

import pytest

from daemon.registry import SOURCES
from daemon.settings import DaemonSettings
from daemon.simulator.source import SimulatorSettings
from daemon.ticker import SourceHealth, next_due
from spindle.errors import InvalidSettings
from spindle.service.health import Health
from spindle.settings import load


def mistakes(**given: object) -> tuple[str, ...]:
    with pytest.raises(InvalidSettings) as caught:
        load(DaemonSettings, **given)
    return caught.value.mistakes


def test_the_defaults_are_the_documented_ones() -> None:
    settings = load(DaemonSettings)
    assert settings.sources == ("simulator", "host", "smart", "parking")
    assert settings.generation_interval_seconds == 1
    fleet = load(SimulatorSettings)
    assert (fleet.simulated_arrays, fleet.simulated_disks_per_array) == (2, 6)
    assert fleet.event_probability == 0.25
    assert settings.daemon_http_port == 9101


def test_every_source_that_may_be_chosen_exists() -> None:
    settings = load(DaemonSettings)
    assert [SOURCES[name](settings).name for name in SOURCES] == list(SOURCES)


def test_sources_may_be_spaced_and_repeated() -> None:
    settings = load(DaemonSettings, daemon_sources=" host , simulator,host,")
    assert settings.sources == ("host", "simulator")


def test_an_unknown_source_is_named_with_those_that_exist() -> None:
    assert mistakes(daemon_sources="simulator,fish") == (
        "DAEMON_SOURCES: given 'simulator,fish', no source is called 'fish': "
        "expected one or more of simulator, host, smart, parking, separated by commas",
    )


def test_no_source_at_all_is_a_mistake() -> None:
    assert "expected one or more of" in mistakes(daemon_sources=",")[0]


def test_a_fleet_beyond_all_measure_is_refused() -> None:
    assert "more than 1,000,000 devices" in mistakes(simulated_arrays=10**6)[0]


def test_mistakes_in_the_settings_of_several_sources_are_reported_together() -> None:
    said = mistakes(simulated_arrays=0, parking_capacity=0, daemon_sources="host")
    assert [each.partition(":")[0] for each in said] == ["SIMULATED_ARRAYS", "PARKING_CAPACITY"]


@pytest.mark.parametrize(
    ("due", "now", "expected"),
    [
        (10.0, 10.2, (11.0, 0)),  # in time
        (10.0, 10.999, (11.0, 0)),  # just in time
        (10.0, 12.5, (13.0, 2)),  # the ticks at 11 and 12 were overrun
        (10.0, 9.5, (11.0, 0)),  # early
    ],
)
def test_ticks_stay_on_the_grid_and_overrun_ones_are_skipped(
    due: float, now: float, expected: tuple[float, int]
) -> None:
    assert next_due(due, now, interval=1.0) == expected


def test_a_thousand_ticks_do_not_drift() -> None:
    due = 0.0
    for _ in range(1000):
        due, _skipped = next_due(due, due + 0.013, interval=0.25)
    assert due == 250.0


def test_a_failing_source_is_reported_once_and_until_it_works_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    health = Health("daemon", ["sources"])
    sources = SourceHealth(health, ("simulator", "host"))
    sources.ok("simulator")
    assert not health.healthy  # the other has not been read yet
    for number in range(3):
        sources.failed("host", f"cannot be read (OSError: no such device, try {number})")
    assert health.report()["parts"] == {
        "sources": "host cannot be read (OSError: no such device, try 0)"
    }
    sources.ok("host")
    assert health.healthy
    assert len(caplog.messages) == 2
