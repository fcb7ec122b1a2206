"""A whole series through a fresh detector: what ``score`` prints and the benchmarks measure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum

from reader.detection.detector import Detector

STRIDE = 1000  # rows between two looks at the progress bar


class View(StrEnum):
    """What the score of each point means: what begins with it, or how unusual the last hour is."""

    SCORE = "score"
    STATE = "state"


def scores(
    times: Sequence[float],
    values: Sequence[float],
    advance: Callable[[int], None] | None = None,
    view: View = View.SCORE,
) -> list[float]:
    """The score, or the state, of each point of a series from a fresh detector.

    :param times: seconds since the epoch; in any order, for points are scored by their time.
    :param advance: called now and then with the number of points done since the last call.
    """
    order = sorted(range(len(times)), key=times.__getitem__)
    if order != list(range(len(times))):
        in_time = scores([times[n] for n in order], [values[n] for n in order], advance, view)
        by_place = dict(zip(order, in_time, strict=True))
        return [by_place[n] for n in range(len(times))]
    detector, done = Detector(), list[float]()
    update = detector.update
    for start in range(0, len(times), STRIDE):
        part = slice(start, start + STRIDE)
        points = zip(times[part], values[part], strict=True)
        if view is View.SCORE:
            done += [update(t, v) for t, v in points]
        else:
            for t, v in points:
                update(t, v)
                done.append(detector.state)
        if advance is not None:
            advance(len(done) - start)
    return done
