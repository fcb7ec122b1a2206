"""Daily rhythm: how the last hours differ from every past day at the same time of day."""

from __future__ import annotations

from array import array
from math import inf, isfinite, isnan, nan

DAY = 86_400.0
BINS = 48
"""Bins a day."""
BIN = DAY / BINS
"""Seconds of a bin."""
DAYS = 28
"""Past days compared with: four weeks, so that weekdays find their like."""
SPAN = 12
"""Bins over which the difference from a past day is averaged: six hours."""
LEAST_DAYS = 3
"""Past days needed before anything is called unusual."""
WEEK = 7
"""Past days needed to be sure: before, the first Saturday would look like a fault."""
FADE = 0.5 ** (1.0 / (DAYS // 2 * BINS))
"""What remains of the record after a bin: half after half of the days compared with. An odd day of
the first week, when few days were known, would else set a measure that deafens for ever."""


class Rhythm:
    """How unlike every past day the last hours were, at the same time of day.

    Every half hour the mean since the last is compared with that of each past day; the
    smallest of the averaged differences is the unlikeness. It is heard when it reaches twice
    its record of the time before (a memory that fades), weighed by the days known (up to a
    week) and by the rhythm's strength: ``1 - mean |difference from yesterday| / mean |deviation
    from the mean|``, which is 0 for a series without a daily rhythm.
    """

    __slots__ = (
        "bin", "count", "day_count", "day_sum", "differences", "history", "mean",
        "mean_count", "next", "record", "records", "spread_sum", "top", "total",
    )  # fmt: skip

    def __init__(self) -> None:
        self._restart()

    def _restart(self) -> None:
        self.bin: int | None = None  # number of the open bin since the epoch
        self.total = 0.0  # of the values in it
        self.count = 0
        self.history = array("d", [nan]) * (BINS * DAYS)  # bin means, at bin number % size
        self.differences = array("d", [nan]) * DAYS  # averaged, by days back (1 to DAYS)
        self.day_sum = 0.0  # of |difference from yesterday|
        self.day_count = 0
        self.mean = 0.0  # of the bin means
        self.mean_count = 0
        self.spread_sum = 0.0  # of |bin mean - mean|
        self.record = 0.0  # largest unlikeness before the present stretch, fading
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
        return sum(not isnan(difference) for difference in self.differences)

    def update(self, timestamp: float, value: float) -> float:
        """Take the next value; 0, or how unlike all past days the closed half hour was."""
        number = int(timestamp // BIN) if isfinite(timestamp) else self.bin
        score = 0.0
        if number != self.bin and number is not None:
            if self.bin is None or number < self.bin - BINS:
                self._restart()  # the clock was set back for good
                self.bin = number
            elif number > self.bin:
                score = self._close(self.bin, number)
        self.total += value
        self.count += 1
        return score

    def _close(self, closed: int, number: int) -> float:
        """Close the open bin and open bin ``number``."""
        mean = self.total / self.count
        score = self._compare(closed, mean)
        size = len(self.history)
        self.history[closed % size] = mean
        for gone in range(closed + 1, min(number, closed + 1 + size)):
            self.history[gone % size] = nan
        if number > closed + SPAN:
            self.differences = array("d", [nan]) * DAYS
        self.bin, self.total, self.count = number, 0.0, 0
        return score

    def _compare(self, closed: int, mean: float) -> float:
        """How unlike each of the past days the bin ending the last hours makes them."""
        self._learn(mean, abs(mean - self.history[(closed - BINS) % len(self.history)]))
        history, differences, size = self.history, self.differences, len(self.history)
        least, known = inf, 0
        for back in range(DAYS):
            difference = abs(mean - history[(closed - BINS * (back + 1)) % size])
            old = differences[back]
            if not isnan(old):
                difference = old + (difference - old) / SPAN
            differences[back] = difference  # NaN, where that day is not known
            if not isnan(difference):
                known += 1
                least = min(least, difference)
        return self._weigh(least, known) if known >= LEAST_DAYS else 0.0

    def _learn(self, mean: float, from_yesterday: float) -> None:
        self.mean_count += 1
        self.mean += (mean - self.mean) / self.mean_count
        self.spread_sum += abs(mean - self.mean)
        if not isnan(from_yesterday):
            self.day_count += 1
            self.day_sum += from_yesterday

    def _weigh(self, unlike: float, days: int) -> float:
        self.records += 1
        self.record *= FADE
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
