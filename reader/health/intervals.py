"""How often a device reports: the usual time between two of its readings, learnt and kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import median

from reader.detection.findings import DeviceKey
from spindle.store.base import Bucket
from spindle.timestamps import NS

BUCKET_NS = 60 * NS
SPAN_NS = 3600 * NS  # of readings before the last one that is looked at
_MOST = 100_000  # devices remembered


def interval_of(buckets: Sequence[Bucket]) -> float:
    """Usual seconds between two readings; 0 where there are too few to tell.

    :param buckets: of one device, of ``BUCKET_NS`` each, none of them empty.
    """
    by_metric: dict[str, list[Bucket]] = {}
    for bucket in buckets:
        by_metric.setdefault(bucket.metric_type, []).append(bucket)
    found = [_of_series(own) for own in by_metric.values()]
    return min((seconds for seconds in found if seconds), default=0.0)


def _of_series(buckets: Sequence[Bucket]) -> float:
    # The first and last bucket may be cut short.
    counts = [bucket.count for bucket in buckets[1:-1]] or [max(bucket.count for bucket in buckets)]
    usual = median(counts)
    if usual >= 2:
        return BUCKET_NS / NS / usual
    times = [bucket.time_ns for bucket in buckets]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    return median(gaps) / NS if gaps else 0.0


class Intervals:
    """Mutable state of one reader: the intervals learnt so far, in seconds."""

    def __init__(self) -> None:
        self._known: dict[DeviceKey, float] = {}  # seconds; 0 where it could not be told

    def unknown(self, keys: Iterable[DeviceKey], most: int) -> list[DeviceKey]:
        """At most so many of the devices whose interval is not learnt yet."""
        found = []
        for key in keys:
            if key not in self._known:
                found.append(key)
                if len(found) == most:
                    break
        return found

    def learn(self, key: DeviceKey, seconds: float) -> None:
        """Keep an interval, 0 where it could not be told; the oldest go when there are too many."""
        while len(self._known) >= _MOST:
            del self._known[next(iter(self._known))]
        self._known[key] = seconds

    def usual_seconds(self, keys: Iterable[DeviceKey]) -> dict[DeviceKey, float]:
        """The interval of each device; of one not learnt yet the median of its class."""
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
