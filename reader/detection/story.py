"""How far an open anomaly had gone when it was told, and whether it is much worse by now. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from reader.detection import wording
from reader.detection.departure import GLANCE
from reader.detection.episode import Episode, begun, severity
from reader.detection.explanation import Explanation
from reader.detection.lasting import Judged
from spindle import catalog

WORSE = 2.0
"""Times as far from what was expected as when it was told, and what lasts is told again."""
SETTLES = 36
"""Points after an anomaly was told in which how far it goes is part of the same story."""


@dataclass(slots=True)
class Story:
    """What an anomaly that lasts was told with.

    :ivar settled: when it was told, or the worst of it was over and less of it remained, in seconds
        since the epoch; ``age``: points since.
    :ivar reached: how far the median of the last few points was from what was expected, at most,
        while that settled.
    """

    settled: float = 0.0
    age: int = 0
    reached: float = 0.0

    def goes_on(self, time: float) -> None:
        """Less of it is left, and that is told."""
        self.settled, self.age = time, 0

    def worse(
        self, metric_type: str, now: Episode, time: float, said: Judged, trifle: float
    ) -> Episode | None:
        """What lasts as a new anomaly, where it has become much worse than it was when told.

        By the median of the last few points, which single readings do not move; it is at least half
        as far away as the farthest single one, and beyond what the sentence says is usual.

        :param trifle: the smallest change of the metric that is of consequence.
        """
        self.age += 1
        if self.age % GLANCE or severity(metric_type, now) == "ok":
            return None
        if now.kind == "stuck" or now.expected is None:
            return None
        higher = now.value > now.expected
        size = self._size_by_now(time, said.lately, now.expected, higher)
        if size < WORSE * max(self.reached, trifle) or WORSE * size <= now.size:
            return None
        unit = catalog.unit(metric_type)
        explained = said.explain_lately(metric_type, unit)
        if not _is_beyond(explained, higher):
            return None
        then = now.expected + (self.reached if higher else -self.reached)
        told = wording.worse(unit, then, self.settled, time)
        self.settled, self.age, self.reached = time, 0, size
        found = begun(time, now.score, explained)
        return replace(found, expected=now.expected, text=f"{explained.text}; {told}")

    def _size_by_now(
        self, time: float, lately: float | None, expected: float, higher: bool
    ) -> float:
        """How far the last few points are from what was expected; 0 while that still settles."""
        size = 0.0 if lately is None else (lately - expected) * (1.0 if higher else -1.0)
        if self.age > SETTLES:
            return size
        if lately is None:
            self.goes_on(time)
        else:
            self.reached = size if self.age <= GLANCE else max(self.reached, size)
        return 0.0


def _is_beyond(said: Explanation, higher: bool) -> bool:
    """Whether the value lies beyond what is usual, on this side."""
    if said.usual is None or said.value is None:
        return True
    low, high = said.usual
    return said.value > high if higher else said.value < low
