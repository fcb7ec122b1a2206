"""How far the last hour is from the usual: its level, spread, roughness and slope."""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from dataclasses import dataclass
from math import inf, sqrt
from operator import mul

import numpy as np
import numpy.typing as npt

from reader.detection.ranks import above, nearest, rows, surprise

WINDOW = 60
"""Points of which the present is made: an hour at one a minute."""

STRIDE = 12
"""Points from one look at the window to the next."""

BRIEF = 12
"""Points whose median is compared besides: what lasts for ten is too short to move an hour, and
single spikes, of which a latency always has some, do not move a median."""

GLANCE = 4
"""Points from one look at that median to the next, a divisor of ``STRIDE``: ten points lie whole,
or all but one, in some look's twelve."""

SAMPLE = 36
"""Points from one remembered window to the next: a multiple of ``STRIDE``. Until ``LEAST`` could be
known so, every look's window is remembered, and counts as ``STRIDE / SAMPLE`` of one, for it holds
most of what the one before it holds."""
EVERY = SAMPLE // STRIDE

LAG = 144
"""Points after which a window may be remembered: what goes on now is not compared with itself."""

KEPT = 384
"""Windows remembered. When full, every second one of the older half goes: yesterday is known
closely, and last week still."""

LEAST = 64
"""Remembered windows before anything is called unusual: 1.6 days at one a minute, three hours at
one in five seconds. With fewer, what a tenth of them exceeds stands on a handful. Ranked by how
unusual they are, points are before that too, but the less the fewer windows are known."""

FEWEST = 16
"""Windows, one at each look, before even that: an hour to look at, three that came before."""

FROZEN = 7.0
"""Surprise, in nats (a chance of 1 in 1,100), from which a window is no example of the usual."""

ACCEPTED = 1440
"""Points after which a departure that goes on is learnt all the same: the series is like that now.
Unless somebody tells of it and holds it: then it is learnt once it is accepted."""

SURE = 11.0
"""Surprise from which a departure is an alarm by itself: in 500 healthy device-weeks the largest
was 9.4, but where data was moved away."""

KNOWN = 3.0
"""Surprise that need not be seen where the last few points were told of before, in the same
direction within ``RECALLED``: trouble that came once is more than exp(3) = 20 times as likely to
come as trouble that never did (one in some 1,000 disk-days, against one in 50 at the least)."""

RECALLED = 7 * 1440
"""Points for which trouble is known: a week at one a minute."""

AGAIN = 1.5
"""Times the surprise told of before at which a departure is heard again while it lasts."""

LEAST_CHANGE = 0.25
"""Of the usual spread, and of the logs of level, spread and roughness: where the past is as even
as a straight line, its own width is no measure, and less than this is nobody's concern."""

LEAST_APART = 0.1
"""Of the usual widths of level, spread and roughness, added up: closer is no distance."""

STOPPED = WINDOW // 6
"""Points of a window at a limit from which less movement than usual is no surprise."""

CLIMB, LEAST_CLIMB = 12, 4
"""Points, most and least, from which a rate is told."""

FEATURES = ("level", "spread", "roughness", "slope")
MOVES = ("spread", "roughness")
WIDTH = len(FEATURES) + 1  # of a remembered window: its features, and the median of its last BRIEF
WAITING = WIDTH + 2  # of one not yet remembered: its surprise, and how far apart it was, besides
_TINY = 1e-9
Matrix = npt.NDArray[np.float64]
Ruler = tuple[Matrix, Matrix]
_CENTRED = [i - (WINDOW - 1) / 2 for i in range(WINDOW)]
_SQUARES = sum(map(mul, _CENTRED, _CENTRED))


@dataclass(frozen=True, slots=True)
class Found:
    """What is unusual about the last window, in the metric's unit.

    :ivar feature: one of ``FEATURES``.
    :ivar size: of the feature now; of a slope, the change over the window.
    :ivar low: a tenth of the remembered windows lie below, and as many above ``high``.
    :ivar seconds: the window's length.
    :ivar value: of the level: the window's mean; else the last value.
    :ivar expected: of level and slope, where the value would be; None for spread and roughness.
    :ivar grew: of spread and roughness, whether there is more of it than usual.
    """

    feature: str
    size: float
    low: float
    high: float
    seconds: float
    value: float
    expected: float | None
    grew: bool | None = None


class Departure:
    """The surprise, in nats, of the last ``WINDOW`` points against the remembered windows.

    Each feature of the window is ranked among those of the remembered ones: the two-sided rank
    probability p of any distribution gives ``-ln p``, and a value beyond all of them more, by its
    distance in units of their middle four fifths. The largest of the features counts.

    Only what is not under alarm is remembered, so that a departure is as surprising after hours as
    at first, and the same one as surprising the second time.
    """

    __slots__ = (
        "_ranked", "_ruler", "_together", "alarm", "apart", "brief", "brief_alarm", "brief_sure",
        "early", "feature", "grain", "high", "highest", "kept", "last", "lasting", "look", "lowest",
        "nats", "pending", "points", "recent", "since", "spacing", "steps", "sure", "told_feature",
        "told_high", "told_low",
    )  # fmt: skip
    DERIVED = ("_ranked", "_ruler", "_together")

    def __init__(self) -> None:
        self.points = 0
        self.last = 0.0  # the value before
        self.grain = 0.0  # smallest step between two values that differ, 0 before there was one
        self.lowest, self.highest = inf, -inf  # values so far
        self.recent = array("d")  # the last WINDOW values
        self.steps = array("d")  # and the sizes of their steps
        self.kept = array("d")  # features of remembered windows, oldest first, one after the other
        self.pending = array("d")  # rows of WAITING, of windows not yet remembered
        self.early = array("d")  # features of all windows, usual or not, until LEAST are known
        self.spacing = STRIDE  # points from one remembered window to the next; SAMPLE from then on
        self.since = 0  # points of the present departure
        self.nats = 0.0  # surprise of the last look
        self.look = array("d")  # features of the last look
        self.apart = array("d")  # distances from the nearest that the last LEAST remembered had
        self.alarm = 0.0  # 0.5..1 at the point where it is sure, or has grown
        self.sure = SURE  # surprise to be an alarm again
        self.brief = 0.0  # largest surprise of the last BRIEF points since a window was sampled
        self.brief_alarm = 0.0  # 0.5..1 where those points are surely not as usual
        self.brief_sure = 0.0  # surprise to be such an alarm again; 0 for what is enough at first
        self.told_high = self.told_low = -RECALLED  # point at which such an alarm was last raised
        self.lasting = 0.0  # and without the farthest reading: what alarms go by
        self.feature = 0  # index of the feature that gave the surprise
        self.told_feature = 0  # and of that without the farthest reading
        self.high = False  # whether there is more of it than usual
        self._ranked: list[array[float]] | None = None
        self._ruler: Ruler | None = None
        self._together: float | None = None

    def update(self, value: float) -> float:
        """Take the next value; the surprise of the window that ends with it, in nats."""
        self.points = points = self.points + 1
        recent, steps = self.recent, self.steps
        recent.append(value)
        steps.append(abs(value - self.last) if len(recent) > 1 else 0.0)
        self.last = value
        if len(recent) > WINDOW:
            recent.pop(0)
            steps.pop(0)
        self.alarm = self.brief_alarm = 0.0
        if points % GLANCE or len(recent) < WINDOW:
            return self.nats
        self._glance()
        if points % STRIDE:
            return self.nats
        self._extremes()
        features = self._features()
        seen = self._surprise(features)
        self.nats, self.feature, self.high = seen
        nats = self.nats
        if nats >= FROZEN:
            seen = self._surprise(self._less_the_farthest(features))
        self.lasting, self.told_feature, _ = seen
        self._tell()
        self.look, self._together = array("d", (*features, 0.0)), None
        if points % self.spacing == 0:
            worst = 0.0 if self.since > self._accepted else max(nats, self.brief)
            self.pending.extend((*features, self.middle, worst, self._apart()))
            self.brief = 0.0
            if len(self.pending) > (LAG // self.spacing) * WAITING:
                self._remember()
        return nats

    @property
    def known(self) -> float:
        """How much is known of what is needed for an alarm, in 0..1."""
        return min(1.0, len(self.kept) / WIDTH * self.spacing / (LEAST * SAMPLE))

    @property
    def unusual(self) -> float:
        """The surprise, in nats, for ranking: of the features each by itself and together; the less
        the fewer windows are known."""
        if self._together is None:
            self._together = self._compare()
        return (self.nats + self._together) * self.known

    @property
    def _accepted(self) -> float:
        """Points after which what goes on is learnt: when it has lasted as long as all before."""
        return ACCEPTED if self.is_sure else min(ACCEPTED, self.known * LEAST * SAMPLE)

    @property
    def is_sure(self) -> bool:
        """Whether ``LEAST`` windows, one at each ``SAMPLE``, could be known."""
        return self.spacing == SAMPLE

    def _tell(self) -> None:
        if self.nats < FROZEN:
            self.since, self.sure = 0, SURE
            return
        self.since += STRIDE
        if not self.is_sure:
            return
        nats = self.lasting
        if nats >= self.sure:
            self.sure = AGAIN * nats
            self.alarm = nats / (nats + SURE)

    def _extremes(self) -> None:
        """Take the points since the last look; apart from ``update`` for speed."""
        fresh, steps = self.recent[-STRIDE:], [step for step in self.steps[-STRIDE:] if step]
        self.lowest, self.highest = min(self.lowest, *fresh), max(self.highest, *fresh)
        grain = min(self.grain or inf, *steps) if steps else self.grain
        if grain != self.grain:
            self.grain, self._ruler = grain, None

    @property
    def middle(self) -> float:
        """The median of the last ``BRIEF`` points."""
        last = sorted(self.recent[-BRIEF:])
        return (last[BRIEF // 2 - 1] + last[BRIEF // 2]) / 2

    def _glance(self) -> None:
        """Whether the last few points are surely not as usual, though the last hour may be."""
        if not self.is_sure:
            return
        ranked, middle = self._sorted()[-1], self.middle
        nats = self._surprise_of_level(ranked, middle)
        self.brief = max(self.brief, nats)
        if nats < FROZEN:
            self.brief_sure = 0.0
            return
        high = middle > ranked[len(ranked) // 2]
        told = self.told_high if high else self.told_low
        bar = SURE - KNOWN if self.points - told < RECALLED else SURE
        if nats >= max(bar, self.brief_sure) and self.since <= ACCEPTED:
            self.brief_sure = AGAIN * nats
            self.brief_alarm = nats / (nats + bar)
            self.tell(high)

    def is_away(self, *, high: bool) -> bool:
        """Whether the last few points are still as surely unusual as what is told again."""
        ranked = self._sorted()[-1]
        if not ranked or len(self.recent) < BRIEF:
            return False
        middle = self.middle
        if (middle > ranked[len(ranked) // 2]) != high:
            return False
        return self._surprise_of_level(ranked, middle) >= SURE - KNOWN

    def tell(self, high: bool) -> None:
        """Somebody is told that values are too high, or too low."""
        if high:
            self.told_high = self.points
        else:
            self.told_low = self.points

    def restart(self) -> None:
        """After a gap: a window does not reach over it."""
        del self.recent[:], self.steps[:], self.look[:]
        self.nats, self.lasting, self._together = 0.0, 0.0, None
        self._tell()

    def hold(self) -> None:
        """What goes on is told of: it is not learnt yet, unless it was accepted."""
        if self.since <= ACCEPTED:
            self.since = min(self.since, ACCEPTED - STRIDE)

    def accept(self) -> None:
        """What goes on is the new usual from now on: it is learnt, and no alarm meanwhile."""
        self.since = ACCEPTED + STRIDE

    @property
    def certainty(self) -> float:
        """0 while the last hour is as usual; from 0.5 on it is no chance that it is not, and not
        learnt yet."""
        if self.lasting < FROZEN or not self.is_sure:
            return 0.0
        nats = FROZEN if self.since > ACCEPTED else self.lasting
        return nats / (nats + SURE)

    def _features(self) -> tuple[float, float, float, float]:
        recent = self.recent
        level = sum(recent) / WINDOW
        apart = [value - level for value in recent]
        spread = sqrt(sum(map(mul, apart, apart)) / WINDOW)
        roughness = sum(self.steps) / WINDOW
        slope = sum(map(mul, apart, _CENTRED)) / _SQUARES
        return level, spread, roughness, slope

    def _less_the_farthest(self, features: tuple[float, ...]) -> tuple[float, ...]:
        """The same with the one reading that is farthest from the median put there: no level and
        no slope of an hour hangs on one slow answer. What it is itself, a surge says."""
        level, spread, roughness, slope = features
        recent = self.recent
        middle = sorted(recent)[WINDOW // 2]
        far = max(range(WINDOW), key=lambda number: abs(recent[number] - middle))
        less = recent[far] - middle
        return level - less / WINDOW, spread, roughness, slope - less * _CENTRED[far] / _SQUARES

    def _surprise(self, features: tuple[float, ...]) -> tuple[float, int, bool]:
        """In nats; the feature that gave it, and whether there is more of it than usual."""
        every, most, feature, high = self._sorted(), 0.0, self.feature, self.high
        size = len(every[0])
        if size < FEWEST:
            return most, feature, high
        weight, within = self.spacing / SAMPLE, self._within
        for number, (name, value) in enumerate(zip(FEATURES, features, strict=True)):
            ranked = every[number]
            if name == "level":
                nats = self._surprise_of_level(ranked, value)
            elif name == "slope":
                nats = surprise(ranked, value, self._least_change() / WINDOW, weight)
            else:
                nats = surprise(ranked, value, LEAST_CHANGE, weight, within)
            if nats <= most:
                continue
            twice = 2 * bisect_left(ranked, value)
            if not (name in MOVES and twice < size and self._is_at_a_stop()):
                most, feature, high = nats, number, twice > size
        return most, feature, high

    def _surprise_of_level(self, ranked: array[float], value: float) -> float:
        """Towards zero, where nothing was ever negative, there is no room for distances: a fall to
        nothing is one of all factors. So below everything known they are taken of logarithms too,
        with the least change added: within it nothing happens."""
        weight = self.spacing / SAMPLE
        if ranked[0] < value <= ranked[-1]:  # mostly: its rank is all
            return surprise(ranked, value, 0.0, weight)
        least = self._least_change()
        nats = surprise(ranked, value, least, weight)
        if value >= ranked[0] or min(value, self.lowest) < 0.0:
            return nats
        return max(nats, surprise(ranked, value, LEAST_CHANGE, weight, least))

    def _least_change(self) -> float:
        """Of a level, what is of no concern."""
        spreads = self._sorted()[1]
        return LEAST_CHANGE * (spreads[len(spreads) // 2] + self._within)

    @property
    def _within(self) -> float:
        """A sensor of whole degrees says nothing of what happens within one."""
        return 0.25 * self.grain + _TINY

    def _compare(self) -> float:
        """How surprising level, spread and roughness are together, each of which may be usual by
        itself, in nats: only where somebody asks, for it takes as long as all else."""
        if not self.look or len(self.kept) < FEWEST * WIDTH:
            return 0.0
        return above(sorted(self.apart), self._apart(), LEAST_APART, self.spacing / SAMPLE)

    def _apart(self) -> float:
        """Distance of the last look's window from the nearest that is remembered; 0 without any."""
        if not self.kept:
            return 0.0
        known, weights = self._ruler or self._rule()
        return nearest(known, self._comparable(self.look), weights)

    def _rule(self) -> Ruler:
        """What is remembered, and what each feature's difference weighs."""
        known, every = self._comparable(self.kept), self._sorted()
        ends = array("d", [each[len(each) * tenth // 10] for tenth in (1, 9) for each in every])
        low, high = self._comparable(ends).T.tolist()
        least = self._least_change(), LEAST_CHANGE, LEAST_CHANGE
        weights = [1.0 / max(b - a, c) for a, b, c in zip(low, high, least, strict=True)]
        self._ruler = ruler = known, np.array(weights)
        return ruler

    def _comparable(self, remembered: array[float]) -> Matrix:
        """A row of levels, and rows of the logarithms of spreads and roughnesses."""
        found = np.frombuffer(remembered).reshape(-1, WIDTH)[:, :3].T.copy()
        logs = found[1:]
        logs += self._within
        np.log(logs, out=logs)
        return found

    def _is_at_a_stop(self) -> bool:
        """Whether much of the window stands at the lowest or highest value so far: idle, full or
        clamped, it cannot move as usual."""
        recent = self.recent
        return max(recent.count(self.lowest), recent.count(self.highest)) >= STOPPED

    def climb(self, points: int) -> float | None:
        """Change from one point to the next over the last few, where it is plain; else None."""
        last = self.recent[-min(points, CLIMB) :]
        size = len(last)
        if size < LEAST_CLIMB:
            return None
        mean, middle = sum(last) / size, (size - 1) / 2
        slope = sum((n - middle) * v for n, v in enumerate(last)) / (size * (size**2 - 1) / 12)
        apart = max(abs(v - mean - slope * (n - middle)) for n, v in enumerate(last))
        return slope if apart < 0.2 * abs(slope) * size else None

    def returns(self, level: float, value: float) -> bool:
        """Whether the level lies beyond all that are remembered, and the value does not."""
        levels, spreads, *_ = self._sorted()
        if not self.is_sure:
            return False
        spread = spreads[len(spreads) // 2] + self._within
        low, high = levels[0], levels[-1]
        beyond = max(level - high, low - level) > spread
        return beyond and low - 2 * spread <= value <= high + 2 * spread

    def found(self, step: float) -> Found:
        """What the last window has that the remembered ones have not.

        :param step: seconds from one point to the next.
        """
        features, ranked = self._features(), self._sorted()[self.told_feature]
        now, size = features[self.told_feature], len(ranked)
        low = middle = high = now
        if size:
            low, middle, high = (ranked[size * tenth // 10] for tenth in (1, 5, 9))
        name, value, expected, grew = FEATURES[self.told_feature], self.last, None, None
        if name == "level":
            value, expected = now, middle
        elif name == "slope":
            now, low, high = now * WINDOW, low * WINDOW, high * WINDOW
            expected = value - now
        else:
            grew = now > middle
        return Found(name, now, low, high, WINDOW * step, value, expected, grew)

    def found_lately(self, step: float) -> Found:
        """What the last few points have that the remembered ones have not, as ``found`` does."""
        ranked, now = self._sorted()[-1], self.middle
        low, middle, high = (ranked[len(ranked) * tenth // 10] for tenth in (1, 5, 9))
        return Found("middle", now, low, high, BRIEF * step, now, middle)

    def _sorted(self) -> list[array[float]]:
        if self._ranked is None:
            self._ranked = [array("d", sorted(self.kept[n::WIDTH])) for n in range(WIDTH)]
        return self._ranked

    def _remember(self) -> None:
        """The oldest of the windows that wait, unless it or what overlaps it was under alarm."""
        pending = self.pending
        oldest, surprises, apart = pending[:WIDTH], pending[WIDTH::WAITING], pending[WIDTH + 1]
        del pending[:WAITING]
        self._ruler = None
        overlapping = surprises[: WINDOW // self.spacing + 2]
        if max(overlapping) < FROZEN:
            for ranked, value in zip(self._sorted(), oldest, strict=True):
                insort(ranked, value)
            self.kept.extend(oldest)
            self.apart.append(apart)
            del self.apart[:-LEAST]
        if self.spacing < SAMPLE:
            self.early.extend(oldest)
            if len(self.early) >= (LEAST * EVERY - 1) * WIDTH:
                self._grow_up()
        elif len(self.kept) >= KEPT * WIDTH:
            self._thin()

    def _grow_up(self) -> None:
        """Every third window from now on. What seemed unusual so far did so beside little: all are
        remembered."""
        self.kept = rows(self.early, WIDTH, range(1, len(self.early) // WIDTH, EVERY))
        waiting = len(self.pending) // WAITING
        first = (waiting - 1 - self.points % SAMPLE // STRIDE) % EVERY
        self.pending = rows(self.pending, WAITING, range(first, waiting, EVERY))
        for number in range(WIDTH, len(self.pending), WAITING):
            self.pending[number] = 0.0
        self.early, self.since, self.spacing, self._ranked = array("d"), 0, SAMPLE, None

    def _thin(self) -> None:
        half = KEPT // 2
        older = rows(self.kept, WIDTH, range(0, half, 2))
        self.kept, self._ranked = older + self.kept[half * WIDTH :], None
