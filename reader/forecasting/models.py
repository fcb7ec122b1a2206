"""The noise models a trend is filtered with, and how much each is believed beforehand.

The level of a series rises each step by a rate and a noise of its own (``drift``); the rate is a
steady part plus a deviation that forgets by ``memory`` a step and is pushed by ``push``; and each
reading carries noise besides. A short past does not tell which of these there are, and the answer
decides how far it speaks for the future. So all are kept, and weighed by how well they foretold.

Ratios are relative (the scale of the noise is integrated out) and times are parts of the series'
own length, so neither unit nor sampling rate matters. The grid is coarse on purpose: factors of 10
in variance, of 1.4 to 10 in time. Beliefs were set by hand: one of them halved or doubled moves the
mean coverage by half a point, that of lines or of rates that wander by two at most.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

#: Variance of what is not known at the start; noise has a variance of about 1.
DIFFUSE = 1e8

_READING = (0.0, 0.3, 3.0, 30.0, 300.0)  # noise of a reading, beside steps of the level of 1
_FORGETS = (3.0, 0.1)  # time in which the rate forgets: steps, and parts of the length
_SWING = (1.0, 10.0)  # how far such a rate swings
_WANDERS = (10.0, 300.0)  # how far a rate without an anchor goes, over the length
_BENDS = (0.0, 3e1, 1e3, 3e4)  # the same for a line with nothing but noise of reading
_SATURATES = (
    0.25,
    0.35,
    0.5,
    0.7,
    1.0,
    1.4,
    2.0,
    2.8,
    4.0,
    5.6,
    8.0,
)  # time in which growth dies away, in lengths
_SPEEDS_UP = (1.0, 1.4, 2.0, 2.8, 4.0, 5.6, 8.0)  # time in which it grows by e, in lengths
_NEVER = 1e4  # steps, in units of the length, that a rate needs to forget where it never does

#: Columns of ``grid``.
READING, DRIFT, MEMORY, PUSH, DEVIATION, STEADY, BELIEF = range(7)


def grid(length: float) -> Floats:
    """One row per model, for a series of so many steps.

    :returns: columns ``READING``, ``DRIFT``, ``PUSH``: variances; ``MEMORY``: what is left of a
        deviation after a step; ``DEVIATION`` and ``STEADY``: variances at the start of the rate's
        two parts; ``BELIEF``: beforehand, summing to 1.
    """
    square, fourth = length**2, length**4
    always = np.exp(-1.0 / (_NEVER * length))
    rows = [
        *_family(0.60, [(r, 1.0, 0.0, 0.0, 0.0) for r in _READING]),
        *_family(0.40, [(1.0, 0.0, 0.0, 0.0, 0.0)]),
        *_family(0.20, _forgetting(length)),
        *_family(0.05, _smooth(length)),
        *_family(0.05, [(r, 1.0, always, w / square, 0) for w in _WANDERS for r in (0, 3, 300)]),
        *_family(0.05, [(r, 0.0, always, 1.0, 0.0) for r in (0.0, 0.3, 3.0)]),
        *_family(0.05, [(1.0, 0.0, always, bend / fourth, 0.0) for bend in _BENDS]),
        *_family(0.20, _from(length, _SATURATES), steady=0.0),
        *_family(0.10, _from(length, [-time for time in _SPEEDS_UP]), steady=0.0),
    ]
    found = np.array(rows, dtype=np.float64)
    found[:, BELIEF] /= found[:, BELIEF].sum()
    return found


Row = tuple[float, ...]


def _family(belief: float, rows: list[Row], steady: float = DIFFUSE) -> list[Row]:
    return [(*row, steady, belief / len(rows)) for row in rows]


def _memory(time: float, length: float) -> float:
    steps = time * length if time < 1.0 else time
    return float(np.exp(-1.0 / max(1.0, steps)))


def _forgetting(length: float) -> list[Row]:
    """Growth with bursts and lulls that last for a while."""
    rows: list[Row] = []
    for time in _FORGETS:
        memory = _memory(time, length)
        steps = max(1.0, time * length if time < 1.0 else time)
        for swing in _SWING:
            far = swing / steps
            rows += [(r, 1.0, memory, far * (1.0 - memory**2), far) for r in (0.0, 3.0, 300.0)]
    return rows


def _smooth(length: float) -> list[Row]:
    """The same models without noise of the level itself."""
    rows: list[Row] = []
    for time in _FORGETS:
        memory = _memory(time, length)
        rows += [(r, 0.0, memory, 1.0 - memory**2, 1.0) for r in (0.0, 0.3, 3.0)]
    return rows


def _from(length: float, times: Sequence[float]) -> list[Row]:
    """Growth that slows down or speeds up: no steady part, and an unknown rate at the start."""
    rows: list[Row] = []
    for time in times:
        memory = float(np.exp(-1.0 / (time * length)))
        rows += [(0.0, 1.0, memory, 0.0, DIFFUSE)]
        rows += [(1.0, 0.0, memory, z / length**4, DIFFUSE) for z in (0.0, 30.0, 1e3)]
    return rows
