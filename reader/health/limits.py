"""From which value on a metric is bad, when that begins and when it is over.

The catalogue's thresholds, and over them what ``READER_THRESHOLDS`` says (``limits_file``): of a
metric, of a metric of a class of devices, of an array's or host's, of one device; the most exact
word counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from reader.health.smart import DRIVE_LIMITS
from spindle import catalog
from spindle.catalog import Direction

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
