"""What is missing: claims, the writers' record, the stream and the store compared. Pure.

Read in this order: the claims, the streams, the records, the store. Then what was claimed, or gone
from a stream, when it was looked at must be in what was read after it, whatever goes on meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from spindle.ledger.record import STEP_NS, Life, Record, StreamState
from spindle.ledger.spans import Span, Spans
from spindle.timestamps import NS

#: A message is published again for some seconds, so that it may stand behind later ones.
_ORDER_NS = 60 * NS


@dataclass(frozen=True, slots=True)
class StreamNow:
    """One look at a stream.

    :ivar messages: it holds now.
    :ivar oldest_ns: when it took the oldest of them.
    """

    state: StreamState
    messages: int
    oldest_ns: int


@dataclass(frozen=True, slots=True)
class Claim:
    """What a publisher had acknowledged of one stream, and when NATS heard of it."""

    publisher: str
    points: Spans
    time_ns: int


@dataclass(frozen=True, slots=True)
class Window:
    """From ``since_ns`` to ``until_ns``."""

    since_ns: int
    until_ns: int

    def has(self, first_ns: int, last_ns: int) -> bool:
        """Whether something between the two times may lie in it."""
        return first_ns <= self.until_ns and last_ns >= self.since_ns


def lost_sequences(record: Record, now: StreamNow, window: Window) -> Iterator[Span]:
    """What is gone from the stream, and no writer has stored or dead-lettered it."""
    for life, low, high in _lives(record, now):
        for gap in life.done.gaps(low, high):
            timed = gap._replace(
                first_ns=gap.first_ns or life.born_ns, last_ns=gap.last_ns or window.until_ns
            )
            if window.has(timed.first_ns, timed.last_ns):
                yield timed


def _lives(record: Record, now: StreamNow) -> Iterator[tuple[Life, int, int]]:
    """Each life of the stream, with the sequences that must have been dealt with."""
    *past, newest = record.lives or [Life(now.state.born_ns, now.state.first)]
    if now.state.born_ns > newest.born_ns:
        past, newest = [*past, newest], Life(now.state.born_ns, 1)
    for life in past:
        yield life, life.base, max(life.last, life.done.runs[-1].high if life.done.runs else 0)
    yield newest, newest.base, now.state.first - 1 if now.messages else now.state.last


def waiting_sequences(record: Record, now: StreamNow) -> int:
    """Messages in the stream that nobody has dealt with."""
    if not now.messages:
        return 0
    known = record.lives[-1] if record.lives else None
    done = known.done if known and known.born_ns >= now.state.born_ns else Spans()
    left = sum(gap.size for gap in done.gaps(now.state.first, now.state.last))
    return min(left, now.messages)


def lost_points(
    record: Record, claim: Claim, now: StreamNow, window: Window
) -> tuple[list[Span], int]:
    """A publisher's acknowledged points that no writer has dealt with: the lost, and how many of
    which that cannot be said yet, as they may wait in the stream."""
    noted = record.numbers.get(claim.publisher, Spans())
    began_ns = claim.points.runs[0].first_ns if claim.points.runs else 0
    lost, waiting = [], 0
    for run in claim.points.runs:
        for gap in noted.gaps(run.low, run.high):
            if not gap.first_ns and began_ns < record.since_ns:
                continue  # before the record was begun
            timed = gap._replace(
                first_ns=max(gap.first_ns, run.first_ns), last_ns=gap.last_ns or claim.time_ns
            )
            if now.messages and not _decided(gap, claim, now):
                waiting += gap.size
            elif window.has(min(timed.first_ns, timed.last_ns), timed.last_ns):
                lost.append(timed)
    return lost, waiting


def _decided(gap: Span, claim: Claim, now: StreamNow) -> bool:
    """Whether everything of the gap was in the stream before all that waits there."""
    return claim.time_ns < now.oldest_ns or 0 < gap.last_ns < now.oldest_ns - _ORDER_NS


def steps_between(record: Record, window: Window, oldest_ns: int) -> dict[int, int]:
    """What was stored, by steps that the window touches; none begins before ``oldest_ns``."""
    since_ns = max(window.since_ns - window.since_ns % STEP_NS, oldest_ns)
    return {
        step: count
        for step, count in record.stored.items()
        if since_ns <= step <= window.until_ns and count
    }


def shortfall(stored: Mapping[int, int], held: Mapping[int, int]) -> dict[int, int]:
    """Step -> how many fewer the store holds than were stored."""
    return {
        step: count - held.get(step, 0)
        for step, count in stored.items()
        if held.get(step, 0) < count
    }
