"""What a detector of long anomalies is measured beside: three well-known ways, causal as ours is.

Each takes a series and gives a score to every point, higher where it is more unusual.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from benchmarks.series.processes import Floats

WINDOW = 60
PAST = 1440
_TINY = 1e-9


def rolling_z(values: Floats) -> Floats:
    """Distance from the mean of the day before, in its standard deviations."""
    sums, squares = (np.concatenate([[0.0], np.cumsum(v)]) for v in (values, values**2))
    at = np.arange(values.size)
    first = np.maximum(0, at - PAST)
    count = np.maximum(1, at - first)
    mean = (sums[at] - sums[first]) / count
    spread = np.sqrt(np.maximum((squares[at] - squares[first]) / count - mean**2, 0.0))
    found = np.abs(values - mean) / (spread + _TINY)
    found[:WINDOW] = 0.0
    return np.asarray(found)


def learning(points: int) -> int:
    """Points that those learn from which learn once: the first two days of a week, in which nothing
    is wrong, and as large a share of what is shorter."""
    return max(300, min(2 * PAST, points * 2 // 7))


def isolation_forest(values: Floats, trees: int = 100) -> Floats:
    """Liu, Ting and Zhou (ICDM 2008) on the last hour, grown on what came in the first two days."""
    rng = np.random.default_rng(1)
    known = learning(values.size) - WINDOW
    windows = sliding_window_view(values, WINDOW)
    depth = np.zeros(len(windows))
    for _ in range(trees):
        sample = rng.choice(known, min(256, known), replace=False)
        _isolate(windows, np.arange(len(windows)), sample, depth, rng, 8)
    found = np.full(values.size, -np.inf)
    found[WINDOW - 1 :] = -depth
    found[: WINDOW - 1] = found[WINDOW - 1 :].min()
    return found


def _isolate(
    windows: Floats,
    all_rows: np.typing.NDArray[np.intp],
    sample: np.typing.NDArray[np.intp],
    depth: Floats,
    rng: np.random.Generator,
    left: int,
) -> None:
    """Split rows by chance as the sample of them lies, and add up how deep each gets."""
    if not all_rows.size:
        return
    if not left or sample.size <= 1:
        size = sample.size
        if size > 1:
            depth[all_rows] += 2.0 * (np.log(size - 1) + 0.5772) - 2.0 * (size - 1) / size
        return
    column = int(rng.integers(WINDOW))
    of_sample = windows[sample, column]
    cut = rng.uniform(of_sample.min(), of_sample.max())
    depth[all_rows] += 1.0
    below = windows[all_rows, column] < cut
    for side in (True, False):
        _isolate(
            windows,
            all_rows[below == side],
            sample[(of_sample < cut) == side],
            depth,
            rng,
            left - 1,
        )


def left_matrix_profile(values: Floats) -> Floats:
    """Distance of the last hour, z-normalised, to the nearest hour before it (Yeh et al. 2016)."""
    windows = sliding_window_view(values, WINDOW)
    count = len(windows)
    mean, spread = windows.mean(axis=1), windows.std(axis=1) + _TINY
    products = windows @ values[:WINDOW]  # of every window with the first
    first = products.copy()
    found = np.zeros(values.size)
    for row in range(1, count):
        products[1:] = (
            products[:-1]
            - values[row - 1] * values[: count - 1]
            + values[row - 1 + WINDOW] * values[WINDOW : WINDOW + count - 1]
        )
        products[0] = first[row]
        before = row - WINDOW
        if before > 0:
            past = slice(0, before)
            alike = (products[past] - WINDOW * mean[past] * mean[row]) / (
                WINDOW * spread[past] * spread[row]
            )
            found[row + WINDOW - 1] = np.sqrt(max(0.0, 2.0 * WINDOW * (1.0 - alike.max())))
    return found


def subsequence_pca(values: Floats) -> Floats:
    """What the last hour has that no mixture of the main components of the learnt hours has (Q
    statistic of Jackson and Mudholkar, 1979), of nine tenths of their variance."""
    windows = sliding_window_view(values, WINDOW)
    learnt = windows[: learning(values.size) - WINDOW]
    mean = learnt.mean(axis=0)
    _, sizes, axes = np.linalg.svd(learnt - mean, full_matrices=False)
    shares = np.cumsum(sizes**2) / max(float(np.sum(sizes**2)), _TINY)
    main = axes[: int(np.searchsorted(shares, 0.9)) + 1]
    apart = windows - mean
    rest = np.sum(apart**2, axis=1) - np.sum((apart @ main.T) ** 2, axis=1)
    return _from_windows(np.asarray(np.sqrt(np.maximum(rest, 0.0))))


def nearest_mean(values: Floats, means: int = 12, rounds: int = 10) -> Floats:
    """Distance of the last hour to the nearest of the means of the learnt hours (k-means)."""
    rng = np.random.default_rng(1)
    windows = sliding_window_view(values, WINDOW)
    learnt = windows[: learning(values.size) - WINDOW]
    centres = learnt[rng.choice(len(learnt), means, replace=False)].copy()
    for _ in range(rounds):
        of = _distances(learnt, centres).argmin(axis=1)
        for n in np.unique(of):
            centres[n] = learnt[of == n].mean(axis=0)
    return _from_windows(np.asarray(_distances(windows, centres).min(axis=1)))


def _distances(windows: Floats, centres: Floats) -> Floats:
    squares = np.sum(windows**2, axis=1)[:, None] + np.sum(centres**2, axis=1)
    return np.asarray(np.sqrt(np.maximum(squares - 2.0 * windows @ centres.T, 0.0)))


def _from_windows(of_windows: Floats) -> Floats:
    """Of each point what was found of the hour that ends with it."""
    return np.concatenate([np.full(WINDOW - 1, of_windows.min()), of_windows])
