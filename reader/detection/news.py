"""What of a departure the series never had: its score, as against its alarm, is for the new."""

from __future__ import annotations

from array import array
from math import log

from reader.detection.departure import AGAIN, FEATURES, KEPT, STRIDE, Departure
from reader.detection.surge import EVIDENCE, FADE

BEYOND = log(KEPT + 1.0)
"""Surprise, in nats, that no rank among the remembered windows can give by itself: a window that
reaches it lies beyond all of them."""

_LOOK = FADE**STRIDE


class News:
    """Departures ``AGAIN`` times as surprising as any before of their feature in their direction.

    The memory of those before is halved in a week of one reading a minute, as a surge's is: one
    odd hour does not deafen for ever. Early windows are few, and need to be the farther beyond.
    """

    __slots__ = ("before", "next", "present")

    def __init__(self) -> None:
        kinds = bytes(8 * 2 * len(FEATURES))  # zeros: of each feature, too low and too high
        self.before = array("d", kinds)  # largest surprise of each kind, fading
        self.present = array("d", kinds)  # the same of the departure that goes on
        self.next = BEYOND  # surprise of it to be heard again

    def update(self, departure: Departure) -> float:
        """After each look at the last window; 0, or in 0..1 how new a departure it shows."""
        before, present = self.before, self.present
        for kind, size in enumerate(before):
            before[kind] = _LOOK * size
        nats = departure.nats
        if nats < BEYOND:
            self.next = BEYOND
            for kind, size in enumerate(present):
                before[kind] = max(before[kind], size)
                present[kind] = 0.0
            return 0.0
        kind = 2 * departure.feature + departure.high
        present[kind] = max(present[kind], nats)
        if nats < max(self.next, AGAIN * before[kind]):
            return 0.0
        self.next = AGAIN * nats
        return nats / (nats + EVIDENCE)
