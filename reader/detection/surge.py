"""A run of surprises: level shifts, spikes, drops, changed variance, changed slope."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right, insort
from math import copysign, log, pi, sin

WINDOW = 1440
"""Innovations a new one is ranked among: a day at one a minute."""

LAG = 32
"""Points after which an innovation is ranked: what goes on now is not compared with itself."""

SPAN = 16.0
"""Points over which the level follows the values."""

GRAINS = 4.0
"""Innovations are told apart down to this fraction of the smallest step a value ever made."""

TAIL = 10
"""Largest innovations from which the tail beyond the known is extrapolated (Hill's estimator)."""

THINNEST = 0.05
"""Smallest tail index believed; ten equal ones would otherwise make anything impossible."""

CEILING = 30.0
"""Most surprise a point may bring for lying beyond the known."""

ALLOWANCE = 3.0
"""Surprise, in nats, that a point may bring for nothing."""

EVIDENCE = 30.0
"""Sum of surprise at which chance is ruled out: on independent points exp(-0.94 * 30) = 6e-13."""

KNOWN_STEP = EVIDENCE * SPAN / 2
"""Evidence past which a run before was a step that was told: its likes begin anew as it did."""

HALF_PI = pi / 2
EXACT = 1e15  # beyond, a double has no room for fractions

FADE = 0.5 ** (1.0 / (7 * WINDOW))
"""What remains of the memory of a past run after a point: half after a week at one a minute."""


class Surge:
    """CUSUM of the surprise of a value against a level.

    The residual (value less level) less what the residual before it foretells (its lag-1
    correlation) is the innovation. It is ranked among the last ``WINDOW`` innovations; its
    two-sided rank probability p gives the surprise ``-ln p`` (beyond the known extremes p
    follows a Pareto tail), whose sum above ``ALLOWANCE`` a point is the evidence, apart for
    high and for low values. For independent points of any distribution
    P(evidence > x) < exp(-0.94 x) (Lundberg's bound). Real series are not independent:
    evidence must also reach twice what it ever reached before in its direction (a memory that
    fades), so a series that always swings stays silent.

    A level that has changed for good is one surprise: once an alarm has told of it and the value
    stays where it is, the level begins anew there. Else a hundred innovations, while the level is
    on its way behind, would be as large as the first, and nothing smaller unusual among them for
    a day. It is remembered as if the level had been on its way, so that its likes stay silent.
    """

    __slots__ = (
        "agreement", "before", "grain", "high", "innovations", "last", "level", "low", "next",
        "peak_high", "peak_low", "points", "ranked", "start", "top_high", "top_low", "usual",
    )  # fmt: skip

    def __init__(self) -> None:
        self.level = 0.0  # the value expected
        self.usual = 0.0  # the level expected before the present run drew it along
        self.last = 0.0  # the value before
        self.grain = 0.0  # smallest step between two values that differ, 0 before there was one
        self.before = 0.0  # the residual before
        self.agreement = 0.0  # mean product of the signs of two residuals in a row, fading
        self.points = 0  # that went into it, at most WINDOW
        self.innovations = array("d")  # ring of WINDOW + LAG, in order of arrival
        self.start = 0  # index of the oldest in the ring
        self.ranked = array("d")  # all but the last LAG of them, sorted
        self.high = 0.0  # evidence that values are too high
        self.low = 0.0  # or too low: apart, for a high value drags the level up behind it
        self.top_high = 0.0  # largest evidence of the present run
        self.top_low = 0.0
        self.peak_high = 0.0  # of the runs before, fading: a known fall does not hide a rise
        self.peak_low = 0.0
        self.next = EVIDENCE  # evidence to be heard again

    def restart(self, value: float) -> None:
        """Begin with this level: after a gap, in which nobody knows what was, or a change."""
        self.level = self.last = value
        self.before = 0.0
        self._end_run()

    def update(self, value: float, warm: bool) -> float:
        """Take the next value; 0, or 0.5..1 when the evidence has (again) doubled."""
        if not self.top_high and not self.top_low:
            self.usual = self.level
        residual = value - self.level
        self.level += residual / SPAN
        step = abs(value - self.last)
        innovation = self._whiten(residual, step)
        self.last = value
        score = self._weigh(innovation) if warm else 0.0
        self._remember(innovation)
        if self.next > EVIDENCE and step * SPAN < abs(residual):  # told, and there to stay
            if residual > 0.0:
                self.top_high *= SPAN
            else:
                self.top_low *= SPAN
            self.restart(value)
        return score

    def _whiten(self, residual: float, step: float) -> float:
        """What is new in the residual, in whole grains.

        The correlation comes from signs (for normal noise it is sin(pi/2 * agreement)), so
        that a single spike cannot bend it. Without the grain, the rounding errors of a series
        that grows in a straight line would be ranked as if they meant something.
        """
        before, self.before = self.before, residual
        points = self.points
        if points < WINDOW:
            self.points = points = points + 1
        sign = copysign(1.0, residual * before) if residual and before else 0.0
        agreement = self.agreement
        self.agreement += (sign - agreement) / points
        if agreement > 0.0:
            residual -= sin(HALF_PI * agreement) * before
        grain = self.grain
        if step and (step < grain or not grain):
            self.grain = grain = step
        if grain:
            grains = GRAINS * residual / grain
            if -EXACT < grains < EXACT:
                residual = round(grains) * grain / GRAINS
        return residual

    def _weigh(self, innovation: float) -> float:
        surprise, high = self._surprise(innovation)
        self.peak_high *= FADE
        self.peak_low *= FADE
        up, down = self.high - ALLOWANCE, self.low - ALLOWANCE
        if high:
            up += surprise
        else:
            down += surprise
        self.high = up = max(0.0, up)
        self.low = down = max(0.0, down)
        evidence, known = (up, self.peak_high) if up > down else (down, self.peak_low)
        top = max(self.top_high, self.top_low)
        self.top_high = max(self.top_high, up)
        self.top_low = max(self.top_low, down)
        if evidence <= top:
            if evidence == 0.0 < top:
                self._end_run()
            return 0.0
        if evidence < self.next or (evidence < 2.0 * known and known < KNOWN_STEP):
            return 0.0
        self.next = 2.0 * evidence
        if evidence < 2.0 * known:  # not told again, yet its level too begins anew where it stays
            return 0.0
        return evidence / (evidence + EVIDENCE)

    def _end_run(self) -> None:
        self.peak_high = max(self.peak_high, self.top_high)
        self.peak_low = max(self.peak_low, self.top_low)
        self.high = self.low = self.top_high = self.top_low = 0.0
        self.next = EVIDENCE

    def _surprise(self, innovation: float) -> tuple[float, bool]:
        """-ln of the two-sided probability of the innovation, and whether it is a high one."""
        ranked = self.ranked
        size = len(ranked)
        after = at = bisect_left(ranked, innovation)
        if at < size and ranked[at] == innovation:
            after = bisect_right(ranked, innovation, at)
        low = 0.5 * (at + after)
        high = size - low
        above = high < low
        rank = high if above else low
        surprise = log((size + 1.0) / (2.0 * rank + 1.0))
        if rank < 1.0 and size >= 2 * TAIL:
            surprise += self._beyond(innovation, above)
        return surprise, above

    def _beyond(self, innovation: float, high: bool) -> float:
        """-ln of the probability that a value past the extreme lies this far past it."""
        ranked = self.ranked
        centre = ranked[len(ranked) // 2]
        tail = [v - centre for v in ranked[-TAIL:]] if high else [centre - v for v in ranked[:TAIL]]
        least, most, distance = min(tail), max(tail), abs(innovation - centre)
        if least <= 0.0 or distance <= most:
            return 0.0
        index = max(sum(log(v / least) for v in tail) / (TAIL - 1), THINNEST)
        return min(log(distance / most) / index, CEILING)

    def _remember(self, innovation: float) -> None:
        """Rank the innovation of LAG points ago, and drop the one WINDOW before it."""
        ring, ranked = self.innovations, self.ranked
        if len(ring) < WINDOW + LAG:
            ring.append(innovation)
            if len(ring) > LAG:
                insort(ranked, ring[-1 - LAG])
            return
        at = self.start
        del ranked[bisect_left(ranked, ring[at])]
        ring[at] = innovation
        insort(ranked, ring[at - LAG])  # a negative index counts from the ring's end
        self.start = at + 1 if at + 1 < WINDOW + LAG else 0
