"""What is known of each metric: its unit, plausible range, thresholds, and which way is bad.

Ranges of the first four are the wire contract's (row 4). Thresholds: drive makers specify an
operating temperature up to 60 degC and Backblaze and Google see failures rise above 45-50 degC
(Pinheiro et al., FAST '07); a disk that answers slower than 20 ms on average is saturated or
ailing (fail-slow studies: Gunawi et al., FAST '18); file systems slow down and operators act at
80-90 % full. PercentageUsed is a drive's own estimate of its wear: 100 where the endurance that its
maker promises is used up; it may go on, and count to 255 (NVM Express Base Specification 2.0, SMART
/ Health Information, byte 5; ATA device statistics, page 7). IOPs, bytes per second and utilisation
describe load, not illness: no thresholds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Direction = Literal["high", "low", "neither"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric type.

    :ivar unit: of every number here, as shown to a person.
    :ivar low: smallest plausible value.
    :ivar high: largest plausible value.
    :ivar bad: which way is bad; ``neither`` for pure load.
    :ivar warning: from here on a warning, or None.
    :ivar critical: from here on critical, or None.
    """

    name: str
    unit: str
    low: float
    high: float
    bad: Direction = "neither"
    warning: float | None = None
    critical: float | None = None


def _metrics(*metrics: Metric) -> dict[str, Metric]:
    return {metric.name: metric for metric in metrics}


METRICS = _metrics(
    Metric("DiskTemp", "degC", 25.0, 60.0, "high", 55.0, 60.0),
    Metric("IOPs", "/s", 100.0, 1000.0),
    Metric("Latency", "ms", 0.5, 10.5, "high", 20.0, 100.0),
    Metric("CapacityUsed", "%", 10.0, 95.0, "high", 90.0, 95.0),
    Metric("PercentageUsed", "%", 0.0, 255.0, "high", 90.0, 100.0),
    Metric("ReadBytes", "B/s", 0.0, 1e11),
    Metric("WriteBytes", "B/s", 0.0, 1e11),
    Metric("Utilisation", "%", 0.0, 100.0),
)


def metric(name: str) -> Metric | None:
    """The catalogue's entry, or None for a metric type that is accepted but not known."""
    return METRICS.get(name)


def unit(name: str) -> str:
    """The unit of a metric's values, empty where the catalogue does not know the metric."""
    known = METRICS.get(name)
    return known.unit if known else ""
