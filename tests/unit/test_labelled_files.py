"""Generated files with labelled faults, which the point score is chosen and measured on."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.detection.nab import views
from benchmarks.series.labelled_files import BY_THE_CLOCK, PROCESSES, WITHIN, Place, labelled_file
from reader.detection.scoring import scores

DAY = 288


@pytest.mark.parametrize("fault", WITHIN)
def test_a_fault_within_the_range_has_no_value_beyond_it_and_changes_the_series(fault: str) -> None:
    for process in BY_THE_CLOCK:
        rng = np.random.default_rng(5)
        values = PROCESSES[process](rng, 10 * DAY, DAY)
        past, usual = values[: 8 * DAY], values[8 * DAY : 9 * DAY]
        laid = WITHIN[fault](Place(usual.copy(), past, DAY, rng))
        low, high = min(past.min(), usual.min()), max(past.max(), usual.max())
        assert laid.shape == usual.shape
        assert low <= laid.min() <= laid.max() <= high
        assert (laid != usual).any()


@pytest.mark.parametrize("process", PROCESSES)
def test_windows_follow_each_other_after_the_part_that_is_not_scored(process: str) -> None:
    faultless = 0
    for number in range(12):
        file = labelled_file(process, number)
        rows = [row for window in file.windows for row in window]
        assert rows == sorted(set(rows))
        assert len(file.faults) == len(file.windows)
        assert np.isfinite(file.values).all() and (np.diff(file.times) > 0.0).all()
        assert all(0.18 * file.values.size < row < file.values.size for row in rows)
        faultless += not rows
    assert faultless < 6


def test_a_file_is_the_same_each_time() -> None:
    first, second = (labelled_file("roads", 3) for _ in range(2))
    assert first.windows == second.windows
    assert first.values.tobytes() == second.values.tobytes()


def test_what_the_views_say_of_a_file_is_what_the_detector_says() -> None:
    file = labelled_file("riders", 0)
    points = file.times[:3000].tolist(), file.values[:3000].tolist()
    found = views(*points)
    assert all(found[view].any() for view in ("novelty", "rhythm", "news", "surge"))
    assert np.max(list(found.values()), axis=0).tolist() == scores(*points)
