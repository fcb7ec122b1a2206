"""How often a device reports, learnt from its readings and kept. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import median

from reader.detection.findings import DeviceKey
from spindle.store.base import Bucket
from spindle.timestamps import NS

STEP_NS = 60 * NS
SPAN_NS = 3600 * NS  # of readings before the last one that is looked at
_MOST = 100_000  # devices remembered


def interval_of(steps: Sequence[Bucket]) -> float:
    """Usual seconds between two readings; 0 where there are too few to tell.

    :param steps: of one device, of ``STEP_NS`` each, none of them empty.
    """
    by_metric: dict[str, list[Bucket]] = {}
    for step in steps:
        by_metric.setdefault(step.metric_type, []).append(step)
    found = [_of_series(own) for own in by_metric.values()]
    return min((seconds for seconds in found if seconds), default=0.0)


def _of_series(steps: Sequence[Bucket]) -> float:
    # The first and last step may be cut short.
    counts = [step.count for step in steps[1:-1]] or [max(step.count for step in steps)]
    usual = median(counts)
    if usual >= 2:
        return STEP_NS / NS / usual
    times = [step.time_ns for step in steps]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    return median(gaps) / NS if gaps else 0.0


class Intervals:
    """What was learnt so far."""

    def __init__(self) -> None:
        self._known: dict[DeviceKey, float] = {}  # seconds; 0 where it could not be told

    def unknown(self, keys: Iterable[DeviceKey], most: int) -> list[DeviceKey]:
        """Some of those not learnt yet."""
        found = []
        for key in keys:
            if key not in self._known:
                found.append(key)
                if len(found) == most:
                    break
        return found

    def learn(self, key: DeviceKey, seconds: float) -> None:
        """Keep it; the oldest are forgotten when there are too many."""
        while len(self._known) >= _MOST:
            del self._known[next(iter(self._known))]
        self._known[key] = seconds

    def usual_seconds(self, keys: Iterable[DeviceKey]) -> dict[DeviceKey, float]:
        """Of each device; of one not learnt yet the median of its class."""
        usual: dict[str, float] = {}
        found = {}
        for key in keys:
            seconds = self._known.get(key)
            if seconds is None:
                if key[0] not in usual:
                    own = [s for (kind, _), s in self._known.items() if kind == key[0] and s]
                    usual[key[0]] = median(own) if own else 0.0
                seconds = usual[key[0]]
            found[key] = seconds
        return found
