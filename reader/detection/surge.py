"""A run of surprises: level shifts, spikes, drops, changed variance, changed slope."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right, insort
from math import log

WINDOW = 1440
"""Residuals a new one is ranked among: a day at one a minute."""

LAG = 32
"""Points after which a residual is ranked: what goes on now is not compared with itself."""

FAST, SLOW = 2.0, 16.0
"""Points over which the two levels follow the values; the one that errs less is used."""

TAIL = 10
"""Largest residuals from which the tail beyond the known is extrapolated (Hill's estimator)."""

THINNEST = 0.05
"""Smallest tail index believed; ten equal residuals would otherwise make anything impossible."""

CEILING = 30.0
"""Most surprise a point may bring for lying beyond the known."""

ALLOWANCE = 3.0
"""Surprise, in nats, that a point may bring for nothing."""

EVIDENCE = 23.0
"""Sum of surprise at which chance is ruled out: on independent points exp(-0.94 * 23) = 4e-10."""

FADE = 0.5 ** (1.0 / (7 * WINDOW))
"""What remains of the memory of a past run after a point: half after a week at one a minute."""


class Surge:
    """CUSUM of the surprise of a value against a level.

    The residual (value less level) is ranked among the last ``WINDOW`` residuals; its
    two-sided rank probability p gives the surprise ``-ln p`` (beyond the known extremes p
    follows a Pareto tail), whose sum above ``ALLOWANCE`` a point is the evidence, apart for
    high and for low values. For independent points of any distribution
    P(evidence > x) < exp(-0.94 x) (Lundberg's bound). Real series are not independent:
    evidence must also reach twice what it ever reached before (a memory that fades), so a
    series that always swings stays silent.
    """

    __slots__ = (
        "fast", "fast_error", "high", "low", "next", "peak", "points", "ranked", "residuals",
        "slow", "slow_error", "start", "top",
    )  # fmt: skip

    def __init__(self) -> None:
        self.fast = self.slow = 0.0  # the two levels
        self.fast_error = self.slow_error = 0.0  # their mean absolute errors, fading
        self.points = 0  # that went into these means, at most WINDOW
        self.residuals = array("d")  # ring of WINDOW + LAG, in order of arrival
        self.start = 0  # index of the oldest in the ring
        self.ranked = array("d")  # all but the last LAG of them, sorted
        self.high = 0.0  # evidence that values are too high
        self.low = 0.0  # or too low: apart, for a high value drags the level up behind it
        self.top = 0.0  # largest evidence of the present run
        self.peak = 0.0  # of the runs before, fading
        self.next = EVIDENCE  # evidence to be heard again

    @property
    def level(self) -> float:
        """The value now expected."""
        return self.fast if self.fast_error < self.slow_error else self.slow

    def restart(self, value: float) -> None:
        """Forget the level after a gap; what lies between is not known."""
        self.fast = self.slow = value
        self._end_run()

    def update(self, value: float, warm: bool) -> float:
        """Take the next value; 0, or 0.5..1 when the evidence has (again) doubled."""
        fast, slow = value - self.fast, value - self.slow
        residual = fast if self.fast_error < self.slow_error else slow
        points = self.points
        if points < WINDOW:
            self.points = points = points + 1
        self.fast_error += (abs(fast) - self.fast_error) / points
        self.slow_error += (abs(slow) - self.slow_error) / points
        self.fast += fast / FAST
        self.slow += slow / SLOW
        score = self._weigh(residual) if warm else 0.0
        self._remember(residual)
        return score

    def _weigh(self, residual: float) -> float:
        surprise, high = self._surprise(residual)
        self.peak *= FADE
        up, down = self.high - ALLOWANCE, self.low - ALLOWANCE
        if high:
            up += surprise
        else:
            down += surprise
        self.high = up = max(0.0, up)
        self.low = down = max(0.0, down)
        evidence = max(down, up)
        if evidence <= self.top:
            if evidence == 0.0 < self.top:
                self._end_run()
            return 0.0
        self.top = evidence
        if evidence < self.next or evidence < 2.0 * self.peak:
            return 0.0
        self.next = 2.0 * evidence
        return evidence / (evidence + EVIDENCE)

    def _end_run(self) -> None:
        self.peak = max(self.peak, self.top)
        self.high = self.low = self.top = 0.0
        self.next = EVIDENCE

    def _surprise(self, residual: float) -> tuple[float, bool]:
        """-ln of the two-sided probability of the residual, and whether it is a high one."""
        ranked = self.ranked
        size = len(ranked)
        after = at = bisect_left(ranked, residual)
        if at < size and ranked[at] == residual:
            after = bisect_right(ranked, residual, at)
        low = 0.5 * (at + after)
        high = size - low
        above = high < low
        rank = high if above else low
        surprise = log((size + 1.0) / (2.0 * rank + 1.0))
        if rank < 1.0 and size >= 2 * TAIL:
            surprise += self._beyond(residual, above)
        return surprise, above

    def _beyond(self, residual: float, high: bool) -> float:
        """-ln of the probability that a value past the extreme lies this far past it."""
        ranked = self.ranked
        centre = ranked[len(ranked) // 2]
        tail = [v - centre for v in ranked[-TAIL:]] if high else [centre - v for v in ranked[:TAIL]]
        least, most, distance = min(tail), max(tail), abs(residual - centre)
        if least <= 0.0 or distance <= most:
            return 0.0
        index = max(sum(log(v / least) for v in tail) / (TAIL - 1), THINNEST)
        return min(log(distance / most) / index, CEILING)

    def _remember(self, residual: float) -> None:
        """Rank the residual of LAG points ago, and drop the one WINDOW before it."""
        ring, ranked = self.residuals, self.ranked
        if len(ring) < WINDOW + LAG:
            ring.append(residual)
            if len(ring) > LAG:
                insort(ranked, ring[-1 - LAG])
            return
        at = self.start
        del ranked[bisect_left(ranked, ring[at])]
        ring[at] = residual
        insort(ranked, ring[at - LAG])  # a negative index counts from the ring's end
        self.start = at + 1 if at + 1 < WINDOW + LAG else 0
