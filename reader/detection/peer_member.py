"""One device of a group of peers: its usual ratio to them, and whether it stands out. Pure.

A run of readings beyond the usual is summed up (a CUSUM). What was learnt of a device since the run
began that it is named for is taken back, so that no fault is an example of the usual, however
little is known of the device. It is named until the ratio is back, by as much evidence.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import exp, log
from statistics import median

from reader.detection.story import SETTLES, WORSE
from reader.detection.window import BRIEF

CLIP = 2.6
"""Most that one reading may say, in allowances (of 1.3: twice the usual): one very slow answer is a
spike, not a slow disk."""

EVIDENCE = 25.0
"""Nats at which chance is ruled out, as for surges in ``reader.detection``."""

LEAST_RUN = 10
"""Readings that a run lasts at least; a device with fewer before it has no past to be taken for
well by."""

LEAST_BACK, MOST_BACK = 5, 60
"""Readings for which the ratio is back at least: a pause of a few is none. And twice as long as it
was at most and then slow again, up to ``MOST_BACK``: a disk that comes and goes is ill in between,
and the readings of one minute are no witnesses beside those of the last."""

PRIOR, PRIOR_SPREAD = 120, 30
"""Readings that weigh as much as the belief that a new device is like its peers, and as what is
believed of its spread and of its load, which are sooner known."""

KNOWN = 720
"""Readings after which a device is known: its usual is not moved by what it is named for."""

STILL = 0.5
"""Of the allowance, while a device is named: a ratio that hovers about the allowance does not end
it, one that is back does."""

MEMORY = 7 * 1440
"""Readings over which a device's usual ratio is learnt: a week at one a minute."""

SPREAD = 0.3
"""Standard deviation of a reading's log ratio that is believed before it is known."""


@dataclass(slots=True)
class Member:
    """The state of one device; all ratios are logarithms.

    :ivar allowance: beyond the usual; negative where less is worse.
    :ivar usual: its ratio in the long run.
    :ivar square: of a reading's distance from that.
    :ivar busier: its load beside theirs in the long run, 0 where it is less.
    :ivar before: readings, usual and square as they were when the run began.
    :ivar run: sum of what readings had beyond usual and allowance the bad way, never below 0.
    :ivar total: of the readings since ``since``, of which there were ``count``, and ``squares`` of
        their squares.
    :ivar since: time of the first reading of the run, or of what it was last named for.
    :ivar slow: it is named at present.
    :ivar back: sum of what readings were on the well side, never below 0, while it is named, with
        what ``back_count`` of them have added to ``total`` and ``squares``.
    :ivar dip: most readings for which it seemed to be back, and was slow again soon.
    :ivar well: readings since it was last named, 0 where it never was.
    :ivar age: readings since it was named.
    :ivar reached: largest ratio lately, the bad way, while that settled.
    :ivar recent: time and ratio of the last readings, while it is named.
    :ivar worse_than: since when it was less bad, and its mean ratio then; empty where it was not.
    """

    allowance: float
    readings: int = 0
    usual: float = 0.0
    square: float = SPREAD**2
    busier: float = 0.0
    before: list[float] = field(default_factory=lambda: [0.0, 0.0, SPREAD**2])
    run: float = 0.0
    total: float = 0.0
    squares: float = 0.0
    count: int = 0
    since: float = 0.0
    slow: bool = False
    back: float = 0.0
    back_count: int = 0
    back_total: float = 0.0
    back_squares: float = 0.0
    dip: int = 0
    well: int = 0
    age: int = 0
    reached: float = 0.0
    recent: list[list[float]] = field(default_factory=list)
    worse_than: list[float] = field(default_factory=list)

    @property
    def limit(self) -> float:
        """Chance brings a run to x with probability exp(-2 x allowance / variance) at most.

        A run is judged by the variance that was known when it began.
        """
        return EVIDENCE * self.before[2] / (2.0 * abs(self.allowance))

    @property
    def ratio(self) -> float:
        """The geometric mean since ``since``, not as a logarithm."""
        return exp(self.total / self.count)

    @property
    def is_suspect(self) -> bool:
        """Whether half of what would name it is there."""
        return self.run >= 0.5 * self.limit

    @property
    def _is_new(self) -> bool:
        """Whether nothing says that it was well before its run: it may always have been so."""
        readings, usual, _ = self.before
        if readings < LEAST_RUN:
            return True
        mean = usual * (readings + PRIOR) / readings  # without the prior belief
        return readings < PRIOR and self._badly(mean) > STILL * abs(self.allowance)

    def take(self, timestamp: float, ratio: float, busier: float = 0.0) -> None:
        """Take one reading.

        :param timestamp: seconds since the epoch.
        :param busier: by how much its load is above the others' now, which explains as much of the
            ratio as it is more than usual.
        """
        if self.run == 0.0 and not self.slow:
            self.before = [self.readings, self.usual, self.square]
            self.total, self.squares, self.count, self.since = 0.0, 0.0, 0, timestamp
        self.total += ratio
        self.squares += ratio * ratio
        self.count += 1
        beyond = self._clipped(ratio - self.usual)
        allowed = abs(self.allowance) * (STILL if self.slow else 1.0)
        explained = max(0.0, busier - self.busier)
        unexplained = self._clipped(ratio - self.usual - explained)
        summed = self.run + self._badly(unexplained) - allowed
        self.run = max(0.0, min(summed, 1.5 * self.limit))
        if not self.slow:
            self.well += self.well > 0
            self._learn(beyond)
            weight = 1.0 / min(self.readings + PRIOR_SPREAD, MEMORY)
            self.busier += weight * (busier - self.busier)
            self.square += weight * (beyond * beyond - self.square)
            if self.run >= self.limit and self.count >= LEAST_RUN:
                self._begin()
            return
        if self._is_new and self.readings < KNOWN:
            self._learn(beyond)
        self._look_for_worse(timestamp, ratio)
        if self._is_back(ratio, explained):
            self._end()

    def _badly(self, ratio: float) -> float:
        return ratio if self.allowance > 0.0 else -ratio

    def _clipped(self, ratio: float) -> float:
        most = CLIP * abs(self.allowance)
        return max(-most, min(most, ratio))

    def _learn(self, beyond: float) -> None:
        self.readings += 1
        self.usual += beyond / min(self.readings + PRIOR, MEMORY)

    def _begin(self) -> None:
        soon = self.well - self.count < MOST_BACK
        self.dip = max(self.dip, self.back_count) if soon else 0
        self.slow = True
        self._forget_back()
        self.age, self.reached, self.recent, self.worse_than = 0, 0.0, [], []
        if not self._is_new:
            readings, self.usual, self.square = self.before
            self.readings = int(readings)

    def _end(self) -> None:
        self.well = 1 if self.slow else self.well
        self.run, self.slow = 0.0, False

    def _is_back(self, ratio: float, explained: float) -> bool:
        """Whether the last readings are none of a slow device.

        They are nearer to the usual than half the way, and chance brings a device that is as slow
        as it was, with readings as scattered as they were, there once in e^``EVIDENCE``; or what
        named it has gone.
        """
        count = self.count - self.back_count - 1
        level = (self.total - self.back_total - ratio) / count
        way = self._badly(level - self.usual)
        border = min(0.5 * way, abs(self.allowance))
        self.back += self._clipped(border - self._badly(ratio - explained - self.usual))
        if self.back <= 0.0 or way <= 0.0:
            self.dip = max(self.dip, self.back_count)
            self._forget_back()
            return False
        squares = (self.squares - self.back_squares - ratio * ratio) / count
        self.back_count += 1
        self.back_total += ratio
        self.back_squares += ratio * ratio
        enough = EVIDENCE * (squares - level * level) / (2.0 * (way - border))
        plain = self.back >= enough or not self.is_suspect
        patience = min(max(LEAST_BACK, 2 * self.dip), MOST_BACK)
        return plain and self.back_count >= patience

    def _forget_back(self) -> None:
        self.back, self.back_count, self.back_total, self.back_squares = 0.0, 0, 0.0, 0.0

    def _look_for_worse(self, timestamp: float, ratio: float) -> None:
        """Name it anew where its ratio lately is ``WORSE`` times what it was named for, as is told
        of a single series."""
        self.age += 1
        self.recent = [*self.recent[1 - BRIEF :], [timestamp, ratio]]
        if len(self.recent) < BRIEF:
            return
        lately = self._badly(median(each for _, each in self.recent))
        if self.age <= SETTLES:
            self.reached = max(self.reached, lately)
            return
        if lately < self.reached + log(WORSE):
            return
        newest = [each for _, each in self.recent[BRIEF // 2 :]]
        earlier = (self.total - sum(newest)) / (self.count - len(newest))
        self.worse_than = [self.since, exp(earlier)]
        self.since, self.count = self.recent[BRIEF // 2][0], len(newest)
        self.total, self.squares = sum(newest), sum(each * each for each in newest)
        self._forget_back()
        self.age, self.reached = 0, lately

    def excuse(self) -> None:
        """Drop the run: the whole group has changed. A new device keeps its ratio as its usual.

        What was named long before the group changed stays named.
        """
        if self.slow and (self.count > PRIOR or self.worse_than):
            return
        if self._is_new and self.count:
            self.usual = self.total / self.count
        self._end()
