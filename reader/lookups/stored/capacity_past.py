"""What a capacity forecast reads: half a year of any number of series in a few queries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from reader.forecasting.capacity import Samples
from reader.forecasting.short_term import SPAN_SECONDS, STEP_SECONDS
from reader.health.hosts import units
from spindle.store.base import Latest, Selection, Store
from spindle.timestamps import NS

_HOUR = 3600


class _Span(NamedTuple):
    """A part of the past: from ``begin`` to ``end`` hours ago, in steps of ``seconds``."""

    begin: int
    end: int
    seconds: int


class Past(NamedTuple):
    """The past of all selected series.

    :ivar newest: the newest reading of each that has one not later than now.
    """

    newest: list[Latest]
    spans: list[Samples]


LONGEST_HOURS = 180 * 24  # ago: what is older says nothing of the next weeks

#: Fine where a short past is judged by them, coarse where only a long one is; yet at least twice a
#: day, or a daily rhythm would be seen at one of its hours here and at all of them there. The last
#: is longer by a step of half a day than a day: a reading a day lies in a whole one.
_SPANS = (
    _Span(LONGEST_HOURS, 28 * 24, 43_200),
    _Span(28 * 24, 7 * 24, 10_800),
    _Span(7 * 24, 36, 3600),
    _Span(36, 0, 900),
)
_MANY = 2_000  # series from which on steps are longer
_MANY_SPANS = (
    _Span(LONGEST_HOURS, 28 * 24, 43_200),
    _Span(28 * 24, 18, 21_600),
    _Span(18, 0, 900),
)
_MOST_STEPS = 2_000_000  # rows of one answer of the store: 6,000 series of 304 steps


class Stretch(NamedTuple):
    """From (included) and to (not), and the steps it is read in, all in nanoseconds."""

    begin: int
    end: int
    step: int


def stretches(now_ns: int, oldest_ns: int, series: int) -> Iterator[Stretch]:
    """What to read, oldest first, so that no step is read twice and none is cut at its begin.

    :param oldest_ns: before it there is nothing.
    :param series: how many are read at once.
    """
    begin_ns = oldest_ns
    for span in _SPANS if series <= _MANY else _MANY_SPANS:
        step_ns = span.seconds * NS
        begin_ns = -(-begin_ns // step_ns) * step_ns
        end_ns = (
            now_ns + 1 if span.end == 0 else (now_ns - span.end * _HOUR * NS) // step_ns * step_ns
        )
        if begin_ns < end_ns:
            yield Stretch(begin_ns, end_ns, step_ns)
            begin_ns = end_ns


async def read_past(store: Store, which: Selection, now_ns: int, retention_hours: float) -> Past:
    """Readings of all selected series: one query for the newest, and at most one a stretch.

    Capacity changes slowly: a reading of each step says as much as their mean, and is had without
    looking at all of them (``docs/forecast-measured.md`` has both measured).

    :param retention_hours: how far back there is anything; 0 for ever.
    """
    oldest_ns = max(0, now_ns - LONGEST_HOURS * _HOUR * NS)
    if retention_hours:
        oldest_ns = max(oldest_ns, now_ns - int(retention_hours * _HOUR) * NS)
    newest = await store.latest(which, oldest_ns)
    now = {reading.key for unit in units(newest) for reading in unit.readings}
    left = {each.key for each in newest} - now  # where drives were that have moved
    past = Past([last for last in newest if last.time_ns <= now_ns and last.key in now], [])
    if not newest:
        return past
    for begin, end, step in stretches(now_ns, oldest_ns, len(newest)):
        steps = await store.series(which, begin, end, step, _MOST_STEPS, sampled=True)
        if left:
            steps = [each for each in steps if each.key not in left]
        past.spans.append(Samples(steps, begin / NS, step / NS))
    return past


async def read_recent(store: Store, which: Selection, now_ns: int) -> Past:
    """The last minutes of all selected series, for what fills up within hours: two queries."""
    step_ns = int(STEP_SECONDS * NS)
    begin = (now_ns - int(SPAN_SECONDS * NS)) // step_ns * step_ns
    steps = await store.series(which, begin, now_ns + 1, step_ns, _MOST_STEPS, sampled=True)
    newest = await store.latest(which, begin, now_ns)
    return Past(newest, [Samples(steps, begin / NS, STEP_SECONDS)])
