"""A run of surprises: level shifts, spikes, drops, changed variance, changed slope."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from math import log

WINDOW = 1440
"""Residuals a new one is ranked among: a day at one a minute."""

SPAN = 16
"""Points over which the level follows the values."""

TAIL = 10
"""Largest residuals from which the tail beyond the known is extrapolated (Hill's estimator)."""

ALLOWANCE = 3.0
"""Surprise, in nats, that a point may bring for nothing."""

EVIDENCE = 20.0
"""Sum of surprise at which chance is ruled out: on independent points exp(-0.94 * 20) = 7e-9."""

CEILING = 30.0
"""Most surprise a single point may bring."""


class Surge:
    """CUSUM of the surprise of a value against a fast level.

    The residual (value less level) is ranked among the last ``WINDOW`` residuals; its
    two-sided rank probability p gives the surprise ``-ln p`` (beyond the known extremes p
    follows a Pareto tail), whose sum above ``ALLOWANCE`` a point is the evidence. For
    independent points of any distribution P(evidence > x) ~ exp(-0.94 x) (Lundberg's bound).
    Real series are not independent: evidence must also reach twice what it ever reached
    before (fading with half-life ``WINDOW``), so a series that always swings stays silent.
    """

    __slots__ = ("evidence", "level", "next", "peak", "ranked", "residuals", "start", "top")

    def __init__(self) -> None:
        self.level = 0.0
        self.residuals = array("d")  # ring, in order of arrival
        self.start = 0  # index of the oldest in the ring
        self.ranked = array("d")  # the same, sorted
        self.evidence = 0.0
        self.top = 0.0  # largest evidence of the present run
        self.peak = 0.0  # of the runs before, fading
        self.next = EVIDENCE  # evidence to be heard again

    def restart(self, value: float) -> None:
        """Forget the level after a gap; what lies between is not known."""
        self.level = value
        self._end_run()

    def update(self, value: float, warm: bool) -> float:
        """Take the next value; 0, or 0.5..1 when the evidence has (again) doubled."""
        residual = value - self.level
        self.level += residual / SPAN
        ranked = self.ranked
        at = bisect_left(ranked, residual)
        score = 0.0
        if warm:
            score = self._weigh(self._surprise(residual, at))
        self._remember(residual, at)
        return score

    def _weigh(self, surprise: float) -> float:
        self.peak *= FADE
        evidence = self.evidence + surprise - ALLOWANCE
        if evidence <= 0.0:
            if self.evidence > 0.0:
                self._end_run()
            return 0.0
        self.evidence = evidence
        if evidence > self.top:
            self.top = evidence
            if evidence >= self.next and evidence >= 2.0 * self.peak:
                self.next = 2.0 * evidence
                return evidence / (evidence + EVIDENCE)
        return 0.0

    def _end_run(self) -> None:
        self.peak = max(self.peak, self.top)
        self.evidence = self.top = 0.0
        self.next = EVIDENCE

    def _surprise(self, residual: float, at: int) -> float:
        """-ln of the two-sided probability of the residual, by rank or by the tail's law."""
        ranked = self.ranked
        size = len(ranked)
        after = at
        if at < size and ranked[at] == residual:
            after = bisect_right(ranked, residual, at)
        low, high = (at + after) / 2, size - (at + after) / 2
        rank = min(high, low)
        surprise = log((size + 1) / (2.0 * rank + 1.0))
        if rank >= 1.0 or size < 2 * TAIL:
            return surprise
        return surprise + self._beyond(residual, high < low)

    def _beyond(self, residual: float, high: bool) -> float:
        """-ln of the probability that a value past the extreme lies this far past it."""
        ranked = self.ranked
        centre = ranked[len(ranked) // 2]
        tail = [v - centre for v in ranked[-TAIL:]] if high else [centre - v for v in ranked[:TAIL]]
        least, most, distance = min(tail), max(tail), abs(residual - centre)
        if distance <= most:
            return 0.0
        if least <= 0.0:
            return 0.0
        index = max(sum(log(v / least) for v in tail) / (TAIL - 1), THINNEST)
        return min(log(distance / most) / index, CEILING)

    def _remember(self, residual: float, at: int) -> None:
        ring, ranked = self.residuals, self.ranked
        ranked.insert(at, residual)
        if len(ring) < WINDOW:
            ring.append(residual)
            return
        oldest = ring[self.start]
        del ranked[bisect_left(ranked, oldest)]
        ring[self.start] = residual
        self.start = (self.start + 1) % WINDOW


FADE = 0.5 ** (1.0 / WINDOW)
THINNEST = 0.05
"""Smallest tail index believed; ten equal residuals would otherwise make anything impossible."""
