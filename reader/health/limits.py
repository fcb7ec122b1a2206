"""From which value on a metric is bad, when that begins and when it is over. Pure.

The catalogue's thresholds, and over them what ``READER_THRESHOLDS`` says (``health_file``): of a
metric, of a metric of a class of devices, of a metric of one device; the most exact word counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from spindle import catalog
from spindle.catalog import Direction

#: Seconds that every reading lies past a limit before it counts, and on the well side before it no
#: longer does. One reading decides where readings come less often.
ENTER_SECONDS = {"DiskTemp": 5.0, "Latency": 10.0}
LEAVE_SECONDS = {"DiskTemp": 20.0, "Latency": 20.0}
#: How far on the well side of a limit that is: a sensor's noise and a cooling disk's last degrees;
#: a queue that drained; a percent of the capacity. Of other metrics: a twentieth of the limit.
LEAVE_BY = {"DiskTemp": 2.0, "CapacityUsed": 1.0}
LEAVE_BY_SHARE = {"Latency": 0.25}
OTHERS_LEAVE_BY_SHARE = 0.05
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
    """Of one metric of one device."""

    metric_type: str
    unit: str
    bad: Direction
    warning: Limit | None
    critical: Limit | None

    def reached(self, value: float, limit: float) -> bool:
        """At the limit, or past it."""
        return value >= limit if self.bad == "high" else value <= limit

    def doubtful(self, value: float) -> bool:
        """Not better than where a severity ends: what was before decides."""
        return any(
            limit is not None and self.reached(value, limit.leave)
            for limit in (self.warning, self.critical)
        )


@dataclass(frozen=True)
class Thresholds:
    """Every device's limits.

    :ivar words: of the file: ``("metrics", metric)``, ``("classes", class, metric)`` or
        ``("devices", device, metric)`` -> key -> value.
    """

    words: Mapping[tuple[str, ...], Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        of = lru_cache(maxsize=_CACHED)(self._limits)
        object.__setattr__(self, "_of", of)
        named = frozenset(place[1] for place in self.words if place[0] == "devices")
        object.__setattr__(self, "_named", named)

    def of(self, metric_type: str, source_device: str, device_id: str) -> Limits | None:
        """None where nothing is known to be bad: load is no illness."""
        # A device without a word of its own has the limits of its class.
        device = device_id if device_id in self._named else ""  # type: ignore[attr-defined]
        return self._of(metric_type, source_device, device)  # type: ignore[attr-defined,no-any-return]

    def interval(self, source_device: str, device_id: str) -> float | None:
        """Seconds between two readings, where the file says so."""
        words = {
            **self.words.get(("classes", source_device, ""), {}),
            **self.words.get(("devices", device_id, ""), {}),
        }
        return words.get("interval_seconds")

    def _limits(self, metric_type: str, source_device: str, device_id: str) -> Limits | None:
        said = {
            **self.words.get(("metrics", metric_type), {}),
            **self.words.get(("classes", source_device, metric_type), {}),
            **self.words.get(("devices", device_id, metric_type), {}),
        }
        return limits(metric_type, said)


def limits(metric_type: str, said: Mapping[str, Any]) -> Limits | None:
    """The catalogue's limits of a metric, with what is said instead."""
    known = catalog.metric(metric_type)
    metric = known or catalog.Metric(metric_type, "", 0, 0, said.get("bad", "high"))
    bad = said.get("bad", metric.bad if metric.bad != "neither" or not said else "high")
    if bad == "neither":
        return None
    found = {
        severity: _limit(metric_type, bad, severity, said, getattr(metric, severity))
        for severity in ("warning", "critical")
    }
    if not any(found.values()):
        return None
    return Limits(metric_type, said.get("unit", metric.unit), bad, **found)


def _limit(
    metric_type: str, bad: Direction, severity: str, said: Mapping[str, Any], known: float | None
) -> Limit | None:
    enter = said.get(severity, known)
    if enter is None or enter is False:
        return None
    share = LEAVE_BY_SHARE.get(metric_type, OTHERS_LEAVE_BY_SHARE)
    by = LEAVE_BY.get(metric_type, abs(enter) * share)
    return Limit(
        enter,
        said.get(f"leave_{severity}", enter - by if bad == "high" else enter + by),
        said.get("enter_seconds", ENTER_SECONDS.get(metric_type, 0.0)),
        said.get("leave_seconds", LEAVE_SECONDS.get(metric_type, 0.0)),
    )
