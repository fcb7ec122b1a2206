"""Where each trend may go: paths drawn from all its noise models, and when they reach a level.

The same random numbers serve every series, so a forecast depends on its own readings alone and is
the same each time it is made.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache

import numpy as np

from reader.forecasting.models import Floats
from reader.forecasting.trend import Trends

PATHS = 500
POINTS = 45  # of a path, from now to the horizon
QUANTILES = (0.1, 0.5, 0.9)  # the ends of an 80 % interval, and its middle


@dataclass(frozen=True, slots=True)
class Paths:
    """Levels by series, path and point.

    :ivar noise: of one more reading, by series and path; added where a reading is foretold.
    """

    level: Floats
    noise: Floats


@cache
def _draws() -> Floats:
    """Standard normal numbers, half of them the other half's negatives."""
    half = np.random.default_rng(20_260_101).standard_normal((5 + 2 * POINTS, PATHS // 2))
    both = np.concatenate([half, -half], axis=1)
    both[3] = np.random.default_rng(7).permutation(both[3])  # scale: apart from the signs
    return both


def draw(trends: Trends, ahead: Floats, every: Floats) -> Paths:
    """Draw ``PATHS`` paths of ``POINTS`` points for every series.

    :param ahead: steps from the last reading's place to now, per series.
    :param every: steps between two points of a path, per series.
    """
    chosen = _choose(trends)
    normal = _draws()
    third = 2.0 / (
        9.0 * trends.freedom[:, None]
    )  # Wilson & Hilferty: a chi-square by its cube root
    spread = np.maximum(1.0 - third + normal[3] * np.sqrt(third), 0.05) ** -1.5
    level, steady, deviation = _start(chosen, spread, normal)
    first, later = _Leap(chosen, ahead[:, None]), _Leap(chosen, every[:, None])
    found = np.empty((POINTS, *level.shape))
    for i in range(POINTS):
        leap = later if i else first
        drawn = normal[5 + 2 * i], normal[6 + 2 * i]
        level, deviation = leap.make(level, steady, deviation, spread, drawn)
        found[i] = level
    noise = np.sqrt(chosen.reading) * spread * normal[4]
    return Paths(np.moveaxis(found, 0, 2), noise)


def _choose(trends: Trends) -> Trends:
    """The columns of ``Trends``, each model as often as its weight: one column per path."""
    at = (np.arange(PATHS) + 0.5) / PATHS
    mixed = np.random.default_rng(11).permutation(at)  # no tie between model and draw
    total = np.cumsum(trends.weight, axis=1)
    last = trends.weight.shape[1] - 1
    pick = np.array([np.searchsorted(row, mixed) for row in total]).clip(0, last)
    kept = {
        field.name: getattr(trends, field.name)
        if field.name == "freedom"
        else np.take_along_axis(getattr(trends, field.name), pick, axis=1)
        for field in fields(trends)
    }
    return Trends(**kept)


def _start(at: Trends, spread: Floats, normal: Floats) -> tuple[Floats, Floats, Floats]:
    """The state at the last step: drawn by its covariance's triangular root."""
    l1 = np.sqrt(np.maximum(at.ll, 0.0))
    m1, a1 = _over(at.lm, l1), _over(at.la, l1)
    m2 = np.sqrt(np.maximum(at.mm - m1**2, 0.0))
    a2 = _over(at.ma - m1 * a1, m2)
    a3 = np.sqrt(np.maximum(at.aa - a1**2 - a2**2, 0.0))
    z1, z2, z3 = normal[0], normal[1], normal[2]
    return (
        at.level + spread * l1 * z1,
        at.steady + spread * (m1 * z1 + m2 * z2),
        at.deviation + spread * (a1 * z1 + a2 * z2 + a3 * z3),
    )


def _over(top: Floats, bottom: Floats) -> Floats:
    """The quotient; 0 where the divisor is 0."""
    return np.divide(top, bottom, out=np.zeros_like(top), where=bottom > 0.0)


class _Leap:
    """A transition over so many steps at once, exact for any number of them.

    Between the steps the deviation is an Ornstein-Uhlenbeck process with the same memory.
    """

    def __init__(self, at: Trends, steps: Floats) -> None:
        memory = np.maximum(at.memory, 1e-9)
        time = -1.0 / np.log(memory)  # in which the deviation forgets; below 0 where it grows
        x = steps / time
        left, lost = np.exp(-x), -np.expm1(-x)
        twice = -np.expm1(-2.0 * x) / 2.0
        match = 1.0 / (time * -np.expm1(-1.0 / time))  # one leap of a step is the filter's step
        density = 2.0 * at.push / (time * -np.expm1(-2.0 / time))
        cubic = np.where(np.abs(x) > 1e-3, x - 2.0 * lost + twice, x**3 / 3.0)
        square = np.where(np.abs(x) > 1e-3, lost - twice, x**2 / 2.0)
        own = np.sqrt(density * time * twice)
        shared = _over(match * density * time**2 * square, own)
        rest = np.maximum(match**2 * density * time**3 * cubic - shared**2, 0.0)
        self.steps, self.left, self.carried = steps, left, match * time * lost
        self.own, self.shared = own, shared
        self.rest = np.sqrt(rest + at.drift * steps)

    def make(
        self,
        level: Floats,
        steady: Floats,
        deviation: Floats,
        spread: Floats,
        drawn: tuple[Floats, Floats],
    ) -> tuple[Floats, Floats]:
        """Level and deviation after the leap."""
        noise = self.shared * drawn[0] + self.rest * drawn[1]
        level = level + self.steps * steady + self.carried * deviation + spread * noise
        return level, self.left * deviation + spread * self.own * drawn[0]


def reached(level: Floats, target: Floats) -> Floats:
    """When each path first reaches a level, as a fraction of the way to the horizon.

    :param level: by series, path and point; the first point is now, the last the horizon.
    :param target: per series.
    :returns: quantiles by series; infinite where the horizon comes first.
    """
    above = level >= target[:, None, None]
    where = above.argmax(axis=2)
    now = np.take_along_axis(level, where[..., None], axis=2)[..., 0]
    before = np.take_along_axis(level, np.maximum(where - 1, 0)[..., None], axis=2)[..., 0]
    part = _over(target[:, None] - before, now - before)
    when = np.where(where == 0, 0.0, where - 1 + part) / (level.shape[2] - 1)
    when = np.where(above.any(axis=2), when, np.inf)
    places = [int(np.ceil(q * PATHS)) - 1 for q in QUANTILES]
    return np.sort(when, axis=1)[:, places]
