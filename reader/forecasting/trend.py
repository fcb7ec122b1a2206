"""How high, how fast, and how sure: a trend filtered through every noise model side by side.

Each model is weighed by how well it foretold each reading from those before it. The scale of the
noise is integrated out, which gives the tails of Student's t. None of the models is true, and two
things are done about it: evidence counts in part (a power posterior), so that one that is only less
wrong than the others does not take all the weight; and where the errors of all of them together go
on in one direction, the noise to come is taken for as much larger as sums of such errors are.
Sources: Durbin & Koopman, Time Series Analysis by State Space Methods, 2nd ed. (2012), ch. 3-5;
Hoeting et al., Bayesian Model Averaging, Statistical Science 14 (1999); Gruenwald & van Ommen,
Inconsistency of Bayesian Inference for Misspecified Linear Models, Bayesian Analysis 12 (2017);
Newey & West, A Simple Covariance Matrix, Econometrica 55 (1987).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reader.forecasting import models
from reader.forecasting.models import Floats

_KNOWN_AFTER = 2  # readings that only say where the line begins, and judge no model
_EVIDENCE = 0.5  # of a reading: in full, the best of many wrong models is soon believed alone


@dataclass(frozen=True, slots=True)
class Trends:
    """What is known at the last step, per series (rows) and noise model (columns).

    State: the level, the steady part of its rate, the deviation of its rate, in the series' unit
    and per step; variances and covariances named by l, m and a.

    :ivar weight: of each model; rows sum to 1.
    :ivar freedom: degrees of freedom of the scale, per series.
    """

    weight: Floats
    level: Floats
    steady: Floats
    deviation: Floats
    ll: Floats
    lm: Floats
    la: Floats
    mm: Floats
    ma: Floats
    aa: Floats
    reading: Floats
    drift: Floats
    memory: Floats
    push: Floats
    freedom: Floats


def trends(values: Floats, finest: Floats) -> Trends:
    """Filter every series.

    :param values: series by steps, oldest first, NaN where there is no reading; of every series at
        least four readings. Sorted so that a series begins no earlier than the one before it.
    :param finest: of each series: no noise is believed to be smaller.
    """
    seen = np.isfinite(values)
    begins = seen.argmax(axis=1)
    filter_ = _Filter(values, begins)
    for i in range(values.shape[1]):
        known = int(np.searchsorted(begins, i, side="left"))  # rows that began before this step
        begun = int(np.searchsorted(begins, i, side="right"))
        filter_.predict(known)
        filter_.update(begun, i, values[:begun, i : i + 1], seen[:begun, i : i + 1])
    return filter_.result(finest)


class _Filter:
    """The running state; every operation is on the first so many rows, those that have begun."""

    def __init__(self, values: Floats, begins: np.ndarray) -> None:
        lengths = values.shape[1] - begins
        made = {length: models.grid(float(length)) for length in set(lengths.tolist())}
        columns = np.array([made[length] for length in lengths.tolist()])
        names = (models.READING, models.DRIFT, models.MEMORY, models.PUSH)
        self.reading, self.drift, self.memory, self.push = (columns[..., i] for i in names)
        self.belief = columns[..., models.BELIEF]
        empty = np.zeros(self.reading.shape)
        self.l = empty + values[np.arange(len(values)), begins][:, None]
        self.m, self.a = empty.copy(), empty.copy()
        self.ll = empty + models.DIFFUSE
        self.mm, self.aa = columns[..., models.STEADY], columns[..., models.DEVIATION]
        self.lm, self.la, self.ma = empty.copy(), empty.copy(), empty.copy()
        self.squares, self.logs = empty.copy(), empty.copy()
        self.errors = np.zeros((values.shape[1], *empty.shape))  # of each step, standardised
        self.count = np.zeros((len(values), 1))

    def predict(self, rows: int) -> None:
        """One step on: level += steady + deviation; deviation *= memory."""
        k = slice(rows)
        memory = self.memory[k]
        self.l[k] += self.m[k] + self.a[k]
        self.a[k] *= memory
        rate = self.mm[k] + self.ma[k]
        both = self.la[k] + self.ma[k] + self.aa[k]
        self.ll[k] += 2.0 * self.lm[k] + self.la[k] + rate + both + self.drift[k]
        self.lm[k] += rate
        self.la[k] = memory * both
        self.ma[k] *= memory
        self.aa[k] = memory**2 * self.aa[k] + self.push[k]

    def update(self, rows: int, step: int, values: Floats, seen: np.ndarray) -> None:
        """Learn from one step's reading of each series that has one."""
        k = slice(rows)
        if not seen.any():
            return
        surprise = np.where(seen, values - self.l[k], 0.0)
        variance = self.ll[k] + self.reading[k]
        held = np.where(seen, 1.0 / variance, 0.0)
        gain_l, gain_m, gain_a = self.ll[k] * held, self.lm[k] * held, self.la[k] * held
        self.l[k] += gain_l * surprise
        self.m[k] += gain_m * surprise
        self.a[k] += gain_a * surprise
        self.mm[k] -= gain_m * self.lm[k]
        self.ma[k] -= gain_m * self.la[k]
        self.aa[k] -= gain_a * self.la[k]
        self.lm[k] *= 1.0 - gain_l
        self.la[k] *= 1.0 - gain_l
        self.ll[k] = np.where(seen, gain_l * self.reading[k], self.ll[k])
        self.count[k] += seen
        judged = self.count[k] > _KNOWN_AFTER
        error = np.where(judged, surprise * np.sqrt(held), 0.0)
        self.errors[step, k] = error
        self.squares[k] += error**2
        self.logs[k] += np.where(seen & judged, np.log(variance), 0.0)

    def result(self, finest: Floats) -> Trends:
        freedom = self.count - _KNOWN_AFTER
        least = np.maximum(finest[:, None], np.finfo(float).tiny ** 0.5)
        squares = self.squares + freedom * least**2
        evidence = -0.5 * _EVIDENCE * (self.logs + freedom * np.log(squares))
        belief = np.log(self.belief) + evidence
        weight = np.exp(belief - belief.max(axis=1, keepdims=True))
        weight /= weight.sum(axis=1, keepdims=True)
        scale = squares / freedom
        together = np.einsum("irm,rm->ir", self.errors, weight)
        coming = scale * lasting(together, freedom[:, 0])
        uncertain = (self.ll, self.lm, self.la, self.mm, self.ma, self.aa)
        ll, lm, la, mm, ma, aa = (coming * each for each in uncertain)
        return Trends(
            weight, self.l, self.m, self.a, ll, lm, la, mm, ma, aa,
            scale * self.reading, coming * self.drift, self.memory, coming * self.push,
            _EVIDENCE * freedom[:, 0],
        )  # fmt: skip


def lasting(errors: Floats, count: Floats) -> Floats:
    """How many times the variance of a sum of errors is that of as many independent ones, or 1:
    a rate that varies over more time scales than any model has makes errors that last.

    Newey and West's estimate, over as many lags as the square root of the errors.

    :param errors: by step and series, 0 where there is none.
    :param count: of errors, per series.
    :returns: one column.
    """
    lags = np.sqrt(count).astype(int)
    total = np.maximum((errors**2).sum(axis=0), np.finfo(float).tiny)
    ratio = np.ones(len(count))
    for lag in range(1, int(lags.max()) + 1):
        part = np.maximum(1.0 - lag / (lags + 1.0), 0.0)
        ratio += 2.0 * part * (errors[lag:] * errors[:-lag]).sum(axis=0) / total
    return np.maximum(ratio, 1.0)[:, None]
