"""Sets of whole numbers as runs, each with the time of its first and its last. Pure.

What arrives in order is one run, however long; only what is missing costs memory. The times say
when something between two runs must have been lost.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from spindle.values import UNREADABLE, Whole

#: Runs remembered of one set. Beyond it the oldest gap is taken for filled.
MOST = 500


class Span(NamedTuple):
    """The numbers ``low`` to ``high``, both included; times in nanoseconds."""

    low: int
    high: int
    first_ns: int
    last_ns: int

    @property
    def size(self) -> int:
        """How many numbers."""
        return self.high - self.low + 1


Runs = list[tuple[Whole, Whole, Whole, Whole]]  #: of ``Spans.plain``
_RUNS = msgspec.json.Decoder(Runs)


class Spans:
    """A set of numbers; runs that touch become one."""

    __slots__ = ("runs",)

    def __init__(self, runs: Iterable[Sequence[int]] = ()) -> None:
        self.runs = [Span(*run) for run in runs]  #: rising; between two there is a gap

    @classmethod
    def load(cls, value: bytes) -> Spans:
        """Of the JSON of ``plain``.

        :raises ValueError: it is not that.
        """
        try:
            return cls(_RUNS.decode(value))
        except UNREADABLE as error:
            raise ValueError(f"not runs of numbers: {error}") from None

    def add(self, span: Span) -> None:
        """Add a run, whatever of it is there already."""
        runs = self.runs
        if runs and span.low == runs[-1].high + 1:  # nearly always
            last = runs[-1]
            runs[-1] = Span(last.low, span.high, last.first_ns, span.last_ns)
            return
        at = bisect_left(runs, span.low - 1, key=lambda run: run.high)
        end = at
        while end < len(runs) and runs[end].low <= span.high + 1:
            span = _joined(runs[end], span)
            end += 1
        runs[at:end] = [span]
        if len(runs) > MOST:
            runs[:2] = [_joined(runs[0], runs[1])]

    def merge(self, others: Iterable[Span]) -> None:
        """Add many."""
        for span in others:
            self.add(span)

    def gaps(self, low: int, high: int) -> Iterator[Span]:
        """What is not there of ``low`` to ``high``.

        Its times are those of its neighbours: ``first_ns`` is 0 where nothing is before it, and
        ``last_ns`` 0 where nothing is after it.
        """
        before_ns = 0
        for run in self.runs:
            if run.high < low:
                before_ns = run.last_ns
                continue
            if run.low > high:
                if low <= high:
                    yield Span(low, high, before_ns, run.first_ns)
                return
            if run.low > low:
                yield Span(low, run.low - 1, before_ns, run.first_ns)
            low, before_ns = run.high + 1, run.last_ns
        if low <= high:
            yield Span(low, high, before_ns, 0)

    @property
    def size(self) -> int:
        """How many numbers."""
        return sum(run.size for run in self.runs)

    @property
    def last_ns(self) -> int:
        """The time of the highest; 0 of none."""
        return self.runs[-1].last_ns if self.runs else 0

    def plain(self) -> list[Any]:
        """For JSON."""
        return [list(run) for run in self.runs]


def _joined(one: Span, other: Span) -> Span:
    low, high = (one if one.low <= other.low else other), (one if one.high >= other.high else other)
    return Span(low.low, high.high, low.first_ns, high.last_ns)
