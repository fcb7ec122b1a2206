"""Is what a critical event told of over? Pure.

An event says that something happened, not that it is over. Where its device's readings told the
same story, they also tell its end: a metric that was past a limit when the event came, and has been
well since for long enough. How long is a matter of the metric. A disk cools and warms slowly, so
well for as long as the limit itself asks for (``leave_seconds``) is well; a link that is lost every
minute answers in time for half of it. What went past a limit again within a minute may do so once
more. An event that no reading told of, and a login that no reading can undo, are not over
before their time.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from reader.health.hysteresis import PAUSE, usual_gap_ns
from reader.health.limits import Limits
from spindle.store.base import Bucket, EventRow
from spindle.timestamps import NS

QUIET_NS = 60 * NS  # that a story's metric is well before the story is over
AROUND_NS = 120 * NS  # so far from an event readings may tell of the same
#: Metrics that do not come back within a minute: well for so long is enough, at their first fall.
STEADY_NS = {"DiskTemp": 20 * NS}
#: What a person did is not undone by readings that are well.
NO_READING_TELLS = frozenset({"UnauthorizedAccess"})


@dataclass(frozen=True, slots=True)
class _Rest:
    """A stretch of readings that were safely on the well side of every limit.

    :ivar bad: the last reading before it.
    :ivar begins: its first reading.
    :ivar ends: its last one.
    :ivar quiet: how long it has to be for a story to be over.
    """

    bad: int
    begins: int
    ends: int
    quiet: int

    def ends_it(self, event: EventRow) -> bool:
        """Whether what an event told of was over at the end of this."""
        # An event that came when its metric was well already is a hint that more is wrong.
        quiet = self.quiet if event.time_ns <= self.begins else max(self.quiet, QUIET_NS)
        return self.ends - max(self.bad, event.time_ns) >= quiet


@dataclass(frozen=True, slots=True)
class _Story:
    """What the last minutes of one metric tell.

    :ivar past: times of readings past a limit, in order.
    :ivar rests: between them and after them, in order.
    """

    past: Sequence[int]
    rests: Sequence[_Rest]

    def told(self, event: EventRow) -> int | None:
        """When a reading first told of the same as an event; None when none did."""
        near = bisect_left(self.past, event.time_ns - AROUND_NS)
        if near < len(self.past) and self.past[near] <= event.time_ns + AROUND_NS:
            return self.past[near]
        return None

    def over(self, event: EventRow, told: int) -> bool:
        """Whether it ended at any time since: what goes wrong later is another story."""
        return any(rest.bad >= told and rest.ends_it(event) for rest in self.rests)


class Stories:
    """What one device's readings tell of its events."""

    def __init__(
        self, steps: Mapping[str, Sequence[Bucket]], limits_of: Callable[[str], Limits | None]
    ) -> None:
        """:param steps: its last minutes by metric, oldest first."""
        found = (_story(of, limits_of(metric_type)) for metric_type, of in steps.items())
        self._stories = [story for story in found if story is not None]

    def over(self, event: EventRow) -> bool:
        """Whether readings told of the event, and all that did were well for long enough since."""
        if event.event_type in NO_READING_TELLS:
            return False
        told = [(story, at) for story in self._stories if (at := story.told(event)) is not None]
        return bool(told) and all(story.over(event, at) for story, at in told)


def _story(steps: Sequence[Bucket], limits: Limits | None) -> _Story | None:
    """None where the metric never was past a limit, or was never well: that explains no event."""
    if limits is None:
        return None
    past: list[int] = []
    rests: list[_Rest] = []
    bad: int | None = None  # the last bad reading
    begins: int | None = None  # of the well ones since then
    ends = 0  # the last well one
    steady = _quiet_ns(limits)
    quiet = steady
    before = 0  # time of the step before
    pause = PAUSE * usual_gap_ns(steps)
    for step in steps:
        if bad is not None and step.time_ns - before > pause:  # nobody knows how it was meanwhile
            rests += _rest(bad, begins, ends, quiet)
            bad, begins = step.time_ns - pause // PAUSE, None
        before = step.time_ns
        worst = step.maximum if limits.bad == "high" else step.minimum
        if not limits.doubtful(worst):
            begins, ends = begins or step.time_ns, step.time_ns
            continue
        rests += _rest(bad, begins, ends, quiet)
        if _past(worst, limits):
            past.append(step.time_ns)
            if rests and steady <= rests[-1].ends - rests[-1].bad < QUIET_NS:
                quiet = max(steady, QUIET_NS)  # it seemed to be over, and was not
        bad, begins = step.time_ns, None
    if not past or not ends:
        return None
    rests += _rest(bad, begins, ends, quiet)
    return _Story(past, rests)


def _rest(bad: int | None, begins: int | None, ends: int, quiet: int) -> list[_Rest]:
    """The one that is over now, if there was one."""
    return [] if bad is None or begins is None else [_Rest(bad, begins, ends, quiet)]


def _past(value: float, limits: Limits) -> bool:
    return any(
        limit is not None and limits.reached(value, limit.enter)
        for limit in (limits.warning, limits.critical)
    )


def _quiet_ns(limits: Limits) -> int:
    """At least as long as the limits themselves ask for."""
    asked = [limit.leave_seconds for limit in (limits.warning, limits.critical) if limit]
    return max(STEADY_NS.get(limits.metric_type, QUIET_NS), int(max(asked, default=0.0) * NS))
