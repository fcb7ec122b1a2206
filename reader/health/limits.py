"""From which value on a metric is bad, when that begins and when it is over (hysteresis).

The catalogue's thresholds, and over them what ``READER_THRESHOLDS`` says (``limits_file``): of a
metric, of a metric of a class of devices, of an array's or host's, of one device; the most exact
word counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

from reader.health.smart import DRIVE_LIMITS
from spindle import catalog
from spindle.catalog import Direction
from spindle.store.base import Bucket
from spindle.timestamps import NS

PAUSE = 3  #: times the usual time between two readings
BUCKET_NS = 5 * NS  #: readings closer together than this are looked at in means of so long
_CACHED = 100_000  # limits of so many metrics of devices


@dataclass(frozen=True, slots=True)
class Limit:
    """When one severity of one metric begins and ends; numbers in the metric's unit.

    :ivar enter: reached at this value.
    :ivar leave: over when better than this.
    """

    enter: float
    leave: float
    enter_seconds: float
    leave_seconds: float


@dataclass(frozen=True, slots=True)
class Limits:
    """Both severities of one metric of one device; None where there is none.

    :ivar bad: the side on which values are bad.
    """

    metric_type: str
    unit: str
    bad: Direction
    warning: Limit | None
    critical: Limit | None

    def reached(self, value: float, limit: float) -> bool:
        """Whether the value is at the limit, or past it on the bad side."""
        return value >= limit if self.bad == "high" else value <= limit

    def is_past(self, value: float) -> bool:
        """Whether the value is at or past any of the limits."""
        return any(
            limit is not None and self.reached(value, limit.enter)
            for limit in (self.warning, self.critical)
        )

    def may_hold(self, value: float) -> bool:
        """Whether a severity begins or may still last at this value.

        Between ``leave`` and ``enter`` the readings before this one decide.
        """
        return any(
            limit is not None and self.reached(value, limit.leave)
            for limit in (self.warning, self.critical)
        )


class Thresholds:
    """Every device's limits; nothing of it changes.

    :ivar words: what the file says: ``("metrics", metric)``, ``("classes", class, metric)``,
        ``("arrays", array, metric)`` or ``("devices", device, metric)`` -> key -> value; the metric
        is empty for what is said of a class, an array or a device itself.
    :ivar unlimited: metric types of which nothing is bad for any device.
    """

    def __init__(self, words: Mapping[tuple[str, ...], Mapping[str, Any]] | None = None) -> None:
        self.words = words or {}
        self._named = frozenset(place[:2] for place in self.words)
        told = {place[-1] for place in self.words}
        self.unlimited = frozenset(
            name
            for name, each in catalog.METRICS.items()
            if each.warning is None and each.critical is None and name not in told
        )
        self._cached = lru_cache(maxsize=_CACHED)(self._limits)

    def limits_of(
        self,
        metric_type: str,
        source_device: str,
        device_id: str,
        array_id: str = "",
        kind: str = "",
    ) -> Limits | None:
        """Limits of one metric of one device.

        :param array_id: the array or host that it belongs to.
        :param kind: ``disk`` or ``solid`` where it is known what drive it is.
        :returns: None where nothing is known to be bad: load is no illness.
        """
        # A device without a word of its own has the limits of its array, or of its class.
        device = device_id if ("devices", device_id) in self._named else ""
        array = array_id if ("arrays", array_id) in self._named else ""
        return self._cached(metric_type, source_device, device, array, kind)

    def interval(self, source_device: str, device_id: str, array_id: str = "") -> float | None:
        """Seconds between two readings, where the file says so."""
        words = {
            **self.words.get(("classes", source_device, ""), {}),
            **self.words.get(("arrays", array_id, ""), {}),
            **self.words.get(("devices", device_id, ""), {}),
        }
        return words.get("interval_seconds")

    def _limits(
        self, metric_type: str, source_device: str, device_id: str, array_id: str, kind: str
    ) -> Limits | None:
        said = {
            **DRIVE_LIMITS.get((metric_type, kind), {}),
            **self.words.get(("metrics", metric_type), {}),
            **self.words.get(("classes", source_device, metric_type), {}),
            **self.words.get(("arrays", array_id, metric_type), {}),
            **self.words.get(("devices", device_id, metric_type), {}),
        }
        return limits(metric_type, said)


def limits(metric_type: str, said: Mapping[str, Any]) -> Limits | None:
    """The catalogue's limits of a metric, with what the file says instead.

    :param said: by key, such as ``warning``; of a metric that the catalogue does not know, all.
    """
    known = catalog.metric(metric_type)
    metric = known or catalog.Metric(metric_type, "", 0, 0, said.get("bad", "high"))
    bad = said.get("bad", metric.bad if metric.bad != "neither" or not said else "high")
    if bad == "neither":
        return None
    found = {severity: _limit(metric, bad, severity, said) for severity in ("warning", "critical")}
    if not any(found.values()):
        return None
    return Limits(metric_type, said.get("unit", metric.unit), bad, **found)


def _limit(
    metric: catalog.Metric, bad: Direction, severity: str, said: Mapping[str, Any]
) -> Limit | None:
    enter = said.get(severity, getattr(metric, severity))
    if enter is None or enter is False:
        return None
    return Limit(
        enter,
        said.get(f"leave_{severity}", metric.leave(enter, bad)),
        said.get("enter_seconds", metric.enter_seconds),
        said.get("leave_seconds", metric.leave_seconds),
    )


def held_since(
    buckets: Sequence[Bucket], limits: Limits, limit: Limit, newest_ns: int | None = None
) -> int | None:
    """When the limit was reached that holds at the last bucket; None when none holds.

    It is reached when every reading of the last ``enter_seconds`` is at the limit or past it, and
    left when every one of the last ``leave_seconds`` is better than ``limit.leave``. Of a bucket of
    several readings the mean must be past the limit, and no reading better than ``limit.leave``.

    A pause, longer than is usual between two readings, says nothing of the time it lasted.

    :param buckets: of one series, oldest first; readings themselves, or buckets of ``BUCKET_NS``.
    :param newest_ns: time of the newest reading, when the last bucket is not over yet.
    """
    enter_ns, leave_ns = int(limit.enter_seconds * NS), int(limit.leave_seconds * NS)
    since: int | None = None  # what holds now was reached then
    began = 0  # the first reading of the present run past the limit
    not_past: int | None = None  # the last reading that was not past the limit
    not_well: int | None = None  # the last one that was not well
    before: int | None = None  # the reading before this one
    usual = usual_gap_ns(buckets)
    for bucket in buckets:
        now = _last_ns(bucket, newest_ns)
        if before is not None and bucket.time_ns - before > PAUSE * usual:
            paused = bucket.time_ns - usual
            not_past = None if not_past is None else max(not_past, paused)
            not_well = None if not_well is None else max(not_well, paused)
            began = 0
        before = now
        high = limits.bad == "high"
        worst, best = (bucket.maximum, bucket.minimum) if high else (bucket.minimum, bucket.maximum)
        if not limits.reached(worst, limit.leave):
            if since is not None and (not_well is None or now - not_well >= leave_ns):
                since = None
        else:
            not_well = now
        if not (limits.reached(bucket.mean, limit.enter) and limits.reached(best, limit.leave)):
            not_past = now
            began = 0
            continue
        began = began or bucket.time_ns
        if since is None and (not_past is None or now - not_past >= enter_ns):
            since = began
    return since


def usual_gap_ns(buckets: Sequence[Bucket]) -> int:
    """The median time between two buckets in a row, so that a pause does not count."""
    gaps = sorted(b.time_ns - a.time_ns for a, b in pairwise(buckets))
    return gaps[len(gaps) // 2] if gaps else 0


def _last_ns(bucket: Bucket, newest_ns: int | None) -> int:
    """About when the last of a bucket's readings came: they are evenly spaced."""
    last = bucket.time_ns + BUCKET_NS * (bucket.count - 1) // bucket.count
    return last if newest_ns is None else max(bucket.time_ns, min(last, newest_ns))
