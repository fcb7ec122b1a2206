"""What the writers of one stream have dealt with, as one value that they share. Pure.

It is bounded: gaps, past streams, publishers and times beyond the limits below are forgotten, the
oldest first; what is forgotten is never called missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec
import orjson

from spindle.ledger.spans import Runs, Span, Spans
from spindle.timestamps import NS
from spindle.values import UNREADABLE, Nanoseconds, Whole

#: Points are counted by the ten minutes that their timestamps lie in.
STEP_NS = 600 * NS
MOST_STEPS = 288  #: two days
MOST_PUBLISHERS = 300
MOST_LIVES = 5


@dataclass(slots=True)
class StreamState:
    """A look at a stream: when it was made, in whole microseconds; its first and last sequence."""

    born_ns: int
    first: int
    last: int


@dataclass(slots=True)
class Life:
    """The sequences of a stream from its making to its deletion.

    :ivar base: the first one that is looked for.
    :ivar last: the last one that was seen in the stream.
    :ivar done: those that were stored or dead-lettered.
    """

    born_ns: int
    base: int
    last: int = 0
    done: Spans = field(default_factory=Spans)


@dataclass(slots=True)
class News:
    """What one writer has dealt with since it last noted it.

    :ivar numbers: of the publishers' points.
    :ivar stored: step -> points that the store certainly did not have before.
    """

    sequences: list[Span] = field(default_factory=list)
    numbers: dict[str, Spans] = field(default_factory=dict)
    stored: Counter[int] = field(default_factory=Counter)
    seen: StreamState | None = None

    def __bool__(self) -> bool:
        return bool(self.sequences or self.seen)


class Record:
    """The value.

    :ivar since_ns: when it was begun: what was published before is not in it.
    :ivar lives: of the stream, the newest last.
    :ivar numbers: publisher -> which of its points were dealt with.
    :ivar stored: step -> points stored with such timestamps.
    """

    def __init__(self, since_ns: int, state: StreamState | None) -> None:
        self.since_ns = since_ns
        self.lives = [Life(state.born_ns, max(1, state.first), state.last)] if state else []
        self.numbers: dict[str, Spans] = {}
        self.stored: Counter[int] = Counter()

    def take(self, news: News) -> None:
        """Add what a writer noted; the same again changes nothing but ``stored``."""
        if news.seen is not None:
            self._see(news.seen)
        for span in news.sequences:
            self._life_of(span).done.add(span)
        for name, spans in news.numbers.items():
            self.numbers.setdefault(name, Spans()).merge(spans.runs)
        self.stored.update(news.stored)
        self._forget()

    def _see(self, state: StreamState) -> None:
        if not self.lives or state.born_ns > self.lives[-1].born_ns:
            life = Life(state.born_ns, 1)
            # What was dealt with since then was noted before anybody looked at the new stream.
            for run in self.lives[-1].done.runs if self.lives else ():
                if run.last_ns >= state.born_ns:
                    first_ns = max(run.first_ns, state.born_ns)
                    life.done.add(Span(run.low, run.high, first_ns, run.last_ns))
            self.lives.append(life)
        newest = self.lives[-1]
        newest.last = max(newest.last, state.last)

    def _life_of(self, span: Span) -> Life:
        """A stream made anew begins at 1 again: a lower number at a later time is one of it."""
        for life in reversed(self.lives):
            if span.first_ns >= life.born_ns:
                runs = life.done.runs
                again = runs and span.low <= runs[-1].high and span.first_ns > runs[-1].last_ns
                if not again or life is not self.lives[-1]:
                    return life
                break
        if self.lives and span.first_ns < self.lives[0].born_ns:
            return self.lives[0]
        self.lives.append(Life(span.first_ns, 1))
        return self.lives[-1]

    def _forget(self) -> None:
        del self.lives[:-MOST_LIVES]
        if len(self.numbers) > MOST_PUBLISHERS:
            newest = sorted(self.numbers.items(), key=lambda item: item[1].last_ns)
            self.numbers = dict(newest[-MOST_PUBLISHERS:])
        if len(self.stored) > MOST_STEPS:
            self.stored = Counter(dict(sorted(self.stored.items())[-MOST_STEPS:]))

    def dump(self) -> bytes:
        """For the bucket."""
        return orjson.dumps(
            {
                "since": self.since_ns,
                "lives": [[it.born_ns, it.base, it.last, it.done.plain()] for it in self.lives],
                "numbers": {name: spans.plain() for name, spans in self.numbers.items()},
                "stored": sorted(self.stored.items()),
            }
        )


class _Plain(msgspec.Struct):
    """What ``Record.dump`` writes."""

    since: Whole
    lives: list[tuple[Whole, Whole, Whole, Runs]]
    numbers: dict[str, Runs]
    stored: list[tuple[Nanoseconds, Whole]]


def load(value: bytes) -> Record:
    """Of what the bucket holds.

    :raises ValueError: it is none.
    """
    try:
        plain = msgspec.json.decode(value, type=_Plain)
    except UNREADABLE as error:
        raise ValueError(f"not a record of the ledger: {error}") from None
    record = Record(plain.since, None)
    record.lives = [Life(born, base, last, Spans(runs)) for born, base, last, runs in plain.lives]
    record.numbers = {name: Spans(runs) for name, runs in plain.numbers.items()}
    record.stored = Counter(dict(plain.stored))
    return record


def steps_of(times_ns: Iterable[int]) -> Counter[int]:
    """How many of the times lie in each step."""
    steps: Counter[int] = Counter()
    for time_ns, count in Counter(times_ns).items():
        steps[time_ns - time_ns % STEP_NS] += count
    return steps
