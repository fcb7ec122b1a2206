"""Daily rhythm: how the last hours differ from every past day at the same time of day."""

from __future__ import annotations

from math import isfinite, nan

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

DAY = 86_400.0
BINS = 48
"""Bins a day."""
DAYS = 28
"""Past days compared with: four weeks, so that weekdays find their like."""
SPAN = 12
"""Bins over which the difference from a past day is averaged: six hours."""
LEAST_DAYS = 3
"""Past days needed before anything is called unusual."""
WEEK = 7
"""Past days needed to be sure: before, the first Saturday would look like a fault."""


class Rhythm:
    """How unlike every past day the last hours were, at the same time of day.

    Every half hour the mean since the last is compared with that of each past day; the
    smallest of the averaged differences is the unlikeness. It is heard when it reaches twice
    its record of the time before, weighed by the days known (up to a week) and by the rhythm's
    strength: ``1 - mean |difference from yesterday| / mean |deviation from the mean|``, which
    is 0 for a series without a daily rhythm.
    """

    __slots__ = (
        "bin", "count", "day_count", "day_sum", "differences", "history", "mean",
        "mean_count", "next", "record", "records", "spread_sum", "top", "total",
    )  # fmt: skip

    def __init__(self) -> None:
        self.bin: int | None = None  # number of the open bin since the epoch
        self.total = 0.0  # of the values in it
        self.count = 0
        self.history: Floats = np.full(BINS * DAYS, nan)  # bin means, at bin number % size
        self.differences: Floats = np.full(DAYS, nan)  # averaged, by days back (1 to DAYS)
        self.day_sum = 0.0  # of |difference from yesterday|
        self.day_count = 0
        self.mean = 0.0  # of the bin means
        self.mean_count = 0
        self.spread_sum = 0.0  # of |bin mean - mean|
        self.record = 0.0  # largest unlikeness before the present stretch
        self.records = 0  # bins for which it was known
        self.top = 0.0  # largest of the present stretch, since it last fell to half the record
        self.next = 0.0  # unlikeness to be heard again

    @property
    def strength(self) -> float:
        """0 (no daily rhythm) to 1 (every day the same)."""
        if not self.day_count or not self.spread_sum:
            return 0.0
        ratio = (self.day_sum / self.day_count) / (self.spread_sum / self.mean_count)
        return max(0.0, 1.0 - ratio)

    @property
    def days(self) -> int:
        """Past days the present one can be compared with."""
        return int(np.count_nonzero(~np.isnan(self.differences)))

    def update(self, timestamp: float, value: float) -> float:
        """Take the next value; 0, or how unlike all past days the closed half hour was."""
        number = int(timestamp // (DAY / BINS)) if isfinite(timestamp) else self.bin
        score = 0.0
        if number != self.bin and number is not None:
            if self.bin is None or number < self.bin - BINS:
                self.__init__()  # type: ignore[misc]  # the clock was set back for good
                self.bin = number
            elif number > self.bin:
                score = self._close(self.bin, number)
        self.total += value
        self.count += 1
        return score

    def _close(self, closed: int, number: int) -> float:
        """Close the open bin and open bin ``number``."""
        mean = self.total / self.count
        skipped = number - closed - 1
        past = self.history[(closed - BINS * np.arange(1, DAYS + 1)) % (BINS * DAYS)]
        score = self._compare(mean, past)
        self.history[closed % (BINS * DAYS)] = mean
        if skipped:
            gone = np.arange(closed + 1, closed + 1 + min(skipped, BINS * DAYS))
            self.history[gone % (BINS * DAYS)] = nan
            self.differences[:] = nan
        self.bin, self.total, self.count = number, 0.0, 0
        return score

    def _compare(self, mean: float, past: Floats) -> float:
        self.mean_count += 1
        self.mean += (mean - self.mean) / self.mean_count
        self.spread_sum += abs(mean - self.mean)
        difference = np.abs(past - mean)
        if difference[0] == difference[0]:
            self.day_count += 1
            self.day_sum += float(difference[0])
        old = self.differences
        moved = old + (difference - old) / SPAN
        self.differences = np.where(np.isnan(old), difference, moved)
        known = self.differences[~np.isnan(self.differences)]
        if known.size < LEAST_DAYS:
            return 0.0
        return self._weigh(float(known.min()), int(known.size))

    def _weigh(self, unlike: float, days: int) -> float:
        self.records += 1
        if self.records <= BINS:  # a first day to learn what is usual
            self.record = max(self.record, unlike)
            return 0.0
        if unlike <= self.record:
            self.record = max(self.record, self.top)
            self.top = self.next = 0.0
            return 0.0
        self.top = max(self.top, unlike)
        if unlike < 2.0 * self.record or unlike < self.next:
            return 0.0
        self.next = 2.0 * unlike
        sure = min(1.0, days / WEEK) * self.strength
        return sure * unlike / (unlike + 2.0 * self.record)
