"""What is unusual about the last hour, in the metric's unit, beside what is remembered. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from reader.detection.remembered import Remembered
from reader.detection.window import BRIEF, FEATURES, WINDOW, Window


@dataclass(frozen=True, slots=True)
class Found:
    """What is unusual about the last window, in the metric's unit.

    :ivar feature: one of ``FEATURES``.
    :ivar size: of the feature now; of a slope, the change over the window.
    :ivar low: a tenth of the remembered windows lie below, and as many above ``high``.
    :ivar seconds: the window's length.
    :ivar value: of the level: the window's mean; else the last value.
    :ivar expected: of level and slope, where the value would be; None for spread and roughness.
    :ivar grew: of spread and roughness, whether there is more of it than usual.
    """

    feature: str
    size: float
    low: float
    high: float
    seconds: float
    value: float
    expected: float | None
    grew: bool | None = None


def of_window(window: Window, remembered: Remembered, feature: int, step: float) -> Found:
    """What the last window has that the remembered ones have not.

    :param feature: index of the one that is told of, in ``FEATURES``.
    :param step: seconds from one point to the next.
    """
    features = window.features()
    ranked = remembered.ranked()[feature]
    now, size = features[feature], len(ranked)
    low = middle = high = now
    if size:
        low, middle, high = (ranked[size * tenth // 10] for tenth in (1, 5, 9))
    name, value, expected, grew = FEATURES[feature], window.last, None, None
    if name == "level":
        value, expected = now, middle
    elif name == "slope":
        now, low, high = now * WINDOW, low * WINDOW, high * WINDOW
        expected = value - now
    else:
        grew = now > middle
    return Found(name, now, low, high, WINDOW * step, value, expected, grew)


def of_the_last_few(window: Window, remembered: Remembered, step: float) -> Found:
    """The same of the median of the last ``BRIEF`` points."""
    ranked, now = remembered.ranked()[-1], window.middle
    low, middle, high = (ranked[len(ranked) * tenth // 10] for tenth in (1, 5, 9))
    return Found("middle", now, low, high, BRIEF * step, now, middle)
