"""A run of surprises: level shifts, spikes, drops, changed variance, changed slope."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from math import log, pi, sin, sqrt

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

MOST = 1000.0
"""Most evidence of a run: what was accepted as the usual need not be worked off for days."""

BEYOND = 2.0
"""Times the largest residual that should have been, from the largest innovation known, as twice is
the measure for a run's length and evidence too. At 1.5 a fleet that is just being learnt brings
false alarms."""

HALF_PI = pi / 2
EXACT = 1e15  # beyond, a double has no room for fractions

ACCEPTED = 1440
"""Points after which a run that goes on is learnt all the same: the series is like that now."""

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
    evidence must also reach twice what it ever reached before in its direction without an alarm (a
    memory that fades), so a series that always swings a little stays silent.

    What an alarm has told of is no example of the usual: its innovations are not ranked among, and
    its evidence is no measure, so the same again is an alarm again. News is something else:
    ``update`` scores only what has no precedent, told or not.

    A level that has changed for good is one surprise: once an alarm has told of it and the value
    stays where it is, the level begins anew there, as if the level had been on its way.
    """

    DERIVED = ("ranked",)
    __slots__ = (
        "age", "agreement", "alarm", "before", "grain", "high", "innovations", "last", "level",
        "low", "next", "peak_high", "peak_low", "pending", "points", "ranked", "run", "start",
        "told_high", "told_low", "top_high", "top_low", "usual",
    )  # fmt: skip

    def __init__(self) -> None:
        self.level = 0.0  # the value expected
        self.usual = 0.0  # the level expected before the present run drew it along
        self.last = 0.0  # the value before
        self.grain = 0.0  # smallest step between two values that differ, 0 before there was one
        self.before = 0.0  # the residual before
        self.agreement = 0.0  # mean product of the signs of two residuals in a row, fading
        self.points = 0  # that went into it, at most WINDOW
        self.pending = array("d")  # the last LAG innovations, not ranked among yet
        self.innovations = array("d")  # ring of the WINDOW before, in order of arrival
        self.start = 0  # index of the oldest in the ring
        self.ranked = array("d")  # the same, sorted
        self.high = 0.0  # evidence that values are too high
        self.low = 0.0  # or too low: apart, for a high value drags the level up behind it
        self.top_high = 0.0  # largest evidence of the present run
        self.top_low = 0.0
        self.run = 0  # points of the present run
        self.age = 0  # points by which the four below have yet to fade
        self.peak_high = 0.0  # of the runs before, fading: a known fall does not hide a rise
        self.peak_low = 0.0
        self.told_high = 0.0  # the same of those that were told of
        self.told_low = 0.0
        self.next = EVIDENCE  # evidence to be heard again
        self.alarm = 0.0  # 0.5..1 where the last point's evidence was heard, precedent or not

    def restart(self, value: float) -> None:
        """Begin with this level: after a gap, in which nobody knows what was, or a change."""
        self.level = self.last = value
        self.before = 0.0
        self._end_run()

    @property
    def evidence(self) -> float:
        """Of the present run, in nats, told or not; 0 where there is none."""
        return max(self.high, self.low)

    def accept(self) -> None:
        """What the present run brings is an example of the usual from now on."""
        self.run = ACCEPTED + 1

    def rebuild(self) -> None:
        """What follows from the rest of the state, once that is restored."""
        self.ranked = array("d", sorted(self.innovations))

    def update(self, value: float, warm: bool) -> float:
        """Take the next value; 0, or 0.5..1 when the evidence has (again) doubled and is new."""
        level = self.level
        if not self.top_high and not self.top_low:
            self.usual, self.run = level, 0
        self.run += 1
        residual = value - level
        self.level = level + residual / SPAN
        step = abs(value - self.last)
        innovation = self._whiten(residual, step)
        self.last = value
        score = self._weigh(innovation) if warm else 0.0
        told = self.next > EVIDENCE
        if self.alarm:  # what the run has brought so far is no example of the usual
            del self.pending[max(0, len(self.pending) - self.run) :]
        if not told or self.run > ACCEPTED:
            self._remember(innovation)
        if told and step * SPAN < abs(residual):  # and there to stay
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
        sign = 0.0
        if residual and before:
            sign = 1.0 if (residual > 0.0) == (before > 0.0) else -1.0
        agreement = self.agreement
        self.agreement = agreement + (sign - agreement) / points
        if agreement > 0.0:
            residual -= self._foretold(sin(HALF_PI * agreement), before)
        grain = self.grain
        if step and (step < grain or not grain):
            self.grain = grain = step
        if grain:
            grains = GRAINS * residual / grain
            if -EXACT < grains < EXACT:
                residual = round(grains) * grain / GRAINS
        return residual

    def _foretold(self, correlation: float, before: float) -> float:
        """What a residual foretells of the next: nothing where it is ``BEYOND`` all that are usual.

        The correlation was learnt from usual residuals. One that none of them came near is known
        neither to stay nor to go: believed, it would explain away all but the first point of a
        collapse.
        """
        ranked, foretold = self.ranked, correlation * before
        if len(ranked) < 2 * TAIL or correlation >= 1.0:
            return foretold
        largest = abs(ranked[-1] if before > 0.0 else ranked[0])
        if abs(before) <= BEYOND * largest:  # and so of any usual residual
            return foretold
        usual = largest / sqrt(1.0 - correlation * correlation)
        usual = max(usual, SPAN * self.grain)  # a straight line is so far ahead of its level
        return foretold if abs(before) <= BEYOND * usual else 0.0

    def _weigh(self, innovation: float) -> float:
        surprise, high = self._surprise(innovation)
        self.alarm = 0.0
        self.age += 1
        up, down = self.high - ALLOWANCE, self.low - ALLOWANCE
        if high:
            up += surprise
        else:
            down += surprise
        if up <= 0.0 and down <= 0.0:  # nineteen points in twenty of a healthy series
            self.high = self.low = 0.0
            if self.top_high or self.top_low:
                self._end_run()
            return 0.0
        self.high = up = min(max(up, 0.0), MOST)
        self.low = down = min(max(down, 0.0), MOST)
        evidence, known = max(up, down), max(self.top_high, self.top_low)
        self.top_high = max(self.top_high, up)
        self.top_low = max(self.top_low, down)
        if evidence <= known or evidence < self.next:
            return 0.0
        return self._tell(evidence, up > down)

    def _tell(self, evidence: float, high: bool) -> float:
        """The evidence has doubled since it was last heard, or is enough for the first time."""
        self._fade()
        usual, told = (self.peak_high, self.told_high) if high else (self.peak_low, self.told_low)
        if evidence < 2.0 * usual:
            return 0.0
        self.next = 2.0 * evidence
        self.alarm = evidence / (evidence + EVIDENCE)
        return self.alarm if evidence >= 2.0 * told else 0.0

    def _fade(self) -> None:
        kept = FADE**self.age
        self.age = 0
        self.peak_high *= kept
        self.peak_low *= kept
        self.told_high *= kept
        self.told_low *= kept

    def _end_run(self) -> None:
        self._fade()
        if self.next > EVIDENCE:
            self.told_high = max(self.told_high, self.top_high)
            self.told_low = max(self.told_low, self.top_low)
        else:
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
        pending = self.pending
        pending.append(innovation)
        if len(pending) <= LAG:
            return
        oldest = pending.pop(0)
        ring, ranked = self.innovations, self.ranked
        if len(ring) < WINDOW:
            ring.append(oldest)
        else:
            at = self.start
            del ranked[bisect_left(ranked, ring[at])]
            ring[at] = oldest
            self.start = at + 1 if at + 1 < WINDOW else 0
        ranked.insert(bisect_left(ranked, oldest), oldest)
