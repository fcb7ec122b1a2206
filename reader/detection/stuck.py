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
    share of points that repeat the one before. Zero, or a lowest or highest value that was there
    before, is a limit reached (idle, full, clamped), no stuck sensor; a new extreme may be one: a
    temperature that has been rising since anybody looked stands at its highest.

    A run that was told of is no example of the usual: the same again is an alarm again. The score
    is for what has no precedent, told or not.
    """

    __slots__ = (
        "alarm", "falls", "fell", "highest", "last", "longest", "lowest", "next", "points",
        "record", "repeats", "rises", "run", "stop", "top",
    )  # fmt: skip

    def __init__(self) -> None:
        self.last: float | None = None
        self.lowest, self.highest = inf, -inf  # values so far
        self.rises = self.falls = 0  # steps up, and steps down that no other one precedes
        self.fell = 0  # the last steps that were down, in a row
        self.top = 0.0  # the value before they began
        self.stop = True  # the present run is at a limit: zero, or an extreme that was there before
        self.run = 1  # length of the present run
        self.longest = 1  # of the runs before that nobody was told of
        self.record = 1  # of all runs before
        self.points = 0  # but for those of runs that were told of
        self.repeats = 0  # in the runs before that nobody was told of
        self.next = EVIDENCE  # evidence to be heard again
        self.alarm = 0.0  # 0.5..1 where it was heard, precedent or not

    @property
    def began_anew(self) -> bool:
        """Whether what hardly ever falls has just fallen by more than half: a counter's reset,
        which is never below 0. (A mean over the moment lies between: it falls twice in a row.)"""
        last = self.last
        if self.run != 1 or not 1 <= self.fell <= 2 or last is None:
            return False
        return 0.0 <= last <= self.top / 2 and self.counts

    @property
    def counts(self) -> bool:
        """Whether it rises and hardly ever falls. What falls every so often is a sawtooth: each
        fall needs more rises than the one before."""
        return self.rises >= COUNTER * (self.falls**2 or 1)

    def update(self, value: float, warm: bool) -> float:
        """Take the next value; 0, or 0.5..1 when the evidence has (again) doubled and is new."""
        self.points += 1
        self.alarm = 0.0
        if value != self.last:
            self._begin(value)
            return 0.0
        self.run += 1
        if not warm or self.stop:
            return 0.0
        share = (self.repeats + 1) / (self.points - self.run + 3)
        surprise = -log(share) if share < 1.0 else 0.0
        evidence = surprise * (self.run - 2 * self.longest)
        if evidence < self.next:
            return 0.0
        self.next = 2.0 * evidence
        self.alarm = evidence / (evidence + EVIDENCE)
        return self.alarm if surprise * (self.run - 2 * self.record) >= EVIDENCE else 0.0

    def accept(self) -> None:
        """So long a run is usual from now on."""
        self.longest = max(self.longest, self.run)

    def _begin(self, value: float) -> None:
        """The run is over; another value begins one."""
        last = self.last
        if last is not None:
            if value < last:
                if not self.fell:
                    self.falls, self.top = self.falls + 1, last
                self.fell += 1
            else:
                self.rises += 1
                self.fell = 0
        self.last = value
        self.stop = value in (0.0, self.lowest, self.highest) or last is None
        run = self.run
        if value < self.lowest:
            self.lowest = value
        if value > self.highest:
            self.highest = value
        if run > self.record:
            self.record = run
        if self.next > EVIDENCE:
            self.points -= run
        else:
            if run > self.longest:
                self.longest = run
            self.repeats += run - 1
        self.run = 1
        self.next = EVIDENCE
