"""The simulated parking lot."""

from __future__ import annotations

import re
from dataclasses import replace

import orjson
import pytest

from daemon.parking.lot import CURVE, NS, PREFIX, Habits, Lot, Passage
from daemon.parking.source import ParkingSettings, ParkingSource
from daemon.settings import DaemonSettings
from spindle import models
from spindle.errors import InvalidSettings
from spindle.settings import Settings, load

START = 1_800_000_000 * NS
HABITS = Habits(capacity=100, stay_seconds=75 * 60, unmatched_share=0.2, factor=288)


def lived(habits: Habits = HABITS, seed: int = 1, seconds: int = 600) -> tuple[list[Passage], int]:
    """Everything that happened at a lot, and how many vehicles it held at most."""
    lot = Lot(habits, seed)
    found, most = lot.begin(START, []), lot.inside
    for second in range(1, seconds + 1):
        found += lot.step(START + second * NS)
        most = max(most, lot.inside)
    return found, most


def test_the_same_seed_and_times_give_the_same_passages_another_start_other_ids() -> None:
    assert lived() == lived()
    assert lived() != lived(seed=2)
    later = Lot(HABITS, 1).begin(START + NS, [])
    assert not {one.id for one in later} & {one.id for one in lived()[0]}


def test_every_vehicle_comes_goes_and_is_never_inside_twice() -> None:
    found, _ = lived()
    inside: set[str] = set()
    strangers = 0
    for one in sorted(found, key=lambda passage: passage.time_ns):
        if one.kind == "entry":
            assert one.plate not in inside
            inside.add(one.plate)
        elif one.plate in inside:
            inside.remove(one.plate)
        else:
            strangers += 1
    exits = sum(one.kind == "exit" for one in found)
    assert len({one.id for one in found}) == len(found)
    assert strangers / exits == pytest.approx(0.2, abs=0.05)


def test_of_no_unmatched_exits_there_are_none() -> None:
    found, _ = lived(replace(HABITS, unmatched_share=0.0))
    came = {one.plate for one in found if one.kind == "entry"}
    assert {one.plate for one in found if one.kind == "exit"} <= came


def test_the_lot_never_holds_more_than_fit() -> None:
    _, most = lived(replace(HABITS, stay_seconds=10 * 3600))
    assert most <= 100
    assert lived(replace(HABITS, capacity=1))[1] == 1


def test_times_lie_between_the_ticks_and_only_early_ones_before_the_start() -> None:
    lot = Lot(HABITS, 1)
    early = lot.begin(START, [])
    assert all(one.kind == "entry" and one.time_ns <= START for one in early)
    assert len(early) >= 40
    found = lot.step(START + NS)
    assert found == sorted(found, key=lambda one: one.time_ns)
    assert all(START <= one.time_ns <= START + NS for one in found)


def test_arrivals_follow_the_curve_of_the_day() -> None:
    lot = Lot(replace(HABITS, capacity=5_000, factor=3600.0), 1)
    lot.begin(START, [])
    hour_of_the_start = START // NS % 86_400 // 3600
    counts = [0] * 24
    for second in range(1, 24 * 2 + 1):  # each is an hour
        arrivals = sum(one.kind == "entry" for one in lot.step(START + second * NS))
        counts[(hour_of_the_start + second - 1) % 24] += arrivals
    assert max(range(24), key=counts.__getitem__) in (7, 8)
    assert counts[3] < 0.4 * sum(counts) / 24
    assert sum(CURVE) / 24 == pytest.approx(1, abs=0.1)


def test_a_machine_that_was_asleep_does_not_make_up_for_it() -> None:
    lot = Lot(replace(HABITS, factor=1.0), 1)
    lot.begin(START, [])
    assert len(lot.step(START + 86_400 * NS)) < 20
    assert lot.step(START + 10 * NS) == []  # nor does a clock that goes back matter


def test_plates_look_like_plates() -> None:
    found, _ = lived()
    assert all(re.fullmatch(r"[A-Z]{1,3}-[A-Z]{1,2}\d{1,4}", one.plate) for one in found)


def test_vehicles_that_an_earlier_run_brought_in_leave_in_this_one() -> None:
    lot = Lot(HABITS, 1)
    assert lot.begin(START, ["B-A1", "B-A2"]) == []
    assert lot.inside == 2
    found = [one for n in range(1, 120) for one in lot.step(START + n * NS)]
    assert {one.plate for one in found if one.kind == "exit"} >= {"B-A1", "B-A2"}


def test_the_source_publishes_the_contracts_json() -> None:
    source = ParkingSource(load(ParkingSettings, parking_time_factor=5000))
    messages = source.read(START) + source.read(START + NS)
    assert {one.stream for one in messages} == {"PARKING"}
    for one in messages:
        data = orjson.loads(one.payload)
        kind = one.subject.removeprefix("parking.")
        assert set(data) == {"id", "vehicle_plate", f"{kind}_date_time"}
        assert one.message_id == data["id"]
        assert data["id"].startswith(PREFIX)
        model = models.VehicleEntry if kind == "entry" else models.VehicleExit
        models.parse(model, data, START + NS)
    assert {one.subject for one in messages} == {"parking.entry", "parking.exit"}


def test_parking_is_simulated_by_default_and_its_settings_are_checked() -> None:
    assert load(DaemonSettings).sources == ("simulator", "host", "smart", "parking")
    with pytest.raises(InvalidSettings, match="PARKING_CAPACITY"):
        load(DaemonSettings, parking_capacity=0)


async def test_at_its_start_the_source_takes_over_who_is_inside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def inside(settings: Settings) -> list[str]:
        return ["B-A1", "B-A2"]

    monkeypatch.setattr("daemon.parking.source.who_is_inside", inside)
    source = ParkingSource(load(ParkingSettings, parking_time_factor=5000))
    await source.start()
    assert source.read(START) == []
    left = [one for n in range(1, 120) for one in source.read(START + n * NS)]
    exits = [orjson.loads(one.payload) for one in left if one.subject == "parking.exit"]
    assert {one["vehicle_plate"] for one in exits} >= {"B-A1", "B-A2"}
