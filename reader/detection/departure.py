"""How far the last hour is from the usual: its level, spread, roughness and slope."""

from __future__ import annotations

from array import array
from bisect import bisect_left

from reader.detection.found import Found, of_the_last_few, of_window
from reader.detection.ranks import surprise
from reader.detection.remembered import (
    FEWEST,
    FROZEN,
    LEAST,
    LEAST_CHANGE,
    SAMPLE,
    Remembered,
)
from reader.detection.window import BRIEF, FEATURES, STRIDE, WINDOW, Window

GLANCE = 4
"""Points from one look at that median to the next, a divisor of ``STRIDE``: ten points lie whole,
or all but one, in some look's twelve."""

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

MOVES = ("spread", "roughness")


class Departure:
    """The surprise, in nats, of the last ``WINDOW`` points against the remembered windows.

    Each feature of the window is ranked among those of the remembered ones: the two-sided rank
    probability p of any distribution gives ``-ln p``, and a value beyond all of them more, by its
    distance in units of their middle four fifths. The largest of the features counts.

    Only what is not under alarm is remembered, so that a departure is as surprising after hours as
    at first, and the same one as surprising the second time.
    """

    __slots__ = (
        "_together", "alarm", "brief", "brief_alarm", "brief_sure", "feature", "high", "lasting",
        "look", "nats", "points", "remembered", "since", "sure", "told_feature", "told_high",
        "told_low", "window",
    )  # fmt: skip
    DERIVED = ("_together",)

    def __init__(self) -> None:
        self.window = Window()
        self.remembered = Remembered()
        self.points = 0
        self.since = 0  # points of the present departure
        self.nats = 0.0  # surprise of the last look
        self.look = array("d")  # features of the last look
        self.alarm = 0.0  # 0.5..1 at the point where it is sure, or has grown
        self.sure = SURE  # surprise to be an alarm again
        self.brief = 0.0  # largest surprise of the last BRIEF points since a window was sampled
        self.brief_alarm = 0.0  # 0.5..1 where those points are surely not as usual
        self.brief_sure = 0.0  # surprise to be such an alarm again; 0 for what is enough at first
        self.told_high = self.told_low = -RECALLED  # point at which such an alarm was last raised
        self.lasting = 0.0  # surprise without the farthest reading: what alarms go by
        self.feature = 0  # index of the feature that gave the surprise
        self.told_feature = 0  # and of that without the farthest reading
        self.high = False  # whether there is more of it than usual
        self._together: float | None = None

    def update(self, value: float) -> float:
        """Take the next value; the surprise of the window that ends with it, in nats."""
        self.points = points = self.points + 1
        is_full = self.window.take(value)
        self.alarm = self.brief_alarm = 0.0
        if points % GLANCE or not is_full:
            return self.nats
        self._glance()
        if points % STRIDE:
            return self.nats
        self._look()
        if points % self.remembered.spacing == 0:
            self._remember()
        return self.nats

    def _look(self) -> None:
        """How surprising the window is, with its farthest reading and without."""
        window = self.window
        window.extremes()
        features = window.features()
        seen = self._surprise(features)
        self.nats, self.feature, self.high = seen
        if self.nats >= FROZEN:
            seen = self._surprise(window.less_the_farthest(features))
        self.lasting, self.told_feature, _ = seen
        self._tell()
        self.look, self._together = array("d", (*features, 0.0)), None

    def _remember(self) -> None:
        """What was looked at is remembered, if it turns out to be as usual."""
        worst = 0.0 if self.since > self._accepted else max(self.nats, self.brief)
        apart = self.remembered.distance(self.look, self.window.within)
        row = *self.look[:-1], self.window.middle
        self.brief = 0.0
        if self.remembered.take(row, worst, apart, self.points):
            self.since = 0

    @property
    def unusual(self) -> float:
        """The surprise, in nats, for ranking: of the features each by itself and together; the less
        the fewer windows are known."""
        if self._together is None:
            self._together = self._compare()
        return (self.nats + self._together) * self.remembered.known

    @property
    def _accepted(self) -> float:
        """Points after which what goes on is learnt: when it has lasted as long as all before."""
        if self.is_sure:
            return ACCEPTED
        return min(ACCEPTED, self.remembered.known * LEAST * SAMPLE)

    @property
    def is_sure(self) -> bool:
        """Whether ``LEAST`` windows, one at each ``SAMPLE``, could be known."""
        return self.remembered.is_sure

    @property
    def lately(self) -> float | None:
        """The median of the last ``BRIEF`` points; None where a gap lies among them, or too few are
        known to compare it with: a tenth of one window is not what is usual."""
        is_known = self.remembered.many >= FEWEST and len(self.window.recent) >= BRIEF
        return self.window.middle if is_known else None

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

    def _glance(self) -> None:
        """Whether the last few points are surely not as usual, though the last hour may be."""
        if not self.is_sure:
            return
        ranked, middle = self.remembered.ranked()[-1], self.window.middle
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
        ranked = self.remembered.ranked()[-1]
        if not ranked or len(self.window.recent) < BRIEF:
            return False
        middle = self.window.middle
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
        self.window.restart()
        del self.look[:]
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

    def _surprise(self, features: tuple[float, ...]) -> tuple[float, int, bool]:
        """In nats; the feature that gave it, and whether there is more of it than usual."""
        every, most, feature, high = self.remembered.ranked(), 0.0, self.feature, self.high
        size = len(every[0])
        if size < FEWEST:
            return most, feature, high
        weight, within = self.remembered.weight, self.window.within
        for number, (name, value) in enumerate(zip(FEATURES, features, strict=True)):
            ranked = every[number]
            if name == "level":
                nats = self._surprise_of_level(ranked, value)
            elif name == "slope":
                nats = surprise(
                    ranked, value, self.remembered.least_change(within) / WINDOW, weight
                )
            else:
                nats = surprise(ranked, value, LEAST_CHANGE, weight, within)
            if nats <= most:
                continue
            twice = 2 * bisect_left(ranked, value)
            if not (name in MOVES and twice < size and self.window.is_at_a_stop()):
                most, feature, high = nats, number, twice > size
        return most, feature, high

    def _surprise_of_level(self, ranked: array[float], value: float) -> float:
        """Towards zero, where nothing was ever negative, there is no room for distances: a fall to
        nothing is one of all factors. So below everything known they are taken of logarithms too,
        with the least change added: within it nothing happens."""
        weight = self.remembered.weight
        if ranked[0] < value <= ranked[-1]:  # mostly: its rank is all
            return surprise(ranked, value, 0.0, weight)
        least = self.remembered.least_change(self.window.within)
        nats = surprise(ranked, value, least, weight)
        if value >= ranked[0] or min(value, self.window.lowest) < 0.0:
            return nats
        return max(nats, surprise(ranked, value, LEAST_CHANGE, weight, least))

    def _compare(self) -> float:
        """How surprising level, spread and roughness are together, each of which may be usual by
        itself, in nats: only where somebody asks, for it takes as long as all else."""
        if not self.look or self.remembered.many < FEWEST:
            return 0.0
        return self.remembered.strangeness(self.look, self.window.within)

    def returns(self, level: float, value: float) -> bool:
        """Whether the level lies beyond all that are remembered, and the value does not."""
        levels, spreads, *_ = self.remembered.ranked()
        if not self.is_sure:
            return False
        spread = spreads[len(spreads) // 2] + self.window.within
        low, high = levels[0], levels[-1]
        beyond = max(level - high, low - level) > spread
        return beyond and low - 2 * spread <= value <= high + 2 * spread

    def usual(self, expected: float) -> tuple[float, float] | None:
        """Between what a reading is no news, wherever readings were expected: where four fifths of
        the past had the middle of a few, and no farther off than those of an hour usually scatter.
        None before that is known, or where there is no such reading.
        """
        if not self.is_sure:
            return None
        every = self.remembered.ranked()
        middles, spread = every[-1], every[1][len(every[1]) // 2]
        low, high = (middles[len(middles) * tenth // 10] for tenth in (1, 9))
        low, high = max(low, expected - spread), min(high, expected + spread)
        return (low, high) if low <= high else None

    def found(self, step: float) -> Found:
        """What the last window has that the remembered ones have not.

        :param step: seconds from one point to the next.
        """
        return of_window(self.window, self.remembered, self.told_feature, step)

    def found_lately(self, step: float) -> Found:
        """What the last few points have that the remembered ones have not, as ``found`` does."""
        return of_the_last_few(self.window, self.remembered, step)
