"""How often devices report, learnt and kept; and which were silent and are back. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from statistics import mean, median, median_low
from typing import NamedTuple

from reader.health.evidence import Unit
from spindle.store.base import Bucket, DeviceKey
from spindle.timestamps import NS


class Span(NamedTuple):
    """Readings before the last one that are looked at, in buckets, both in nanoseconds."""

    length: int
    bucket: int


#: The first tells of whoever reports every quarter of a minute or oftener, though it lived for some
#: seconds only, of which minutes say nothing; the second every quarter of an hour, the third of a
#: drive that is asked for its SMART values once a day.
SPANS = (Span(60 * NS, NS), Span(3600 * NS, 60 * NS), Span(5 * 86_400 * NS, 1800 * NS))
LEAST_GAPS = 3  # between readings; fewer say nothing of what is usual
LATEST = 5  # gaps looked at: a device that reports less often from now on is known after so many
_MOST = 100_000  # devices remembered


def interval_of(buckets: Sequence[Bucket], bucket_ns: int) -> float:
    """Usual seconds between two readings; 0 where there are too few to tell.

    :param buckets: of one device, of ``bucket_ns`` each, none of them empty.
    """
    by_metric: dict[str, list[Bucket]] = {}
    for bucket in buckets:
        by_metric.setdefault(bucket.metric_type, []).append(bucket)
    found = [_of_series(own, bucket_ns) for own in by_metric.values()]
    return min((seconds for seconds in found if seconds), default=0.0)


def _of_series(buckets: Sequence[Bucket], bucket_ns: int) -> float:
    if sum(bucket.count for bucket in buckets) <= LEAST_GAPS:
        return 0.0
    latest = buckets[-LATEST - 2 :]
    # The first and last bucket may be cut short.
    counts = [bucket.count for bucket in latest[1:-1]] or [max(bucket.count for bucket in latest)]
    usual = median(counts)
    if usual >= 2:
        return bucket_ns / NS / mean(count for count in counts if abs(count - usual) <= 1)
    gaps = [
        (later.time_ns - earlier.time_ns, earlier.count)
        for earlier, later in pairwise(buckets[-3 * LATEST - 1 :])
    ]
    gap = median_low([length for length, _ in gaps[-LATEST:]] or [0])
    # What is no multiple of a bucket comes as gaps of two lengths, or as two readings in one: the
    # mean of more of them is near the true one.
    alike = [each for each in gaps if abs(each[0] - gap) <= bucket_ns and each[1] <= usual + 1]
    readings = sum(count for _, count in alike)
    return (sum(length for length, _ in alike) / readings if readings else gap) / NS


class Intervals:
    """Mutable state of one reader: the intervals learnt so far, in seconds."""

    def __init__(self) -> None:
        #: Seconds, 0 where it could not be told; and the last reading it was learnt from.
        self._known: dict[DeviceKey, tuple[float, int]] = {}

    def to_learn(self, last_seen: Mapping[DeviceKey, int], most: int) -> list[DeviceKey]:
        """At most so many of the devices whose interval is to be learnt, or learnt again: those
        that have reported since it was; the ones not known yet first.

        :param last_seen: time of each device's last reading, in nanoseconds since the epoch.
        """
        known = self._known
        new = [key for key in last_seen if key not in known]
        again = [key for key, seen in last_seen.items() if key in known and known[key][1] != seen]
        again.sort(key=lambda key: known[key][1])
        return [*new, *again][:most]

    def learn(self, key: DeviceKey, seconds: float, last_seen_ns: int) -> None:
        """Keep an interval, 0 where it could not be told; the oldest go when there are too many."""
        while len(self._known) >= _MOST:
            del self._known[next(iter(self._known))]
        self._known[key] = seconds, last_seen_ns

    def usual_seconds(self, keys: Iterable[DeviceKey]) -> dict[DeviceKey, float]:
        """The interval of each device, 0 where it could not be told; of one not looked at yet the
        median of its class, 0 where that of half of them could not be told either."""
        usual: dict[str, float] = {}
        found = {}
        for key in keys:
            if key in self._known:
                found[key] = self._known[key][0]
                continue
            if key[0] not in usual:
                own = [s for (kind, *_), (s, _) in self._known.items() if kind == key[0]]
                usual[key[0]] = median_low(own) if own else 0.0
            found[key] = usual[key[0]]
        return found


REMEMBERED_NS = 4 * 3600 * NS  # half a shift, as critical events that are over
_MOST_SILENT = 10_000  # devices


class Silence(NamedTuple):
    """The readings before and after a silence, in nanoseconds since the epoch."""

    from_ns: int
    to_ns: int


class Silences:
    """Which devices are silent, and which were lately: the mutable state of one reader.

    :ivar over: the last silence of each device that is back.
    """

    def __init__(self) -> None:
        self.over: dict[DeviceKey, Silence] = {}
        self._silent: dict[DeviceKey, int] = {}  # last reading of those that are silent

    def learn(self, over: Mapping[DeviceKey, Silence]) -> None:
        """Take in what another reader knows, or this one knew before it was started anew."""
        for key, silence in over.items():
            if key not in self.over or self.over[key].to_ns < silence.to_ns:
                self.over[key] = silence

    def note(self, units: Iterable[Unit], now_ns: int) -> None:
        """Take in the newest judgement of some devices."""
        for unit in units:
            key = unit.key
            last = self._silent.get(key)
            if last is not None and unit.last_read_ns > last:
                del self._silent[key]
                self.over[key] = Silence(last, unit.last_read_ns)
            if unit.silent and len(self._silent) < _MOST_SILENT:
                self._silent[key] = unit.last_read_ns
        oldest = now_ns - REMEMBERED_NS
        if any(silence.to_ns < oldest for silence in self.over.values()):
            self.over = {key: each for key, each in self.over.items() if each.to_ns >= oldest}
