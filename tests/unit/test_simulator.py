"""The simulated fleet: repeatable, valid, healthy, and in trouble exactly where it should be."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

import numpy as np
import orjson
import pytest

from daemon.messages import Message
from daemon.simulator.fleet import Fleet
from daemon.simulator.source import Simulator, SimulatorSettings
from daemon.simulator.units import METRICS, units
from spindle.catalog import METRICS as CATALOG
from spindle.models import DeviceMetric, Event, decode, parse
from spindle.settings import load

NOW = 1_780_000_000_123_456_789
SECOND = 10**9
DAY = 86_400 * SECOND


def settings(**given: object) -> SimulatorSettings:
    return load(SimulatorSettings, **given)


def run(simulator: Simulator, ticks: int, step: int = SECOND) -> list[list[Message]]:
    return [simulator.read(NOW + number * step) for number in range(ticks)]


def metrics(messages: list[Message]) -> list[DeviceMetric]:
    bodies = (message.payload for message in messages if message.stream == "METRICS")
    return [parse(DeviceMetric, item, NOW + DAY) for body in bodies for item in decode(body)]


def events(messages: list[Message]) -> list[Event]:
    bodies = (message.payload for message in messages if message.stream == "EVENTS")
    return [parse(Event, item, NOW + DAY) for body in bodies for item in decode(body)]


def test_the_same_seed_start_and_ticks_give_the_same_messages() -> None:
    assert run(Simulator(settings()), 60) == run(Simulator(settings()), 60)


def test_another_seed_gives_other_values() -> None:
    assert run(Simulator(settings()), 1) != run(Simulator(settings(), seed=2), 1)


def test_event_ids_differ_from_one_start_to_the_next() -> None:
    def ids(start: int) -> set[str]:
        simulator = Simulator(settings(event_probability=1))
        ticks = (simulator.read(start + number * SECOND) for number in range(20))
        return {event.id for tick in ticks for event in events(tick)}

    assert not ids(NOW) & ids(NOW + SECOND)


def test_each_tick_brings_every_metric_of_every_device_once() -> None:
    (tick,) = run(Simulator(settings()), 1)
    found = metrics(tick)
    names = ["array1", "array2"] + [f"array{a}-disk{d}" for a in (1, 2) for d in range(1, 7)]
    assert Counter((point.device_id, point.metric_type) for point in found) == Counter(
        (name, metric_type) for name in names for metric_type in METRICS
    )
    assert {point.timestamp for point in found} == {NOW}
    for point in found:
        disk = "disk" in point.device_id
        assert point.source_device == ("DiskUnit" if disk else "StorageArray")
        assert point.array_id == point.device_id.partition("-")[0]


@pytest.mark.parametrize("size", [1, 4, 7, 500])
def test_envelopes_hold_at_most_their_size_and_together_everything(size: int) -> None:
    (tick,) = run(Simulator(settings(daemon_envelope_size=size)), 1)
    envelopes = [message for message in tick if message.stream == "METRICS"]
    assert sum(message.points for message in envelopes) == 14 * 4
    for message in envelopes:
        items = decode(message.payload)
        assert len(items) == message.points <= size
        assert isinstance(orjson.loads(message.payload), dict if size == 1 else list)


def test_one_devices_message_goes_to_its_own_subject() -> None:
    (tick,) = run(Simulator(settings(daemon_envelope_size=4)), 1)
    assert tick[1].subject == "events.metrics.DiskUnit.array1-disk1"
    (tick,) = run(Simulator(settings()), 1)
    assert tick[0].subject == "events.metrics"


def test_a_healthy_fleet_stays_within_the_contracts_ranges_all_day() -> None:
    fleet = Fleet(arrays=5, disks=20, seed=7)
    for minute in range(0, 24 * 60, 10):
        values = fleet.step(NOW + minute * 60 * SECOND)
        for column, name in enumerate(METRICS):
            known = CATALOG[name]
            assert values[:, column].min() >= known.low
            assert values[:, column].max() <= known.high
            if known.warning is not None:
                assert values[:, column].max() < known.warning


def test_latency_is_mostly_low_with_a_heavy_tail() -> None:
    fleet = Fleet(arrays=10, disks=100, seed=3)
    steps = [fleet.step(NOW + number * SECOND).reshape(10, 101, 4) for number in range(20)]
    latency = np.concatenate([step[:, 1:, 2].ravel() for step in steps])
    assert 1.0 < np.median(latency) < 5.0
    assert np.quantile(latency, 0.95) < 5.0
    assert latency.max() > 3 * np.median(latency)


def test_temperature_follows_load() -> None:
    values = Fleet(arrays=50, disks=10, seed=3).step(NOW).reshape(50, 11, 4)[:, 0, :]
    assert np.corrcoef(values[:, 0], values[:, 1])[0, 1] > 0.8


def test_load_has_a_daily_cycle() -> None:
    noon = 20_000 * DAY + 14 * 3600 * SECOND
    fleet = Fleet(arrays=50, disks=10, seed=3)
    busy = fleet.step(noon)[:, 1].mean()
    assert busy > 1.5 * fleet.step(noon + DAY // 2)[:, 1].mean()


def test_capacity_grows_slowly_and_goes_on_growing_over_a_restart() -> None:
    before = Fleet(arrays=2, disks=6, seed=1).step(NOW)[:, 3]
    after = Fleet(arrays=2, disks=6, seed=1).step(NOW + DAY)[:, 3]
    assert (after > before).all()
    assert (after - before).max() < 1.0


def test_an_array_says_the_mean_of_its_disks() -> None:
    values = Fleet(arrays=3, disks=4, seed=1).step(NOW).reshape(3, 5, 4)
    assert np.allclose(values[:, 0, :], values[:, 1:, :].mean(axis=1))
    assert [unit.device_id for unit in units(3, 4)][::5] == ["array1", "array2", "array3"]


def test_a_clock_that_steps_back_disturbs_nothing() -> None:
    simulator = Simulator(settings())
    simulator.read(NOW)
    assert len(metrics(simulator.read(NOW - 3600 * SECOND))) == 56


def test_about_a_quarter_of_the_ticks_bring_an_event_of_criticality_1_to_7() -> None:
    found = [
        event
        for tick in run(Simulator(settings(simulated_incident_seconds=0)), 2000)
        for event in events(tick)
    ]
    assert 420 < len(found) < 580
    assert {event.criticality for event in found} == set(range(1, 8))
    assert {event.event_type for event in found} == {
        "DriveFailure",
        "DataCorruption",
        "UnauthorizedAccess",
    }
    assert len({event.id for event in found}) == len(found)
    assert all(UUID(event.id).version == 4 and event.event_message for event in found)


def test_an_events_message_id_is_its_own_and_its_subject_its_devices() -> None:
    ticks = run(Simulator(settings(event_probability=1)), 30)
    for message in (message for tick in ticks for message in tick if message.stream == "EVENTS"):
        (event,) = (parse(Event, item, NOW + DAY) for item in decode(message.payload))
        assert message.message_id == event.id
        assert message.subject == f"events.event.{event.source_device}.{event.device_id}"


def test_only_devices_in_an_incident_report_critical_events_and_one_at_a_time() -> None:
    ticks = run(Simulator(settings(event_probability=1)), 800)
    critical = [event for tick in ticks for event in events(tick) if event.criticality >= 8]
    assert critical[0].timestamp >= NOW + 20 * SECOND
    windows = [(event.timestamp - NOW - 20 * SECOND) // (240 * SECOND) for event in critical]
    assert set(windows) == {0, 1, 2, 3}
    devices = {(window, e.device_id) for window, e in zip(windows, critical, strict=True)}
    assert len(devices) == 4
    for window, event in zip(windows, critical, strict=True):
        assert event.timestamp - NOW - 20 * SECOND - window * 240 * SECOND < 180 * SECOND


def test_outside_the_ailing_device_everything_looks_healthy() -> None:
    ticks = run(Simulator(settings()), 780)
    ailing = {e.device_id for tick in ticks for e in events(tick) if e.criticality >= 8}
    for point in (point for tick in ticks for point in metrics(tick)):
        if point.device_id not in ailing:
            known = CATALOG[point.metric_type]
            assert known.low <= point.value <= known.high
            assert known.warning is None or point.value < known.warning


def test_within_a_minute_of_the_start_an_incident_shows_in_metrics_and_events() -> None:
    ticks = run(Simulator(settings()), 60)
    critical = [event for tick in ticks for event in events(tick) if event.criticality >= 8]
    assert critical
    (device,) = {event.device_id for event in critical}
    hot = [p for p in metrics(ticks[-1]) if p.device_id == device and p.metric_type == "DiskTemp"]
    assert hot[0].value > 60


def test_no_incidents_where_their_length_is_zero() -> None:
    ticks = run(Simulator(settings(simulated_incident_seconds=0, event_probability=0)), 300)
    assert not [event for tick in ticks for event in events(tick)]
