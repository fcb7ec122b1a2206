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
    ranked: array[float], value: float, least: float, at: int | None = None, weight: float = 1.0
) -> float:
    """Of a feature, in nats: of its two-sided rank, and of its distance beyond all that is known.

    :param least: width below which that of the known is no measure.
    :param at: its place among them, where that is known already.
    :param weight: of each of the known.
    """
    at, size = bisect_left(ranked, value) if at is None else at, len(ranked)
    rank = min(at, size - at)
    nats = log((weight * size + 1.0) / (2.0 * weight * rank + 1.0))
    if rank:
        return nats
    beyond = ranked[0] - value if at == 0 else value - ranked[-1]
    if beyond <= 0.0:
        return nats
    middle = ranked[size * 9 // 10] - ranked[size // 10]
    return nats + TAIL * log1p(beyond / max(middle, least))


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


def nearest(kept: array[float], row: array[float], weights: npt.NDArray[np.float64]) -> float:
    """The least distance of the row from one of those kept: its columns' differences, weighed and
    added up.

    :param kept: rows as long, one after the other, at least one.
    """
    apart = np.frombuffer(kept).reshape(-1, len(row)) - np.frombuffer(row)
    np.abs(apart, out=apart)
    return float(np.minimum.reduce(apart @ weights))


def rows(kept: array[float], width: int, numbers: range) -> array[float]:
    """The rows of these numbers, of such as are kept one after the other."""
    found = array("d")
    for number in numbers:
        found.extend(kept[number * width : (number + 1) * width])
    return found
