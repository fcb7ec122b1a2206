"""VUS-PR: the area under precision and recall, over all widths of forgiveness at a label's edges.

Source: Paparrizos et al., "Volume Under the Surface: A New Accuracy Evaluation Measure for
Time-Series Anomaly Detection", VLDB 2022. A label is worth 1 within its window and falls off as
``sqrt(1 - distance / width)`` beyond its edges; recall also asks whether a window was found at all;
the areas of all widths from 0 to ``WIDEST`` are averaged.
"""

from __future__ import annotations

import numpy as np

from benchmarks.series.processes import Floats

WIDEST = 100
WIDTHS = 9
THRESHOLDS = 200


def vus_pr(scores: Floats, labels: Floats) -> float:
    """From 0 to 1; a score that tells nothing reaches about the labels' share.

    :param scores: higher is more unusual; only their order counts.
    :param labels: 0 or 1; at least one of each.
    """
    order = np.argsort(-scores, kind="stable")
    at = np.unique(np.linspace(1, scores.size, THRESHOLDS).astype(int))
    # Equal scores are alarms together: a cut within them moves to their end.
    ranked = scores[order]
    ends = np.searchsorted(-ranked, -ranked[at - 1], side="right")
    cuts = np.unique(ends)
    windows = _windows(labels)
    areas = [
        _area(order, cuts, _softened(labels, windows, int(width)), labels, windows)
        for width in np.linspace(0, WIDEST, WIDTHS)
    ]
    return float(np.mean(areas))


def _windows(labels: Floats) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0.0], labels, [0.0]])))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _softened(labels: Floats, windows: list[tuple[int, int]], width: int) -> Floats:
    soft = labels.copy()
    half = width // 2
    if not half:
        return soft
    slope = np.sqrt(1.0 - np.arange(1, half + 1) / width)
    for first, end in windows:
        after = soft[end : end + half]
        after[:] = np.maximum(after, slope[: after.size])
        before = soft[max(0, first - half) : first]
        before[:] = np.maximum(before, slope[: before.size][::-1])
    return soft


def _area(
    order: np.typing.NDArray[np.intp],
    cuts: np.typing.NDArray[np.intp],
    soft: Floats,
    labels: Floats,
    windows: list[tuple[int, int]],
) -> float:
    hits = np.cumsum(soft[order])[cuts - 1]
    positives = (labels.sum() + soft.sum()) / 2.0
    rank = np.empty(order.size, dtype=np.intp)
    rank[order] = np.arange(order.size)
    firsts = np.array([rank[first:end].min() for first, end in windows])
    found = np.searchsorted(np.sort(firsts), cuts, side="left") / len(windows)
    recall = np.minimum(hits / positives, 1.0) * found
    precision = hits / cuts
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))
