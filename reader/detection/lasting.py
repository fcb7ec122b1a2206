"""What lasts, told as it is now: the value and the sentence of an open anomaly, kept true. Pure."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Protocol

from reader.detection import wording
from reader.detection.episode import COMES_BACK, Episode, is_to_come_back
from reader.detection.explanation import Explanation
from spindle import catalog

MORE = 1.1  #: times as far from what was expected as its peak, and that is told by now
_ADDED = re.compile(f"; (?:{wording.AGAIN}|{wording.WORSE}|{wording.EARLIER}).*")


class Judged(Protocol):
    """The detector's verdict on the last point."""

    alarm: float
    kind: str

    @property
    def began_anew(self) -> bool:
        """Whether a counter has been reset."""

    @property
    def is_sure(self) -> bool:
        """Whether enough is known of what is usual to call what is not ill unusual."""

    @property
    def departed(self) -> float:
        """How sure it is that the last hour is not as usual; 0 where it is."""

    @property
    def lately(self) -> float | None:
        """The median of the last few points; None where that is not known."""

    def is_away(self, *, high: bool) -> bool:
        """Whether that median is surely not as usual, and on this side of it."""

    def hold(self) -> None:
        """What the last hour is like is no usual, however long it lasts."""

    def explain_lately(self, metric: str, unit: str) -> Explanation:
        """How that median differs from the usual, in a sentence for users."""

    def explain(self, metric: str, unit: str, usual: float | None = None) -> Explanation:
        """What was unusual, in a sentence for users.

        :param usual: what was expected before it began; None for what is expected now.
        """

    def climb(self, metric: str, unit: str) -> str:
        """How fast it fills up and when it is full, for the end of a sentence; empty if not."""


def retold(now: Episode, time: float, value: float, text: str) -> Episode:
    """The episode with another peak; what was added to its sentence about earlier ones stays."""
    added = _ADDED.search(now.text)
    text += added[0] if added else ""
    return replace(now, peak_time=time, value=value, text=text)


def kept_true(metric_type: str, now: Episode, time: float, said: Judged) -> Episode:
    """The episode as it is now, where that is more than was told: no alarm need be raised again.

    What the last few points have in their middle counts, which single readings do not move; and
    whether what was said to fill up still does.
    """
    if now.kind not in COMES_BACK or now.expected is None:
        return now
    unit = catalog.unit(metric_type)
    lately = said.lately
    if lately is not None and now.is_reached_by(lately, MORE):
        explained = said.explain_lately(metric_type, unit)
        usual = explained.expected
        # What only ever rises, or is back after a reset, is not compared with what it was before.
        if usual is None or (lately > usual) == (lately > now.expected):
            return retold(now, time, lately, explained.text)
    if wording.RISES not in now.text:
        return now
    text = re.sub(f"{wording.RISES}[^;]*", said.climb(metric_type, unit), now.text)
    return replace(now, text=text)


def remaining(metric_type: str, now: Episode, time: float, said: Judged) -> Episode | None:
    """What is left of it, though the worst is over: the end of a fault on top of another ends
    not that other. None where the last few points are as usual, or back to where it began, which
    need not be usual, or where the metric need not come back.
    """
    lately = said.lately
    if now.kind not in COMES_BACK or now.expected is None or lately is None:
        return None
    high = now.value > now.expected
    less = replace(now, value=lately)
    if (lately > now.expected) != high or not is_to_come_back(metric_type, less):
        return None
    if not said.is_away(high=high):
        return None
    unit = catalog.unit(metric_type)
    explained = said.explain_lately(metric_type, unit)
    usual = now.expected if explained.expected is None else explained.expected
    if 2 * abs(lately - now.expected) < abs(lately - usual):
        return None
    text = explained.text
    if wording.EARLIER not in now.text:
        text += f"; {wording.earlier(unit, now.value, now.peak_time, time)}"
    now = replace(now, text=re.sub(f"; {wording.WORSE}[^;]*", "", now.text))
    return replace(retold(now, time, lately, text), last=time)
