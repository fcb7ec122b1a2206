"""From alarms to anomalies: what belongs together is one, with a beginning and an end. Pure.

An alarm is news, and what lasts is no news; for a person it is one anomaly as long as it lasts:
while values stay nearer to the peak than to what was expected before it, while a sensor repeats
itself, while the last hour is not as usual. It is over after ``CALM`` points without any of it. The
way back to what was expected is part of it, even where it takes longer than that.

What is not ill is told once enough is known of what is usual, some three hours at a reading in five
seconds; before, it is only known to be on, so that its end is no news either.

The same again is told again, with how often it has been so lately. How loudly it is told may fall
with repetition; that it is told does not. What gets much worse while it lasts is told again too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from reader.detection import wording
from reader.detection.departure import GLANCE
from reader.detection.episode import (
    COMES_BACK,
    Episode,
    begun,
    is_to_come_back,
    material,
    severity,
)
from reader.detection.explanation import ALARM, Explanation
from reader.detection.lasting import Judged, kept_true, remaining, retold
from reader.detection.precedents import Precedents
from reader.detection.story import Story
from reader.detection.window import WINDOW
from spindle import catalog

CALM = 12  #: points in a row without an alarm, back where it began, and it is over
PAST = 0.5  #: sizes beyond what was expected that a way back may lead
LONGEST = 360  #: points after the last alarm; then a way back is an anomaly of its own
ACCEPTED = 1440
"""Points after the last alarm from which a detector knows nothing else, as for its own views. What
has lasted so long is the new usual, unless its metric has a bad side that it should come back from:
a disk that answers slowly is slow however long it does."""
SAME = 0.8
"""Of the way from what was expected to the peak, and it is as it was then."""
_COUNTS = ("calm", "quiet", "rest")


class Episodes:
    """The anomalies of one series, as its points come.

    :param metric_type: known to the catalogue or not.
    :param alarm: certainty from which on a point is unusual.
    :ivar open: the one that lasts.
    :ivar ended: the one before.
    :ivar calm: points since the last that belonged to the open one; where none is open, points in a
        row that are as those of the one before were.
    :ivar quiet: points since the last alarm.
    :ivar rest: points since the last end.
    :ivar story: how far the open one had gone when it was told.
    :ivar holding: the last hour is ill however long it lasts; None where it is as usual.
    :ivar told: what has begun lately, by kind and direction.
    """

    __slots__ = (
        "alarm", "calm", "ended", "holding", "metric_type", "open", "quiet", "rest", "story",
        "told", "trifle",
    )  # fmt: skip

    def __init__(self, metric_type: str, alarm: float = ALARM) -> None:
        metric = catalog.metric(metric_type)
        self.metric_type = metric_type
        self.trifle = material(metric) if metric else 0.0
        self.alarm = alarm
        self.open: Episode | None = None
        self.ended: Episode | None = None
        self.calm = 0
        self.quiet = 0
        self.rest = WINDOW
        self.story = Story()
        self.holding: bool | None = None
        self.told = Precedents()

    def take(
        self, time: float, value: float, said: Judged
    ) -> tuple[Episode | None, Episode | None]:
        """What began and what ended with this point."""
        self._hold(said)
        now = self.open
        if now is None:
            return self._may_begin(time, value, said), None
        if (more := self.story.worse(self.metric_type, now, time, said, self.trifle)) is not None:
            self.open, self.calm, self.quiet = more, 0, 0
            return more, replace(now, worse=True)
        if said.began_anew:
            return self._anew(now, time, value, said)
        if said.alarm >= self.alarm and (said.kind != "departure" or now.kind == "departure"):
            if self._is_worse(now, value):
                self._end(WINDOW)
                return self._begin(time, said), _told(now)
            self._heard_again(now, time, value, said)
            return self._told_after_all(value), None
        return None, self._quietly(now, time, value, said)

    def _may_begin(self, time: float, value: float, said: Judged) -> Episode | None:
        self.quiet += 1
        self.rest += 1
        sure = said.alarm if self.rest < WINDOW else max(said.alarm, said.departed)
        if sure >= self.alarm:
            return self._begin(time, said)
        return self._again(time, value, said)

    def _again(self, time: float, value: float, said: Judged) -> Episode | None:
        """What was ill and told of is known: the same needs no evidence but that it lasts, and is
        not as usual."""
        before = self.ended
        known = before is not None and before.expected is not None and before.kind in COMES_BACK
        if before is None or not known or not before.is_reached_by(value, SAME):
            self.calm = 0
            return None
        self.calm += 1
        if self.calm % CALM or said.lately is None or severity(self.metric_type, before) == "ok":
            return None
        explained = said.explain_lately(self.metric_type, catalog.unit(self.metric_type))
        found = begun(time, ALARM, explained)
        high = found.expected is not None and found.value > found.expected
        if found.likeness != before.likeness or not said.is_away(high=high):
            return None
        return self._open(found)

    def _anew(
        self, now: Episode, time: float, value: float, said: Judged
    ) -> tuple[Episode | None, Episode | None]:
        """A counter's reset is another story than whatever lasts."""
        if now.kind == "surge" and now.expected is None:  # it fell once more, to the end of it
            self.open = retold(now, time, value, self._explain(said).text)
            return None, None
        self._end(WINDOW)
        return self._begin(time, said), _told(now)

    def _quietly(self, now: Episode, time: float, value: float, said: Judged) -> Episode | None:
        """A point without an alarm; the open one, where it is over with it."""
        self.quiet += 1
        if self._goes_on(now, value, said.departed):
            self.calm = 0
            now = replace(now, last=time)
            fresh = self.story.age % GLANCE == 0
            self.open = kept_true(self.metric_type, now, time, said) if fresh else now
            return None
        self.calm += 1
        if self.calm < CALM:
            return None
        left = remaining(self.metric_type, now, time, said)
        if left is None:
            over = _told(self._end())
            if now.deviates(value):  # it is the usual now
                self.ended = None
            return over
        self.open, self.calm = left, 0
        self.story.goes_on(time)
        return None

    def _hold(self, said: Judged) -> None:
        """A last hour that is ill however long it lasts does not become the usual by lasting."""
        departed = said.departed
        if not departed:
            self.holding = None
            return
        if departed >= ALARM and (self.holding is None or said.kind == "departure"):
            explained = self._explain(said)
            if explained.kind == "departure":
                found = begun(0.0, 0.0, explained)
                self.holding = is_to_come_back(self.metric_type, found)
        if self.holding:
            said.hold()

    def accept(self) -> Episode | None:
        """Somebody knows of what lasts: it is over, and its end is no way back to anything."""
        over, self.open, self.ended, self.rest = self.open, None, None, WINDOW
        return _told(over)

    def _end(self, rest: int = 0) -> Episode | None:
        self.open, self.ended, self.rest = None, self.open, rest
        self.calm = 0
        return self.ended

    def _is_worse(self, now: Episode, value: float) -> bool:
        """Whether what lasts was worth a line only, and now it is bad: farther on the bad side of
        what was expected than a way back leads."""
        if now.expected is None or not now.size or severity(self.metric_type, now) != "ok":
            return False
        if now.overshoot(value) < PAST:
            return False
        return severity(self.metric_type, replace(now, value=value)) != "ok"

    def _goes_on(self, now: Episode, value: float, departed: float) -> bool:
        if now.kind == "departure":
            return departed > 0.0 and (now.expected is None or now.deviates(value))
        if self.quiet > ACCEPTED and not is_to_come_back(self.metric_type, now):
            return False
        return now.deviates(value)

    def _begin(self, time: float, said: Judged) -> Episode | None:
        explained = self._explain(said)
        found = begun(time, said.alarm, explained)
        if explained.returns or _is_usual(explained) or not self._is_news(found):
            return None
        known = said.is_sure or wording.AS_IF in found.text
        if not known and severity(self.metric_type, found) == "ok":
            self._open(replace(found, untold=True))
            return None
        return self._open(found)

    def _open(self, found: Episode) -> Episode:
        self.calm = self.quiet = 0
        self.story = Story(found.start)
        self.open = found if found.untold else self.told.counted(found)
        return self.open

    def _explain(self, said: Judged, usual: float | None = None) -> Explanation:
        return said.explain(self.metric_type, catalog.unit(self.metric_type), usual)

    def _heard_again(self, now: Episode, time: float, value: float, said: Judged) -> None:
        self.calm = self.quiet = 0
        self.open = replace(now, last=time)
        if said.alarm > now.score and now.deviates(value):
            self.open = replace(self.open, score=said.alarm)
            if now.kind != "departure" and now.is_reached_by(value):
                told = self._explain(said, now.expected).text
                self.open = retold(self.open, time, value, told)

    def _told_after_all(self, value: float) -> Episode | None:
        """What was kept back since nothing is ill, and is heard once more while it lasts."""
        if self.open is None or not self.open.untold or not self.open.deviates(value):
            return None
        return self._open(replace(self.open, untold=False))

    def _is_news(self, found: Episode) -> bool:
        if found.kind == "departure":  # its window does not reach back into what has ended
            return self.rest >= WINDOW and not self._is_trifle(found)
        if found.kind == "surge" and found.expected is not None:
            if self._is_trifle(found):
                return False
            return not self._is_way_back(found)
        return True

    def _is_way_back(self, found: Episode) -> bool:
        """Whether it leads back from what has ended lately: to what was expected, and not far past
        it. The same way again does not, unless it is far less than it was and follows at once."""
        before = self.ended
        if before is None or before.expected is None or self.quiet > LONGEST:
            return False
        echo = self.rest < WINDOW and found.size < 0.25 * before.size
        if before.likeness == found.likeness and not echo:
            return False
        return not before.deviates(found.value) and before.overshoot(found.value) < PAST

    def _is_trifle(self, found: Episode) -> bool:
        if found.expected is None:
            return False
        return abs(found.value - found.expected) < self.trifle

    def state(self) -> dict[str, Any]:
        """The state as JSON, for a snapshot."""
        both = {
            name: None if each is None else asdict(each)
            for name, each in (("open", self.open), ("ended", self.ended))
        }
        counts = {name: getattr(self, name) for name in _COUNTS}
        return {**both, **counts, **asdict(self.story), "told": self.told.state()}

    @property
    def lasting(self) -> Episode | None:
        """The open one, if anybody was told of it."""
        return _told(self.open)

    @classmethod
    def restored(cls, metric_type: str, state: Mapping[str, Any]) -> Episodes:
        """The episodes of a saved ``state``."""
        made = cls(metric_type)
        made.open = Episode(**state["open"]) if state["open"] else None
        made.ended = Episode(**state["ended"]) if state["ended"] else None
        made.calm, made.quiet, made.rest = (int(state[n]) for n in _COUNTS)
        settled = float(state.get("settled", made.open.start if made.open else 0.0))
        age, reached = int(state.get("age", 0)), float(state.get("reached", 0.0))
        made.story = Story(settled, age, reached)
        made.told = Precedents.restored(state["told"])
        return made


def _told(episode: Episode | None) -> Episode | None:
    """The episode, if anybody was told of it."""
    return None if episode is None or episode.untold else episode


def _is_usual(said: Explanation) -> bool:
    """Whether the value lies in the middle of what is usual: a run of small surprises that ends
    there, as a slow hour after a quiet night does, is for ranking."""
    if said.usual is None or said.value is None:
        return False
    low, high = said.usual
    return low <= said.value <= high
