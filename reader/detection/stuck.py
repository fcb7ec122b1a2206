"""A sensor that repeats itself."""

from __future__ import annotations

from math import inf, log

EVIDENCE = 23.0
"""Nats of surprise at which chance is ruled out: exp(-23) = 1e-10."""


COUNTER = 100
"""Rises without a fall from which a series is taken for a counter."""


class Stuck:
    """Surprise of a run of equal values, beyond twice the longest run before.

    Were repeats independent, a run of n more has probability ``rho**n``, ``rho`` being the
    share of points that repeat the one before. A run at the lowest or highest value so far is
    a limit reached (idle, full, clamped), not a stuck sensor.
    """

    __slots__ = (
        "falls",
        "fell",
        "highest",
        "last",
        "longest",
        "lowest",
        "next",
        "points",
        "repeats",
        "rises",
        "run",
    )

    def __init__(self) -> None:
        self.last: float | None = None
        self.lowest, self.highest = inf, -inf  # values so far
        self.rises = self.falls = 0  # steps up and down
        self.fell = False  # the last step was down
        self.run = 1  # length of the present run
        self.longest = 1  # of the runs before
        self.points = 0
        self.repeats = 0  # in the runs before
        self.next = EVIDENCE

    @property
    def began_anew(self) -> bool:
        """Whether what only ever rose has just fallen for the first time: a counter's reset."""
        return self.falls == 1 and self.run == 1 and self.rises >= COUNTER and self.fell

    def update(self, value: float, warm: bool) -> float:
        """Take the next value; 0, or 0.5..1 when the evidence has (again) doubled."""
        self.points += 1
        last = self.last
        if value != last:
            if last is not None:
                self.fell = value < last
                if value > last:
                    self.rises += 1
                else:
                    self.falls += 1
            self.last = value
            self.lowest = min(self.lowest, value)
            self.highest = max(self.highest, value)
            self.longest = max(self.longest, self.run)
            self.repeats += self.run - 1
            self.run = 1
            self.next = EVIDENCE
            return 0.0
        self.run += 1
        if not warm or not self.lowest < value < self.highest:
            return 0.0
        share = (self.repeats + 1) / (self.points - self.run + 3)
        evidence = -(self.run - 2 * self.longest) * log(share) if share < 1.0 else 0.0
        if evidence < self.next:
            return 0.0
        self.next = 2.0 * evidence
        return evidence / (evidence + EVIDENCE)
