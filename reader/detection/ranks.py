"""How surprising a number is among those that are known, in nats; remembered rows of numbers."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from math import log, log1p

import numpy as np
import numpy.typing as npt

TAIL = 4.0
"""Weight of the distance beyond everything known, in nats for each factor e."""


def surprise(
    ranked: array[float], value: float, least: float, weight: float, unit: float | None = None
) -> float:
    """Of a feature, in nats: of its two-sided rank, and of its distance beyond all that is known.

    :param least: width below which that of the known is no measure.
    :param weight: of each of the known.
    :param unit: distances are those of the logarithms, with this added; None for plain ones.
    """
    at, size = bisect_left(ranked, value), len(ranked)
    rank = at if 2 * at < size else size - at
    nats = log((weight * size + 1.0) / (2.0 * weight * rank + 1.0))
    if rank:
        return nats
    known, low, high = ranked[-1 if at else 0], ranked[size // 10], ranked[size * 9 // 10]
    if unit is not None:
        value, known, low, high = (log(each + unit) for each in (value, known, low, high))
    beyond = value - known if at else known - value
    if beyond <= 0.0:
        return nats
    return nats + TAIL * log1p(beyond / max(high - low, least))


def above(ranked: Sequence[float], value: float, least: float, weight: float) -> float:
    """The same of a distance, of which only a large one is a surprise.

    :param ranked: at least one.
    """
    size = len(ranked)
    rank = size - bisect_left(ranked, value)
    nats = log((weight * size + 1.0) / (weight * rank + 1.0))
    if rank:
        return nats
    return nats + TAIL * log1p((value - ranked[-1]) / max(ranked[size * 9 // 10], least))


def nearest(
    known: npt.NDArray[np.float64],
    column: npt.NDArray[np.float64],
    weights: npt.NDArray[np.float64],
) -> float:
    """The least distance of the column from one of those known: their differences row by row,
    weighed and added up.

    :param known: columns as long, at least one.
    """
    apart = known - column
    np.abs(apart, out=apart)
    return float(np.minimum.reduce(weights @ apart))


def rows(kept: array[float], width: int, numbers: range) -> array[float]:
    """The rows of these numbers, of such as are kept one after the other."""
    found = array("d")
    for number in numbers:
        found.extend(kept[number * width : (number + 1) * width])
    return found
