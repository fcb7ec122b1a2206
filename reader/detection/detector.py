"""One streaming anomaly detector for any metric series: causal, bounded, without settings.

Five views of the series, each silent unless it sees something it can defend:

* surge: a run of surprises against a fast level (shifts, spikes, drops, variance, slope)
* departure: the last hour's level, spread, roughness or slope, away from the usual
* rhythm: hours unlike every past day at the same time of day
* stuck: a value repeated longer than chance allows
* novelty: a value far from every value seen before; alone it stays below the alarm threshold

What they have learnt serves two readings. The **score** of a point is for ranking and for
benchmarks of points: high where something new begins, quiet while it goes on and where it has a
precedent. The **alarm** is for operators: it is raised each time, precedent or not, and
``departed`` says whether the last hour is still away from the usual. ``ALARM`` is the value to act
on. How each number was chosen, and what it reaches: docs/detection.md.
"""

from __future__ import annotations

from array import array
from operator import itemgetter

from reader.detection import detector_state
from reader.detection.departure import SURE, Departure
from reader.detection.explanation import LATELY, Explaining
from reader.detection.news import News
from reader.detection.novelty import Novelty
from reader.detection.rhythm import Rhythm
from reader.detection.stuck import Stuck
from reader.detection.surge import WINDOW, Surge
from reader.detection.window import STRIDE

WARM_UP = 150
"""Points before the first score."""

GAP = 30
"""Pauses this many times the usual step break the level; what happened meanwhile is unknown."""

FIRST = 10
"""Points from which the usual step is learnt whatever lies between them."""

NOVELTY = 0.5
"""Weight of novelty: a value never seen is worth a look, but proves nothing by itself."""

BOTH = 0.5
"""Weight of a surge's evidence beside the surprise of the hour: the hour holds the same points, so
of what two views of them say, half is taken for new."""

RESET = 0.75
"""Alarm of a counter's reset, which is no matter of degree. A counter that rises evenly raises no
other: its level is as far behind it as ever, and no step of it is like another."""

HUGE = 1e150
"""Values beyond are treated as missing: their squares are no numbers."""


class Detector(Explaining):
    """Scores one series point by point; see the module.

    A value that is no finite number is no information: it scores 0 and changes nothing. The
    timestamp tells the time of day and gaps; repeated or falling timestamps are taken as they
    come, one that is no finite number counts as the last. State is bounded (``to_bytes`` is
    under 64 KiB) whatever the series' length.
    """

    __slots__ = (
        "alarm", "departure", "expected", "gap", "kind", "last", "news", "novelty", "points",
        "recent", "rhythm", "score", "start", "step", "stuck", "surge", "value",
    )  # fmt: skip

    def __init__(self) -> None:
        self.points = 0  # finite values taken
        self.last = 0.0  # timestamp of the last value
        self.step = 0.0  # usual seconds between values
        self.gap = 0  # number of the first point after the last gap
        self.recent = array("d")  # the last WINDOW values, a ring
        self.start = 0  # index of the oldest in the ring
        self.value = 0.0  # the last value
        self.expected = 0.0  # the usual level at the time
        self.score = 0.0  # its score
        self.alarm = 0.0  # the same, or more where something is told that has a precedent
        self.kind = ""  # the view that gave the alarm
        self.departure = Departure()
        self.news = News()
        self.novelty = Novelty()
        self.surge = Surge()
        self.rhythm = Rhythm()
        self.stuck = Stuck()

    def update(self, timestamp: float, value: float) -> float:
        """Take the next point; its score in 0..1.

        :param timestamp: seconds since the epoch, UTC or local: only the day's length counts.
        :param value: in any unit, always the same.
        """
        if not -HUGE < value < HUGE:  # NaN fails too
            self.value, self.score, self.alarm, self.kind = value, 0.0, 0.0, ""
            return 0.0
        timestamp = self._clock(timestamp, value)
        warm = self.points > WARM_UP
        surge, stuck, departure = self.surge, self.stuck, self.departure
        unusual = surge.update(value, warm)
        self.value, self.expected = value, surge.usual
        unlike = self.rhythm.update(timestamp, value)
        still = stuck.update(value, warm)
        if surge.alarm:
            departure.tell(value > surge.usual)
        departure.update(value)
        score, kind = NOVELTY * self.novelty.update(value), "novelty"
        self._remember(value)
        if not warm:
            score = 0.0
        if still > score:
            score, kind = still, "stuck"
        if unlike > score:
            score, kind = unlike, "rhythm"
        if unusual > score:
            score, kind = unusual, "surge"
        alarm = score
        if stuck.began_anew:
            alarm, kind = max(surge.alarm, RESET), "surge"
        elif surge.alarm or stuck.alarm or departure.alarm or departure.brief_alarm:
            told = (
                (score, kind),
                (departure.alarm, "departure"),
                (departure.brief_alarm, LATELY),
                (stuck.alarm, "stuck"),
                (surge.alarm, "surge"),
            )
            alarm, kind = max(told, key=itemgetter(0))
        if self.points % STRIDE == 0:
            score = max(score, self.news.update(departure))
        self.score, self.alarm, self.kind = score, alarm, kind
        return score

    def learning_seconds(self, least: float) -> float:
        """Seconds until it knows what is usual, at the pace of the points so far; 0 once it does.

        :param least: from one point to the next at the least.
        """
        return max(0, WARM_UP + 1 - self.points) * max(self.step, least)

    @property
    def departed(self) -> float:
        """0 while the last hour is as usual; from ``ALARM`` on it is no chance that it is not."""
        return self.departure.certainty

    @property
    def lately(self) -> float | None:
        """The median of the last few points; None where a gap lies among them, or too few are known
        to compare it with: a tenth of one window is not what is usual."""
        return self.departure.lately

    def hold(self) -> None:
        """What the last hour is like is told of: it is not the usual, however long it lasts."""
        self.departure.hold()

    def accept(self) -> None:
        """Somebody knows of what goes on: it is the usual from now on."""
        self.departure.accept()
        self.surge.accept()
        self.stuck.accept()

    @property
    def state(self) -> float:
        """How unusual the last hour or the last point is, in 0..1: to rank points by what lasts."""
        departure = self.departure
        known = departure.remembered.known
        nats = departure.unusual + BOTH * known * self.surge.evidence
        return max(nats / (nats + SURE), self.alarm)

    def _clock(self, timestamp: float, value: float) -> float:
        """Learn the usual step and notice gaps; the timestamp to go by."""
        if not -HUGE < timestamp < HUGE:
            timestamp = self.last
        self.points = points = self.points + 1
        if points == 1:
            self.surge.restart(value)
            self.last = timestamp
        passed = timestamp - self.last
        self.last = timestamp
        if passed > 0.0:
            known = points - 1 if points <= WARM_UP else WARM_UP
            if passed <= GAP * self.step or points <= FIRST:
                self.step += (passed - self.step) / known
            else:
                self.gap = points
                if known == WARM_UP:
                    self.surge.restart(value)
                    self.departure.restart()
        elif passed < -GAP * self.step:  # a clock was put back
            self.gap = points
        return timestamp

    def _remember(self, value: float) -> None:
        recent = self.recent
        if len(recent) < WINDOW:
            recent.append(value)
        else:
            recent[self.start] = value
            self.start = (self.start + 1) % WINDOW

    def is_away(self, *, high: bool) -> bool:
        """Whether the last few points are surely not as usual, and on this side of it: as sure as
        of what is told again."""
        return self.departure.is_away(high=high)

    @property
    def began_anew(self) -> bool:
        """Whether a counter has been reset with the last point."""
        return self.points > WARM_UP and self.stuck.began_anew

    @property
    def is_sure(self) -> bool:
        """Whether enough hours are known to compare one with them."""
        return self.departure.is_sure

    @property
    def counts(self) -> bool:
        """Whether the series rises and hardly ever falls, as a counter does."""
        return self.stuck.counts

    def to_bytes(self) -> bytes:
        """The whole state; a detector restored from it gives the same scores, bit for bit."""
        return detector_state.dump(self._parts())

    @classmethod
    def from_bytes(cls, data: bytes) -> Detector:
        """A detector in the state of ``to_bytes``.

        :raises InvalidInput: the bytes are of another version or damaged.
        """
        detector = cls()
        detector_state.load(data, detector._parts())
        return detector

    def _parts(self) -> dict[str, object]:
        parts = {name: getattr(self, name) for name in detector_state.PARTS}
        within = {name: getattr(self.departure, name) for name in detector_state.WITHIN}
        return {"detector": self, **parts, **within}
