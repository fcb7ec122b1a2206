"""How detection is scored against the simulator's truth."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.detection import faults
from benchmarks.detection.faults import Alarm, Tally, episodes
from benchmarks.series.fault_series import DISKS, Truth, healthy, ill


def alarms(*readings: int) -> list[Alarm]:
    return [Alarm(reading, "Latency surge") for reading in readings]


def test_alarms_close_together_are_one_episode() -> None:
    assert [len(found) for found in episodes(alarms(1, 50, 100, 200))] == [3, 1]
    assert episodes([]) == []


def tally(truth: Truth | None, *readings: int) -> Tally:
    made = Tally("slow_disk")
    faults._count(made, alarms(*readings), truth)
    return made


TRUTH = Truth("slow_disk", 3, 1000, 1100)


def test_a_fault_is_found_by_the_first_alarm_within_it() -> None:
    made = tally(TRUTH, 1007, 1020)
    assert (made.faults, made.delays, made.right, made.wrong) == (1, [7], 1, [])


def test_an_alarm_before_a_fault_is_false_and_the_fault_is_missed() -> None:
    made = tally(TRUTH, 900)
    assert (made.faults, made.delays, made.right, len(made.wrong)) == (1, [], 0, 1)


def test_the_end_of_a_fault_may_be_noticed_but_does_not_find_it() -> None:
    made = tally(TRUTH, 1110)
    assert (made.delays, made.right, made.wrong) == ([], 1, [])
    assert len(tally(TRUTH, 1200).wrong) == 1


def test_every_alarm_of_a_device_that_is_well_is_false() -> None:
    assert len(tally(None, 10, 500).wrong) == 2


def test_each_array_has_one_fault_in_its_last_day_and_the_rest_is_as_it_would_be() -> None:
    sick = ill("iops_collapse", arrays=2, days=1.5, seed=5, hours=(1, 2))
    well = healthy(arrays=2, days=2, seed=5)
    assert [truth.unit // (DISKS + 1) for truth in sick.truths] == [0, 1]
    for truth in sick.truths:
        inside = slice(truth.begins, truth.ends)
        assert np.median(sick.values[inside, truth.unit, 1]) < 0.2 * np.median(
            well.values[inside, truth.unit, 1]
        )
        rest = [*range(truth.begins), *range(truth.ends + 1, len(sick.values))]
        assert np.array_equal(sick.values[rest, truth.unit], well.values[rest, truth.unit])


def test_a_slow_and_a_silent_disk_are_found_and_nothing_else_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(faults, "ILL_DAYS", 1.0)
    found = faults.run(5, 1, 0, ["slow_disk", "silent"], lambda _name, _steps: lambda: None)
    for each in found:
        assert (each.faults, len(each.delays), each.wrong) == (1, 1, [])
        assert each.delays[0] <= 10
    assert found[1].by == ["silence"]
    assert faults.table(found).row_count == 3
