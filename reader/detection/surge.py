"""A run of surprises: level shifts, spikes, drops, changed variance, changed slope."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right, insort
from math import log

WINDOW = 1440
"""Residuals a new one is ranked among: a day at one a minute."""

LAG = 32
"""Points after which a residual is ranked: what goes on now is not compared with itself."""

SPANS = (2.0, 16.0)
"""Points over which a level follows the values; the one that errs least is used."""

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

    __slots__ = ("best", "errors", "high", "low", "levels", "points", "next", "peak", "ranked", "residuals", "start", "top")

    def __init__(self) -> None:
        self.levels = [0.0] * len(SPANS)
        self.errors = [0.0] * len(SPANS)  # mean absolute error of each, the last WINDOW's mostly
        self.best = len(SPANS) - 1  # the level in use
        self.points = 0
        self.residuals = array("d")  # ring, in order of arrival
        self.start = 0  # index of the oldest in the ring
        self.ranked = array("d")  # the same, sorted
        self.high = 0.0  # evidence that values are too high
        self.low = 0.0  # or too low: apart, for a high value drags the level up behind it
        self.top = 0.0  # largest evidence of the present run
        self.peak = 0.0  # of the runs before, fading
        self.next = EVIDENCE  # evidence to be heard again

    @property
    def level(self) -> float:
        """The value now expected."""
        return self.levels[self.best]

    def restart(self, value: float) -> None:
        """Forget the level after a gap; what lies between is not known."""
        self.levels = [value] * len(SPANS)
        self._end_run()

    def update(self, value: float, warm: bool) -> float:
        """Take the next value; 0, or 0.5..1 when the evidence has (again) doubled."""
        residual = value - self.levels[self.best]
        self._follow(value)
        score = self._weigh(*self._surprise(residual)) if warm else 0.0
        self._remember(residual)
        return score

    def _follow(self, value: float) -> None:
        levels, errors = self.levels, self.errors
        self.points = points = min(self.points + 1, WINDOW)
        for i in range(len(SPANS)):
            error = value - levels[i]
            levels[i] += error / SPANS[i]
            errors[i] += (abs(error) - errors[i]) / points
        self.best = errors.index(min(errors))

    def _weigh(self, surprise: float, high: bool) -> float:
        self.peak *= FADE
        up = self.high - ALLOWANCE
        down = self.low - ALLOWANCE
        if high:
            up += surprise
        else:
            down += surprise
        self.high = up = max(up, 0.0)
        self.low = down = max(down, 0.0)
        evidence = max(up, down)
        if evidence <= 0.0:
            if self.top:
                self._end_run()
            return 0.0
        if evidence > self.top:
            self.top = evidence
            if evidence >= self.next and evidence >= 2.0 * self.peak:
                self.next = 2.0 * evidence
                return evidence / (evidence + EVIDENCE)
        return 0.0

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
        low, high = (at + after) / 2, size - (at + after) / 2
        rank = min(high, low)
        surprise = log((size + 1) / (2.0 * rank + 1.0))
        if rank >= 1.0 or size < 2 * TAIL:
            return surprise, high < low
        return surprise + self._beyond(residual, high < low), high < low

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

    def _remember(self, residual: float) -> None:
        """Rank the residual of LAG points ago, and drop the one WINDOW before it."""
        ring, ranked, size = self.residuals, self.ranked, WINDOW + LAG
        if len(ring) < size:
            ring.append(residual)
            if len(ring) > LAG:
                insort(ranked, ring[-1 - LAG])
            return
        at = self.start
        del ranked[bisect_left(ranked, ring[at])]
        ring[at] = residual
        insort(ranked, ring[at - LAG])  # a negative index counts from the ring's end
        self.start = at + 1 if at + 1 < size else 0


FADE = 0.5 ** (1.0 / WINDOW)
THINNEST = 0.05
"""Smallest tail index believed; ten equal residuals would otherwise make anything impossible."""
