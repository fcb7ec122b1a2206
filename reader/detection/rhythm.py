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
HOURS_BINS = 24
"""Bins over which the difference from a past day is averaged."""
LEAST_DAYS = 3
"""Past days needed before anything is called unusual."""


class Rhythm:
    """Novelty of the shape of the last half day among the days at the same hours.

    Every half hour the mean since the last is compared with that of each past day; the
    smallest of the averaged differences says how unlike *every* day this one is. It is heard
    when it is a record, by ``1 - last record / it``, weighed by the square of the rhythm's
    strength: ``1 - mean |difference from yesterday| / mean |deviation from the mean|``, which
    is 0 for a series without a daily rhythm.
    """

    __slots__ = (
        "bin", "count", "day_count", "day_sum", "differences", "history", "mean",
        "mean_count", "record", "records", "spread_sum", "total",
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
        self.record = 0.0  # largest unlikeness so far
        self.records = 0  # bins for which it was known

    @property
    def strength(self) -> float:
        """0 (no daily rhythm) to 1 (every day the same)."""
        if not self.day_count or not self.spread_sum:
            return 0.0
        ratio = (self.day_sum / self.day_count) / (self.spread_sum / self.mean_count)
        return max(0.0, 1.0 - ratio)

    def update(self, timestamp: float, value: float) -> float:
        """Take the next value; 0, or how unlike all past days the closed half hour was."""
        number = int(timestamp // (DAY / BINS)) if isfinite(timestamp) else self.bin
        score = 0.0
        if number != self.bin and number is not None:
            if self.bin is None or number < self.bin - BINS:
                self.__init__()  # type: ignore[misc]  # the clock was set back for good
                self.bin = number
            elif number > self.bin:
                score = self._close(number)
        self.total += value
        self.count += 1
        return score

    def _close(self, number: int) -> float:
        """Close the open bin and open bin ``number``."""
        assert self.bin is not None
        closed, mean = self.bin, self.total / self.count
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
        moved = old + (difference - old) / HOURS_BINS
        self.differences = np.where(np.isnan(old), difference, moved)
        known = self.differences[~np.isnan(self.differences)]
        if known.size < LEAST_DAYS:
            return 0.0
        return self._weigh(float(known.min()))

    def _weigh(self, unlike: float) -> float:
        self.records += 1
        last, self.record = self.record, max(self.record, unlike)
        if self.records <= BINS or unlike <= last:
            return 0.0
        return (1.0 - last / unlike) * self.strength**2
