"""What of a departure the series never had: its score, as against its alarm, is for the new."""

from __future__ import annotations

from array import array
from math import log

from reader.detection.departure import AGAIN, Departure
from reader.detection.remembered import KEPT
from reader.detection.surge import EVIDENCE, FADE
from reader.detection.window import FEATURES, STRIDE

BEYOND = log(KEPT + 1.0)
"""Surprise, in nats, that no rank among the remembered windows can give by itself: a window that
reaches it lies beyond all of them."""

_LOOK = FADE**STRIDE
_NONE = [0.0] * (2 * len(FEATURES))  # of each feature, too low and too high


class News:
    """Departures ``AGAIN`` times as surprising as any before of their feature in their direction.

    The memory of those before is halved in a week of one reading a minute, as a surge's is: one
    odd hour does not deafen for ever. Early windows are few, and need to be the farther beyond.
    """

    __slots__ = ("before", "next", "present")

    def __init__(self) -> None:
        self.before = array("d", _NONE)  # largest surprise of each kind, fading
        self.present = array("d", _NONE)  # the same of the departure that goes on
        self.next = BEYOND  # surprise of it to be heard again

    def update(self, departure: Departure) -> float:
        """After each look at the last window; 0, or in 0..1 how new a departure it shows."""
        self.before = before = array("d", [_LOOK * size for size in self.before])
        present = self.present
        nats = departure.nats
        if nats < BEYOND:
            self.next = BEYOND
            if any(present):
                self.before = array("d", map(max, before, present))
                self.present = array("d", _NONE)
            return 0.0
        kind = 2 * departure.feature + departure.high
        present[kind] = max(present[kind], nats)
        if nats < max(self.next, AGAIN * before[kind]):
            return 0.0
        self.next = AGAIN * nats
        return nats / (nats + EVIDENCE)
