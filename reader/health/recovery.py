"""Is the trouble that a critical event reported over?

An event says that something happened, not that it has ended. Where the readings of its device
showed the same trouble, they also show its end: a metric that was past a limit when the event came
and has been well for long enough since. How long is a matter of the metric
(``catalog.Metric.settles_seconds``): a disk cools and warms slowly, so that a short calm is enough,
but a link that is lost every minute answers in time for half of it. A metric that went past a limit
again within a minute may do so once more. An event that no reading showed, and a login that no
reading can undo, count until their time is up.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from reader.health.limits import PAUSE, Limits, usual_gap_ns
from spindle import catalog
from spindle.store.base import Bucket, EventRow
from spindle.timestamps import NS

CALM_NS = int(catalog.SETTLES_SECONDS * NS)  # a calm that is enough for any metric
AROUND_NS = 120 * NS  # so far from an event readings may show the same trouble
#: Types of events that readings cannot show the end of: nothing undoes what a person did.
NOT_SHOWN_BY_READINGS = frozenset({"UnauthorizedAccess"})


@dataclass(frozen=True, slots=True)
class CalmStretch:
    """A stretch of readings on the well side of every limit; times in nanoseconds.

    :ivar last_bad: time of the reading before it.
    :ivar begins: time of its first reading.
    :ivar ends: time of its last one.
    :ivar needed: how long it has to last before the trouble is over.
    """

    last_bad: int
    begins: int
    ends: int
    needed: int

    def resolves(self, event: EventRow) -> bool:
        """Whether what the event reported was over at the end of this stretch."""
        # An event that came when its metric was well already is a hint that more is wrong.
        needed = self.needed if event.time_ns <= self.begins else max(self.needed, CALM_NS)
        return self.ends - max(self.last_bad, event.time_ns) >= needed


@dataclass(frozen=True, slots=True)
class _Course:
    """How one metric went in the last minutes.

    :ivar past: times of the readings past a limit, in order.
    :ivar calm: the stretches between them and after them, in order.
    """

    past: Sequence[int]
    calm: Sequence[CalmStretch]

    def first_sign_of(self, event: EventRow) -> int | None:
        """Time of the first reading that showed the event's trouble; None when none did."""
        near = bisect_left(self.past, event.time_ns - AROUND_NS)
        if near < len(self.past) and self.past[near] <= event.time_ns + AROUND_NS:
            return self.past[near]
        return None

    def resolves(self, event: EventRow, sign_ns: int) -> bool:
        """Whether it ended at any time since the sign; what goes wrong later is other trouble."""
        return any(each.last_bad >= sign_ns and each.resolves(event) for each in self.calm)


class Recovery:
    """What the last minutes of one device's readings say of its events."""

    def __init__(
        self, buckets: Mapping[str, Sequence[Bucket]], limits_of: Callable[[str], Limits | None]
    ) -> None:
        """:param buckets: its last minutes by metric type, oldest first."""
        found = (_course(own, limits_of(name)) for name, own in buckets.items())
        self._courses = [course for course in found if course is not None]

    def resolves(self, event: EventRow) -> bool:
        """Whether some metric showed the event's trouble, and all that did have recovered."""
        if event.event_type in NOT_SHOWN_BY_READINGS:
            return False
        signs = [(course, course.first_sign_of(event)) for course in self._courses]
        shown = [(course, at) for course, at in signs if at is not None]
        return bool(shown) and all(course.resolves(event, at) for course, at in shown)


def _course(buckets: Sequence[Bucket], limits: Limits | None) -> _Course | None:
    """None where the metric was never past a limit, or never well: that explains no event."""
    if limits is None:
        return None
    past: list[int] = []
    calm: list[CalmStretch] = []
    last_bad: int | None = None
    begins: int | None = None  # of the well readings since then
    ends = 0  # the last well one
    least = _settling_ns(limits)
    needed = least
    before = 0  # time of the bucket before
    pause = PAUSE * usual_gap_ns(buckets)
    for bucket in buckets:
        now = bucket.time_ns
        if last_bad is not None and now - before > pause:  # nobody knows how it was meanwhile
            calm += _stretch(last_bad, begins, ends, needed)
            last_bad, begins = now - pause // PAUSE, None
        before = now
        worst = bucket.maximum if limits.bad == "high" else bucket.minimum
        if not limits.may_hold(worst):
            begins, ends = begins or now, now
            continue
        calm += _stretch(last_bad, begins, ends, needed)
        if limits.is_past(worst):
            past.append(now)
            if calm and least <= calm[-1].ends - calm[-1].last_bad < CALM_NS:
                needed = max(least, CALM_NS)  # it seemed to be over, and was not
        last_bad, begins = now, None
    if not past or not ends:
        return None
    calm += _stretch(last_bad, begins, ends, needed)
    return _Course(past, calm)


def _stretch(last_bad: int | None, begins: int | None, ends: int, needed: int) -> list[CalmStretch]:
    """The calm stretch that ends here, if there was one."""
    if last_bad is None or begins is None:
        return []
    return [CalmStretch(last_bad, begins, ends, needed)]


def _settling_ns(limits: Limits) -> int:
    """How long the metric has to be well: at least as long as its limits themselves ask for."""
    known = catalog.metric(limits.metric_type)
    settles = known.settles_seconds if known else catalog.SETTLES_SECONDS
    asked = [limit.leave_seconds for limit in (limits.warning, limits.critical) if limit]
    return int(max(settles, *asked, 0.0) * NS)
