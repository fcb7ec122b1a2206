"""From scores to anomalies: what belongs together is one, with a beginning and an end. Pure.

A detector fades while a deviation lasts, because what lasts is no news, and is surprised again when
it ends. For a person both are one anomaly: it lasts while values stay nearer to the peak than to
what was expected before it, and is over after ``CALM`` points without either. The way back to what
was expected is part of it, even where it takes longer than that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from reader.detection.detector import ALARM, Explanation
from reader.detection.findings import State
from spindle import catalog

CALM = 12  #: points in a row without an alarm, back where it began, and it is over
LONGEST = 360  #: points after the last alarm; what has lasted so long is the new usual
PEER = "peer"  #: kind of what stands out among its peers
PEER_CRITICALITY = 5  #: a warning: slow beside its peers, it still does its work
COMES_BACK = ("surge", "novelty")  #: kinds that are over when what was expected is read again
IMMATERIAL = 2e-4
"""Share of a metric's range: a smaller change, though it may be no chance, is of no consequence."""


@dataclass(frozen=True, slots=True)
class Episode:
    """One anomaly of one series; times in seconds since the epoch.

    :ivar last: the last point that belonged to it.
    :ivar expected: what was usual before it began; None where nothing was.
    :ivar kind: see ``anomaly.Explanation``.
    """

    start: float
    last: float
    peak_time: float
    value: float
    expected: float | None
    score: float
    kind: str
    text: str

    def deviates(self, value: float) -> bool:
        """Whether a value is still nearer to the peak than to what was expected."""
        if self.kind == "stuck":
            return value == self.value
        if self.kind not in COMES_BACK or self.expected is None:
            return False
        return abs(value - self.value) < abs(value - self.expected)

    def is_reached_by(self, value: float) -> bool:
        """Whether a value is as far from what was expected as the peak: more than on its way back,
        which may be the greater surprise to the detector."""
        if self.expected is None:
            return True
        return abs(value - self.expected) >= abs(self.value - self.expected)


class Episodes:
    """The anomalies of one series, as its points come.

    :param metric_type: known to the catalogue or not.
    :param alarm: score from which on a point is unusual.
    :ivar open: the one that lasts.
    :ivar ended: the one before.
    :ivar calm: points since the last that belonged to the open one.
    :ivar quiet: points since the last alarm.
    """

    __slots__ = ("alarm", "calm", "ended", "open", "quiet", "trifle")

    def __init__(self, metric_type: str, alarm: float = ALARM) -> None:
        metric = catalog.metric(metric_type)
        self.trifle = IMMATERIAL * (metric.high - metric.low) if metric else 0.0
        self.alarm = alarm
        self.open: Episode | None = None
        self.ended: Episode | None = None
        self.calm = 0
        self.quiet = 0

    def take(
        self, time: float, value: float, score: float, explain: Callable[[], Explanation]
    ) -> tuple[Episode | None, Episode | None]:
        """What began and what ended with this point."""
        now = self.open
        if score >= self.alarm:
            return self._alarmed(time, value, score, explain), None
        self.quiet += 1
        if now is None:
            return None, None
        if self.quiet <= LONGEST and now.deviates(value):
            self.calm = 0
            self.open = replace(now, last=time)
            return None, None
        self.calm += 1
        if self.calm < CALM:
            return None, None
        self.open, self.ended = None, now
        return None, now

    def _alarmed(
        self, time: float, value: float, score: float, explain: Callable[[], Explanation]
    ) -> Episode | None:
        """What began with this alarm."""
        now = self.open
        if now is None:
            found = _begun(time, score, explain())
            if self._is_news(found):
                self.calm = self.quiet = 0
                self.open = found
            return self.open
        self.calm = self.quiet = 0
        self.open = replace(now, last=time)
        if score > now.score and now.deviates(value):
            self.open = replace(self.open, score=score)
            if now.is_reached_by(value):
                text = explain().text
                self.open = replace(self.open, peak_time=time, value=value, text=text)
        return None

    def _is_news(self, found: Episode) -> bool:
        if found.kind == "surge" and found.expected is not None:
            if abs(found.value - found.expected) < self.trifle:
                return False
            before = self.ended
            if before is not None and before.expected is not None and self.quiet <= LONGEST:
                return before.deviates(found.value)
        return True

    def state(self) -> dict[str, Any]:
        """As JSON takes it, for a snapshot."""
        both = {
            name: None if each is None else asdict(each)
            for name, each in (("open", self.open), ("ended", self.ended))
        }
        return {**both, "calm": self.calm, "quiet": self.quiet}

    @classmethod
    def restored(cls, metric_type: str, state: dict[str, Any]) -> Episodes:
        """From ``state``."""
        made = cls(metric_type)
        made.open = Episode(**state["open"]) if state["open"] else None
        made.ended = Episode(**state["ended"]) if state["ended"] else None
        made.calm, made.quiet = int(state["calm"]), int(state["quiet"])
        return made


def _begun(time: float, score: float, found: Explanation) -> Episode:
    value = 0.0 if found.value is None else found.value
    return Episode(time, time, time, value, found.expected, score, found.kind or "", found.text)


def severity(metric_type: str, episode: Episode) -> State:
    """How much an anomaly says of its device's health.

    To the good side it is worth a line only; of pure load, which comes and goes, a collapse alone
    is a warning.
    """
    metric = catalog.metric(metric_type)
    if metric is None or episode.kind in ("stuck", "rhythm", PEER) or episode.expected is None:
        return "warning"
    if metric.bad == "neither":
        return "warning" if episode.value < episode.expected / 2 else "ok"
    worse = (
        episode.value > episode.expected
        if metric.bad == "high"
        else (episode.value < episode.expected)
    )
    return "warning" if worse else "ok"


def criticality(metric_type: str, episode: Episode) -> int:
    """Of the event that tells of it: 3 for a line, 4 to 6 by score for a warning, 7 past the
    catalogue's warning limit, and 8 only for what is both sure and past its critical limit.
    """
    if episode.kind == PEER:
        return PEER_CRITICALITY
    if severity(metric_type, episode) == "ok":
        return 3
    metric = catalog.metric(metric_type)
    if metric is not None and metric.bad != "neither":
        sign = 1 if metric.bad == "high" else -1
        for limit, level, least in ((metric.critical, 8, 0.9), (metric.warning, 7, 0.0)):
            past = limit is not None and sign * episode.value >= sign * limit
            if past and episode.score >= least:
                return level
    return 4 + (episode.score >= 0.75) + (episode.score >= 0.9)
