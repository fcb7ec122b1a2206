"""How far the last hour is from the usual: its level, spread, roughness and slope."""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from math import log, log1p, sqrt
from operator import mul

WINDOW = 60
"""Points of which the present is made: an hour at one a minute."""

STRIDE = 6
"""Points from one look at the window to the next."""

SAMPLE = 18
"""Points from one remembered window to the next."""

LAG = 126
"""Points after which a window may be remembered: what goes on now is not compared with itself."""

KEPT = 384
"""Windows remembered. When full, every second one of the older half goes: yesterday is known
closely, and last week still."""

LEAST = 80
"""Remembered windows before anything is called unusual."""

FROZEN = 7.0
"""Surprise, in nats (a chance of 1 in 1,100), from which a window is no example of the usual."""

ACCEPTED = 1440
"""Points after which a departure that goes on is learnt all the same: what has lasted a day is how
the series is now. Who told of it goes on telling until it is over or acknowledged."""

TAIL = 4.0
"""Weight of the distance beyond everything known, in nats for each factor e."""

FEATURES = ("level", "spread", "roughness", "slope")
_TINY = 1e-9
_CENTRED = [i - (WINDOW - 1) / 2 for i in range(WINDOW)]
_SQUARES = sum(map(mul, _CENTRED, _CENTRED))


class Departure:
    """The surprise, in nats, of the last ``WINDOW`` points against the remembered windows.

    Each feature of the window is ranked among those of the remembered ones: the two-sided rank
    probability p of any distribution gives ``-ln p``, and a value beyond all of them more, by its
    distance in units of their middle four fifths. The largest of the features counts.

    Only what is not under alarm is remembered, so that a departure is as surprising after hours as
    at first, and the same one as surprising the second time.
    """

    __slots__ = (
        "_ranked", "feature", "kept", "last", "nats", "pending", "points", "recent", "since",
        "steps",
    )  # fmt: skip
    DERIVED = ("_ranked",)

    def __init__(self) -> None:
        self.points = 0
        self.last = 0.0  # the value before
        self.recent = array("d")  # the last WINDOW values
        self.steps = array("d")  # and the sizes of their steps
        self.kept = array("d")  # features of remembered windows, oldest first, one after the other
        self.pending = array("d")  # features and surprise of windows not yet remembered
        self.since = 0  # points of the present departure
        self.nats = 0.0  # surprise of the last look
        self.feature = 0  # index of the feature that gave it
        self._ranked: list[array[float]] | None = None

    def update(self, value: float) -> float:
        """Take the next value; the surprise of the window that ends with it, in nats."""
        self.points = points = self.points + 1
        recent, steps = self.recent, self.steps
        recent.append(value)
        steps.append(abs(value - self.last) if points > 1 else 0.0)
        self.last = value
        if len(recent) > WINDOW:
            del recent[0], steps[0]
        if points % STRIDE or len(recent) < WINDOW:
            return self.nats
        features = self._features()
        self.nats = self._surprise(features)
        self.since = self.since + STRIDE if self.nats >= FROZEN else 0
        if points % SAMPLE == 0:
            self.pending.extend((*features, 0.0 if self.since > ACCEPTED else self.nats))
            if len(self.pending) > (LAG // SAMPLE) * 5:
                self._remember()
        return self.nats

    def _features(self) -> tuple[float, float, float, float]:
        recent = self.recent
        level = sum(recent) / WINDOW
        apart = [value - level for value in recent]
        spread = log(sqrt(sum(map(mul, apart, apart)) / WINDOW) + _TINY)
        roughness = log(sum(self.steps) / WINDOW + _TINY)
        slope = sum(map(mul, apart, _CENTRED)) / _SQUARES
        return level, spread, roughness, slope

    def _surprise(self, features: tuple[float, ...]) -> float:
        most = 0.0
        for number, (ranked, value) in enumerate(zip(self._sorted(), features, strict=True)):
            size = len(ranked)
            if size < LEAST:
                return 0.0
            at = bisect_left(ranked, value)
            rank = min(at, size - at)
            nats = log((size + 1.0) / (2.0 * rank + 1.0))
            if not rank:
                middle = ranked[size * 9 // 10] - ranked[size // 10]
                beyond = ranked[0] - value if at == 0 else value - ranked[-1]
                if beyond > 0.0:
                    nats += TAIL * log1p(beyond / (middle + _TINY))
            if nats > most:
                most, self.feature = nats, number
        return most

    def _sorted(self) -> list[array[float]]:
        if self._ranked is None:
            width = len(FEATURES)
            self._ranked = [array("d", sorted(self.kept[n::width])) for n in range(width)]
        return self._ranked

    def _remember(self) -> None:
        """The oldest of the windows that wait, unless it or what overlaps it was under alarm."""
        pending, width = self.pending, len(FEATURES)
        oldest, surprises = pending[:width], pending[width :: width + 1]
        del pending[: width + 1]
        overlapping = surprises[: WINDOW // SAMPLE + 2]
        if max(overlapping) >= FROZEN:
            return
        for ranked, value in zip(self._sorted(), oldest, strict=True):
            insort(ranked, value)
        self.kept.extend(oldest)
        if len(self.kept) >= KEPT * width:
            self._thin()

    def _thin(self) -> None:
        width = len(FEATURES)
        half = KEPT // 2
        older = [self.kept[n * width : (n + 1) * width] for n in range(0, half, 2)]
        kept = array("d")
        for each in older:
            kept.extend(each)
        kept.extend(self.kept[half * width :])
        self.kept, self._ranked = kept, None
