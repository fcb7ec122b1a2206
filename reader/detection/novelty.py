"""How far a value lies from every value seen before, and how rare such a distance is."""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from math import inf

QUIET = 90
"""Points a distance must stand out from to be heard at all."""

VALUES = 1024
"""Past values kept; when full, neighbours closer than the resolution are merged."""

LARGEST = 256
"""Past distances kept, the largest ones: rarer than 1 in 256 is all the score needs."""


class Novelty:
    """Distance to the nearest past value, relative to the causal range and to its rarity.

    ``score = distance / range / (1 + k)``, ``k`` counting the past distances as large, and 0
    unless the distance exceeds each of the last ``QUIET``. A repeat of a known value has a
    neighbour in the past, so it fades by itself.
    """

    __slots__ = ("largest", "peaks", "points", "values")

    def __init__(self) -> None:
        self.values = array("d")  # past values, sorted
        self.largest = array("d")  # the largest past distances, sorted
        self.peaks: list[tuple[int, float]] = []  # falling distances among the last QUIET points
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
        below = value - values[at - 1] if at else inf
        above = values[at] - value if at < size else inf
        distance = min(above, below)
        values.insert(at, value)
        if size < 2:
            return 0.0
        if size >= VALUES:
            self._thin()
        return self._weigh(distance, points) * distance / (values[-1] - values[0])

    def _weigh(self, distance: float, points: int) -> float:
        """One over the rank of the distance, or 0 when a recent one was as large."""
        peaks, largest = self.peaks, self.largest
        while peaks and peaks[0][0] < points - QUIET:
            del peaks[0]
        weight = 0.0
        if not peaks or distance > peaks[0][1]:
            weight = 1.0 / (1 + len(largest) - bisect_left(largest, distance))
        while peaks and peaks[-1][1] <= distance:
            peaks.pop()
        peaks.append((points, distance))
        if len(largest) < LARGEST:
            insort(largest, distance)
        elif distance > largest[0]:
            del largest[0]
            insort(largest, distance)
        return weight

    def _thin(self) -> None:
        """Halve the values kept by merging the closest neighbours; the extremes stay."""
        values = self.values
        step = (values[-1] - values[0]) / VALUES
        kept = values
        while len(kept) > VALUES // 2:
            kept = array("d", [values[0]])
            for value in values:
                if value - kept[-1] >= step:
                    kept.append(value)
            if kept[-1] != values[-1]:
                kept.append(values[-1])
            step *= 1.25
        self.values = kept
