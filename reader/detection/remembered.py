"""The windows of a series that are remembered, and what is usual among them. Pure."""

from __future__ import annotations

from array import array
from bisect import insort

import numpy as np
import numpy.typing as npt

from reader.detection.ranks import above, nearest, rows
from reader.detection.window import FEATURES, STRIDE, WINDOW

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

LEAST_CHANGE = 0.25
"""Of the usual spread, and of the logs of level, spread and roughness: where the past is as even
as a straight line, its own width is no measure, and less than this is nobody's concern."""

LEAST_APART = 0.1
"""Of the usual widths of level, spread and roughness, added up: closer is no distance."""

WIDTH = len(FEATURES) + 1  # of a remembered window: its features, and the median of its last BRIEF
WAITING = WIDTH + 2  # of one not yet remembered: its surprise, and how far apart it was, besides
Matrix = npt.NDArray[np.float64]


class Remembered:
    """Features of windows that were as usual when they were met, and of those that wait to be."""

    __slots__ = ("_ranked", "_ruler", "apart", "early", "kept", "pending", "spacing")
    DERIVED = ("_ranked", "_ruler")

    def __init__(self) -> None:
        self.kept = array("d")  # features of remembered windows, oldest first, one after the other
        self.pending = array("d")  # rows of WAITING, of windows not yet remembered
        self.early = array("d")  # features of all windows, usual or not, until LEAST are known
        self.apart = array("d")  # distances from the nearest that the last LEAST remembered had
        self.spacing = STRIDE  # points from one remembered window to the next; SAMPLE from then on
        self._ranked: list[array[float]] | None = None
        self._ruler: tuple[float, Matrix, Matrix] | None = None

    @property
    def known(self) -> float:
        """How much is known of what is needed for an alarm, in 0..1."""
        return min(1.0, len(self.kept) / WIDTH * self.spacing / (LEAST * SAMPLE))

    @property
    def is_sure(self) -> bool:
        """Whether ``LEAST`` windows, one at each ``SAMPLE``, could be known."""
        return self.spacing == SAMPLE

    @property
    def many(self) -> int:
        """Windows that are remembered."""
        return len(self.kept) // WIDTH

    @property
    def weight(self) -> float:
        """Of each, beside one that shares no readings with the next."""
        return self.spacing / SAMPLE

    def ranked(self) -> list[array[float]]:
        """Each feature of all that are remembered, and the median, from the least on."""
        if self._ranked is None:
            self._ranked = [array("d", sorted(self.kept[n::WIDTH])) for n in range(WIDTH)]
        return self._ranked

    def take(self, window: tuple[float, ...], worst: float, apart: float, points: int) -> bool:
        """A window that may be remembered once ``LAG`` points have gone by.

        :param window: its features, and the median of its last points.
        :param worst: how surprising it was, in nats.
        :param apart: how far from the nearest that is remembered.
        :param points: points so far.
        :returns: whether enough is known of now to remember every third only.
        """
        self.pending.extend((*window, worst, apart))
        grown = False
        if len(self.pending) > (LAG // self.spacing) * WAITING:
            self._remember()
            grown = len(self.early) >= (LEAST * EVERY - 1) * WIDTH
            if grown:
                self._grow_up(points)
        return grown

    def least_change(self, within: float) -> float:
        """Of a level, what is of no concern.

        :param within: a sensor of whole degrees says nothing of what happens within one.
        """
        spreads = self.ranked()[1]
        return LEAST_CHANGE * (spreads[len(spreads) // 2] + within)

    def strangeness(self, look: array[float], within: float) -> float:
        """How surprising level, spread and roughness are together, each of which may be usual by
        itself, in nats."""
        return above(sorted(self.apart), self.distance(look, within), LEAST_APART, self.weight)

    def distance(self, look: array[float], within: float) -> float:
        """From a window to the nearest that is remembered; 0 without any."""
        if not self.kept:
            return 0.0
        ruler = self._ruler
        if ruler is None or ruler[0] != within:
            ruler = self._rule(within)
        _, known, weights = ruler
        return nearest(known, _comparable(look, within), weights)

    def _rule(self, within: float) -> tuple[float, Matrix, Matrix]:
        """What is remembered, and what each feature's difference weighs."""
        known, every = _comparable(self.kept, within), self.ranked()
        ends = array("d", [each[len(each) * tenth // 10] for tenth in (1, 9) for each in every])
        low, high = _comparable(ends, within).T.tolist()
        least = self.least_change(within), LEAST_CHANGE, LEAST_CHANGE
        weights = [1.0 / max(b - a, c) for a, b, c in zip(low, high, least, strict=True)]
        self._ruler = ruler = within, known, np.array(weights)
        return ruler

    def _remember(self) -> None:
        """The oldest of the windows that wait, unless it or what overlaps it was under alarm."""
        pending = self.pending
        oldest, surprises, apart = pending[:WIDTH], pending[WIDTH::WAITING], pending[WIDTH + 1]
        del pending[:WAITING]
        self._ruler = None
        overlapping = surprises[: WINDOW // self.spacing + 2]
        if max(overlapping) < FROZEN:
            for ranked, value in zip(self.ranked(), oldest, strict=True):
                insort(ranked, value)
            self.kept.extend(oldest)
            self.apart.append(apart)
            del self.apart[:-LEAST]
        if self.spacing < SAMPLE:
            self.early.extend(oldest)
        elif len(self.kept) >= KEPT * WIDTH:
            self._thin()

    def _grow_up(self, points: int) -> None:
        """Every third window from now on. What seemed unusual so far did so beside little: all are
        remembered."""
        self.kept = rows(self.early, WIDTH, range(1, len(self.early) // WIDTH, EVERY))
        waiting = len(self.pending) // WAITING
        first = (waiting - 1 - points % SAMPLE // STRIDE) % EVERY
        self.pending = rows(self.pending, WAITING, range(first, waiting, EVERY))
        for number in range(WIDTH, len(self.pending), WAITING):
            self.pending[number] = 0.0
        self.early, self.spacing, self._ranked = array("d"), SAMPLE, None

    def _thin(self) -> None:
        half = KEPT // 2
        older = rows(self.kept, WIDTH, range(0, half, 2))
        self.kept, self._ranked = older + self.kept[half * WIDTH :], None


def _comparable(remembered: array[float], within: float) -> Matrix:
    """A row of levels, and rows of the logarithms of spreads and roughnesses."""
    found = np.frombuffer(remembered).reshape(-1, WIDTH)[:, :3].T.copy()
    logs = found[1:]
    logs += within
    np.log(logs, out=logs)
    return found
