"""The last hour or so of a series: its readings, and what they have in common. Pure."""

from __future__ import annotations

from array import array
from math import inf, sqrt
from operator import mul

WINDOW = 60
"""Points of which the present is made: an hour at one a minute."""

STRIDE = 12
"""Points from one look at the window to the next."""

BRIEF = 12
"""Points whose median is compared besides: what lasts for ten is too short to move an hour, and
single spikes, of which a latency always has some, do not move a median."""

STOPPED = WINDOW // 6
"""Points of a window at a limit from which less movement than usual is no surprise."""

CLIMB, LEAST_CLIMB = 12, 4
"""Points, most and least, from which a rate is told."""

FEATURES = ("level", "spread", "roughness", "slope")
_TINY = 1e-9
_CENTRED = [i - (WINDOW - 1) / 2 for i in range(WINDOW)]
_SQUARES = sum(map(mul, _CENTRED, _CENTRED))


class Window:
    """The last ``WINDOW`` readings.

    :ivar last: the latest.
    :ivar recent: the readings, oldest first; ``steps``: the sizes of their steps.
    :ivar grain: smallest step between two readings that differ, 0 before there was one.
    :ivar lowest: of all so far, as ``highest``.
    """

    __slots__ = ("grain", "highest", "last", "lowest", "recent", "steps")

    def __init__(self) -> None:
        self.last = 0.0
        self.grain = 0.0
        self.lowest, self.highest = inf, -inf
        self.recent = array("d")
        self.steps = array("d")

    def take(self, value: float) -> bool:
        """The next reading; whether the window is full."""
        recent, steps = self.recent, self.steps
        recent.append(value)
        steps.append(abs(value - self.last) if len(recent) > 1 else 0.0)
        self.last = value
        if len(recent) > WINDOW:
            recent.pop(0)
            steps.pop(0)
        return len(recent) == WINDOW

    def restart(self) -> None:
        """After a gap: a window does not reach over it."""
        del self.recent[:], self.steps[:]

    def extremes(self) -> None:
        """Take the readings since the last look; apart from ``take`` for speed."""
        fresh, steps = self.recent[-STRIDE:], [step for step in self.steps[-STRIDE:] if step]
        self.lowest, self.highest = min(self.lowest, *fresh), max(self.highest, *fresh)
        if steps:
            self.grain = min(self.grain or inf, *steps)

    @property
    def middle(self) -> float:
        """The median of the last ``BRIEF`` points."""
        last = sorted(self.recent[-BRIEF:])
        return (last[BRIEF // 2 - 1] + last[BRIEF // 2]) / 2

    @property
    def within(self) -> float:
        """A sensor of whole degrees says nothing of what happens within one."""
        return 0.25 * self.grain + _TINY

    def features(self) -> tuple[float, float, float, float]:
        """As ``FEATURES`` names them; of a full window."""
        recent = self.recent
        level = sum(recent) / WINDOW
        apart = [value - level for value in recent]
        spread = sqrt(sum(map(mul, apart, apart)) / WINDOW)
        roughness = sum(self.steps) / WINDOW
        slope = sum(map(mul, apart, _CENTRED)) / _SQUARES
        return level, spread, roughness, slope

    def less_the_farthest(self, features: tuple[float, ...]) -> tuple[float, ...]:
        """The same with the one reading that is farthest from the median put there: no level and
        no slope of an hour hangs on one slow answer. What it is itself, a surge says."""
        level, spread, roughness, slope = features
        recent = self.recent
        middle = sorted(recent)[WINDOW // 2]
        far = max(range(WINDOW), key=lambda number: abs(recent[number] - middle))
        less = recent[far] - middle
        return level - less / WINDOW, spread, roughness, slope - less * _CENTRED[far] / _SQUARES

    def is_at_a_stop(self) -> bool:
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
