"""A rhythm that repeats: the day's in readings by the hour, the week's in readings by the day."""

from __future__ import annotations

import numpy as np

from reader.forecasting.models import Floats

_CYCLES = 3  # seen at least so often; a rhythm seen twice may be chance
_WORTH = 0.2  # part of the variation about the trend that it must foretell, in cycles left out
_FAR = 4.0  # robust deviations past which a reading says no more about the rhythm


def rhythm(values: Floats, period: int) -> Floats | None:
    """What each step of the cycle adds to the trend.

    :param values: steps, oldest first, NaN where there is no reading.
    :param period: steps of one cycle.
    :returns: ``period`` numbers with mean 0, the first for the first step of ``values``; None where
        there is no rhythm worth the name.
    """
    cycles = len(values) // period
    if cycles < _CYCLES + 1:  # the moving mean leaves half a cycle at both ends
        return None
    about = _about_trend(values, period)
    padded = np.full((cycles + 1) * period, np.nan)
    padded[: len(about)] = about
    table = _held(padded).reshape(-1, period)
    seen = np.isfinite(table)
    total, count = np.where(seen, table, 0.0).sum(axis=0), seen.sum(axis=0)
    if (count < _CYCLES).any():
        return None
    others = (total - np.where(seen, table, 0.0)) / np.maximum(count - seen, 1)
    before, after = np.nansum(table**2), np.nansum((table - others) ** 2)
    if before <= 0.0 or after > (1.0 - _WORTH) * before:
        return None
    profile = total / count
    return np.asarray(profile - profile.mean())


def _about_trend(values: Floats, period: int) -> Floats:
    """Values less their moving mean over one cycle; NaN where a cycle is not whole."""
    seen = np.isfinite(values)
    window = np.ones(period) if period % 2 else np.r_[0.5, np.ones(period - 1), 0.5]
    mean = np.full(len(values), np.nan)
    half = len(window) // 2
    whole = np.convolve(np.where(seen, values, 0.0), window, "valid") / period
    enough = np.convolve(seen, window, "valid") > period - 0.25
    mean[half : len(values) - half] = np.where(enough, whole, np.nan)
    return np.asarray(values - mean)


def _held(about: Floats) -> Floats:
    """Values with outliers moved in, since a burst is no rhythm."""
    size = 1.4826 * np.nanmedian(np.abs(about)) if np.isfinite(about).any() else 0.0
    return np.asarray(np.clip(about, -_FAR * size, _FAR * size)) if size > 0.0 else about
