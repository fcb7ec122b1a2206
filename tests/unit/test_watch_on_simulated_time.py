"""The watch over the simulated fleet: a fault is told each time it comes, and nothing else is."""

from __future__ import annotations

import pytest

from benchmarks.detection.simulated_watch import Injection, watch
from reader.watching import announcements

LEARNT = 1500  # seconds: a pipeline that somebody started 25 minutes ago
DISK = "array1-disk3"


@pytest.mark.parametrize("seed", [12, 15])
@pytest.mark.parametrize(
    ("fault", "lasts", "within"),
    [
        ("iops_collapse", 300, 60),
        ("latency_spikes", 300, 180),
        ("capacity_leak", 600, 150),
        ("stuck_sensor", 600, 65),
        ("slow_disk", 300, 60),
        ("overheat", 120, 15),
    ],
)
def test_the_same_fault_is_told_each_time(fault: str, lasts: int, within: int, seed: int) -> None:
    soon, late = LEARNT + lasts + 300, LEARNT + 2 * lasts + 300 + 23 * 60
    begins = (LEARNT, soon, late)
    injections = [Injection(fault, DISK, begin, lasts) for begin in begins]
    told = [
        each
        for each in watch(late + lasts, injections, seed=seed)
        if each.anomaly.key.device_id == DISK and each.anomaly.severity == "warning"
    ]
    for begin in begins:
        found = [each for each in told if begin <= each.second < begin + lasts]
        assert found, f"the fault at {begin} s"
        assert found[0].second - begin <= within
        assert announcements.event(found[0].anomaly).subject == f"events.event.DiskUnit.{DISK}"


def test_a_fleet_in_health_is_silent_for_an_hour() -> None:
    assert [each.anomaly.episode.text for each in watch(3600, arrays=4, seed=5)] == []
