"""What a detector found, in words: one sentence about the last point or the last hour. Pure."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from math import isfinite

from reader.detection import wording
from reader.detection.departure import Departure
from reader.detection.found import Found
from reader.detection.novelty import Novelty
from reader.detection.rhythm import Rhythm
from reader.detection.stuck import Stuck
from reader.detection.surge import Surge
from spindle import catalog
from spindle.timestamps import duration

ALARM = 0.5
"""From this value of score or alarm on something is wrong: chance is ruled out."""

LATELY = "lately"
"""Of the departure's look at the last few points: told as a surge, for it may be as short."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What was unusual about the last point.

    :ivar score: 0..1.
    :ivar kind: ``surge``, ``departure``, ``rhythm``, ``stuck``, ``novelty``, or None when nothing
        was.
    :ivar value: the point's value.
    :ivar expected: the value that would have been usual, None before there was one.
    :ivar text: one sentence in the metric's unit.
    :ivar returns: it leads from a level that never was usual back to one that is.
    :ivar grew: of a departure in spread or roughness, whether there is more of it than usual.
    :ivar usual: of a surge whose run is usual, between what its value is too; of the median of the
        last few points, between what four fifths of the past had it.
    """

    score: float
    kind: str | None
    value: float | None
    expected: float | None
    text: str
    grew: bool | None = None
    returns: bool = False
    usual: tuple[float, float] | None = None


class Explaining:
    """The words of a ``Detector``, which holds what they are about."""

    __slots__ = ()

    points: int
    step: float
    gap: int
    recent: array[float]
    value: float
    expected: float
    alarm: float
    kind: str
    departure: Departure
    novelty: Novelty
    surge: Surge
    rhythm: Rhythm
    stuck: Stuck

    def explain(
        self, metric: str = "Value", unit: str = "", usual: float | None = None
    ) -> Explanation:
        """Say in words what was unusual about the last point.

        :param usual: what was expected before it began; None for what is expected now.
        """
        kind, value, grew = self.kind if self.alarm > 0.0 else "", self.value, None
        score = self.alarm
        if score < ALARM <= self.departure.certainty:
            kind, score = "departure", self.departure.certainty
        if not isfinite(value):
            return Explanation(0.0, None, None, None, f"{metric} was no number")
        head = f"{metric} {wording.quantity(value, unit)}"
        expected = self.expected if self.points > 1 else None
        if kind == "surge" and self.stuck.began_anew and unit != "%":  # a share is no counter
            text = wording.reset(metric, unit, self.stuck.top, value, self.stuck.falls)
            return Explanation(score, kind, value, None, text)
        elif kind == "surge":
            text = self._surge(metric, unit, self.expected if usual is None else usual)
            return self._explained(score, text)
        elif kind == "departure":
            found = self.departure.found(self.step)
            value, expected, grew = found.value, found.expected, found.grew
            text = self._departure(metric, unit, found)
        elif kind == LATELY:
            return self.explain_lately(metric, unit)
        elif kind == "rhythm":
            text = wording.rhythm(head, self.rhythm.days)
        elif kind == "stuck":
            stuck, step = self.stuck, self.step
            longest = stuck.longest if stuck.longest > 1 else 0
            told = stuck.record >= stuck.run
            text = wording.stuck(head, stuck.run * step, longest * step, told_before=told)
        elif kind == "novelty":
            values = self.novelty.values
            text = wording.novelty(head, unit, value, values[0], values[-1])
        else:
            text = f"{head}; nothing unusual"
        return Explanation(score, kind or None, value, expected, text, grew)

    def _explained(self, score: float, text: str) -> Explanation:
        """A surge, in view of what the last hours and days were like."""
        value, expected = self.value, self.expected
        returns = self.departure.returns(expected, value)
        about = self.departure.usual(expected)
        run = sorted(self.departure.window.recent[-max(1, self.surge.run) :])
        if about is not None and not about[0] <= run[len(run) // 2] <= about[1]:
            about = None
        return Explanation(score, "surge", value, expected, text, returns=returns, usual=about)

    def explain_lately(self, metric: str, unit: str) -> Explanation:
        """Say in words how the median of the last few points differs from the usual."""
        found = self.departure.found_lately(self.step)
        text = self._departure(metric, unit, found)
        usual = found.low, found.high
        return Explanation(self.alarm, "surge", found.value, found.expected, text, usual=usual)

    def _departure(self, metric: str, unit: str, found: Found) -> str:
        text = wording.departure(metric, unit, found)
        if found.feature == "slope" or found.expected is None:
            return text + self.climb(metric, unit)
        return text + self._suspected(metric, unit, found.expected, found.value)

    def _surge(self, metric: str, unit: str, usual: float) -> str:
        value = self.value
        head, span = f"{metric} {wording.quantity(value, unit)}", duration(self.span)
        if self.gap > self.points - len(self.recent):
            span += " of readings"
        text = wording.surge(head, unit, value, self.recent, span, usual)
        return text + self._suspected(metric, unit, usual, value)

    def _suspected(self, metric: str, unit: str, usual: float, value: float) -> str:
        suspected = wording.other_unit(unit, usual, value, wording.scatter(self.recent))
        return self.climb(metric, unit) if suspected is None else f"; {suspected}"

    def climb(self, metric: str, unit: str) -> str:
        """How fast it fills up and when it is full, for the end of a sentence; empty if not."""
        known = catalog.metric(metric)
        if known is None or not known.accumulates or unit != "%" or self.step <= 0.0:
            return ""
        rate = self.departure.window.climb(self.surge.run)
        return "" if rate is None else wording.climb(unit, self.value, rate / self.step)

    @property
    def span(self) -> float:
        """Seconds the window of recent values covers."""
        return len(self.recent) * self.step
