"""The watch over the simulated fleet: a fault is told each time it comes, and nothing else is."""

from __future__ import annotations

from math import inf
from statistics import median

import pytest

from benchmarks.detection.simulated_watch import Injection, watch
from reader.watching import announcements

LEARNT = 1500  # seconds: a pipeline that somebody started 25 minutes ago
DISK = "array1-disk3"


SEEDS = range(3)  # none chosen for its result
MOST_MISSED = 1  # of nine: some collapses go to a quarter of load that comes and goes by itself


@pytest.mark.parametrize(
    ("fault", "lasts", "within"),
    [
        ("iops_collapse", 300, 20),
        ("latency_spikes", 300, 60),
        ("capacity_leak", 600, 40),
        ("stuck_sensor", 600, 65),
        ("slow_disk", 300, 20),
        ("overheat", 120, 10),
    ],
)
def test_the_same_fault_is_told_each_time(fault: str, lasts: int, within: int) -> None:
    soon, late = LEARNT + lasts + 300, LEARNT + 2 * lasts + 300 + 23 * 60
    begins, delays = (LEARNT, soon, late), list[float]()
    injections = [Injection(fault, DISK, begin, lasts) for begin in begins]
    for seed in SEEDS:
        told = [
            each
            for each in watch(late + lasts, injections, seed=seed)
            if each.anomaly.key.device_id == DISK and each.anomaly.severity == "warning"
        ]
        for begin in begins:
            found = [each for each in told if begin <= each.second < begin + lasts]
            delays.append(found[0].second - begin if found else inf)
            for each in found[:1]:
                subject = announcements.event(each.anomaly).subject
                assert subject == f"events.event.DiskUnit.{DISK}"
    assert sum(delay == inf for delay in delays) <= MOST_MISSED, delays
    assert median(delays) <= within, delays


def test_fleets_in_health_are_silent_for_an_hour() -> None:
    """Temperatures drift by half a degree, of which nobody is told."""
    told = [watch(3600, arrays=4, seed=seed) for seed in SEEDS]
    assert [each.anomaly.episode.text for fleet in told for each in fleet] == []
