"""What novelty, one of the detector's views, says of a value never seen before."""

from __future__ import annotations

import random

import pytest

from reader.detection.detector import Detector
from reader.detection.novelty import LARGEST, Novelty


def direct(values: list[float]) -> list[float]:
    """The same by its definition, from all that was before."""
    found, distances = [], list[float]()
    for i, value in enumerate(values):
        seen = sorted(set(values[:i]))
        distance = min((abs(value - v) for v in seen), default=0.0) if len(seen) > 1 else 0.0
        if distance:
            as_large = [j for j, past in enumerate(distances) if past >= distance]
            rest = i - as_large[-1] if as_large else i + 1
            size = distance / (max(*seen, value) - min(*seen, value))
            found.append(size**0.5 * rest / (i + 1) / (1 + len(as_large)))
        else:
            found.append(0.0)
        distances.append(distance)
    return found


def test_it_is_the_distance_its_rank_and_the_rest_before_it() -> None:
    rng = random.Random(4)
    values = [round(rng.gauss(10, 3), rng.choice([0, 1, 6])) for _ in range(LARGEST)]
    update = Novelty().update
    assert [update(v) for v in values] == pytest.approx(direct(values))


def test_the_same_distance_counts_for_less_the_sooner_and_the_oftener_it_came() -> None:
    def last(jumps: list[int]) -> float:
        """Of a jump by 1 at the end, with jumps by 2 at these points before."""
        novelty, level, found = Novelty(), 0.0, 0.0
        for i in range(1000):
            level += 2.0 * (i in jumps) + (i == 999)
            found = novelty.update(level + 0.001 * (i % 10))
        return found

    never, early, late, both = (last(jumps) for jumps in ([], [200], [900], [200, 900]))
    assert never > early > late > both > 0.0


def test_distances_that_only_shrink_do_not_grow_the_state() -> None:
    detector, value, step = Detector(), 0.0, 1.0
    for i in range(3000):
        value, step = value + step, step * 0.99999
        detector.update(60.0 * i, value)
    assert len(detector.novelty.latest) <= LARGEST
    assert len(detector.to_bytes()) < 64 * 1024
