"""How far a value lies from every value seen before, and how rare such a distance is."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from math import inf, sqrt

VALUES = 1024
"""Past values kept; when full, neighbours closer than the resolution are merged."""

LARGEST = 128
"""Past distances kept, the largest ones and the latest: what over 128 exceed is common."""


class Novelty:
    """Distance to the nearest past value, and its rarity; nothing here is a threshold.

    ``score = sqrt(distance / range) * rest / points / (1 + k)``: ``k`` counts the past distances
    as large, ``rest`` the points since the last of them (all, if there was none). The two tell
    rarity apart: few in the whole past, and none for long. Their product falls silent where
    large distances come in swarms, and in any series of which nothing is usual. The root keeps
    the size from outweighing them. A repeat of a known value has a neighbour in the past, so
    it fades by itself.
    """

    __slots__ = ("largest", "latest", "points", "values")

    def __init__(self) -> None:
        self.values = array("d")  # past values, sorted
        self.largest = array("d")  # the largest past distances, sorted
        self.latest: list[tuple[int, float]] = []  # (point, distance) that no later one reached
        self.points = 0

    @property
    def range(self) -> float:
        """Largest less smallest value so far."""
        return self.values[-1] - self.values[0] if self.values else 0.0

    def update(self, value: float) -> float:
        """Take the next value; its novelty in 0..1."""
        values = self.values
        self.points = points = self.points + 1
        at = bisect_left(values, value)
        size = len(values)
        if at < size and values[at] == value:
            return 0.0
        distance = values[at] - value if at < size else inf
        if at and (below := value - values[at - 1]) < distance:
            distance = below
        values.insert(at, value)
        if size < 2:
            return 0.0
        if size >= VALUES:
            self._thin()
        return self._rarity(distance, points) * sqrt(distance / (values[-1] - values[0]))

    def _rarity(self, distance: float, points: int) -> float:
        """How few past distances were as large, times how long ago the last of them was."""
        largest, latest = self.largest, self.latest
        while latest and latest[-1][1] < distance:
            latest.pop()
        rest = points - latest[-1][0] if latest else points
        if latest and latest[-1][1] == distance:
            latest.pop()
        if len(latest) < LARGEST:
            latest.append((points, distance))
        size, at = len(largest), 0
        if size < LARGEST or distance > largest[0]:
            at = bisect_left(largest, distance)
            largest.insert(at, distance)
            del largest[:-LARGEST]
        return rest / (points * (1 + size - at))

    def _thin(self) -> None:
        """Halve the values kept by merging the closest neighbours; the extremes stay."""
        values = self.values
        step = (values[-1] - values[0]) / VALUES
        kept = values
        while len(kept) > VALUES // 2:
            last = values[0]
            kept = array("d", [last])
            for value in values:
                if value - last >= step:
                    kept.append(value)
                    last = value
            if last != values[-1]:
                kept.append(values[-1])
            step *= 1.25
        self.values = kept
