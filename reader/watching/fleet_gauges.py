"""The health of each device as Prometheus metrics, from the reader that judges the fleet."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import product

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from reader.detection.findings import RANK
from reader.health import reasons, summary
from reader.health.evidence import Unit
from reader.lookups.known.watch_findings import WatchFindings

#: Devices that have metrics of their own, the worst first: some ten thousand series.
MOST_DEVICES = 2000
MOST_REASONS = 5  # of each device, the worst first
#: A verdict that is older says nothing of now; then there are no metrics, rather than old ones.
OLD_SECONDS = 300.0
_DAY_SECONDS = 86_400.0
_DEVICE = ["source_device", "device_id", "array_id", "simulated"]


class FleetGauges(Collector):
    """Made anew from the last verdicts at every scrape: a device that is retired is gone at once.

    :param findings: what is known of the devices beside their health.
    :param redundancy: how many members an array can lose, where that is known.
    """

    def __init__(
        self, registry: CollectorRegistry, findings: WatchFindings, redundancy: Mapping[str, int]
    ) -> None:
        self._findings, self._redundancy = findings, redundancy
        self._judged: tuple[float, Sequence[Unit]] = (0.0, ())
        registry.register(self)

    def show(self, units: Sequence[Unit]) -> None:
        """These are the verdicts now; none where another reader judges."""
        self._judged = time.monotonic(), units

    def describe(self) -> Iterator[Metric]:
        """What is collected is known once a fleet has been judged."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Called by a thread of the server, at each scrape."""
        judged, units = self._judged
        if not units or time.monotonic() - judged > OLD_SECONDS:
            return
        states = GaugeMetricFamily(
            "reader_health_devices",
            "Devices by state, real and simulated apart, from the reader that judges the fleet",
            labels=["state", "simulated"],
        )
        counts = Counter((unit.state, self._labels(unit)[-1]) for unit in units)
        for state, simulated in product(RANK, ("false", "true")):
            states.add_metric([state, simulated], counts[state, simulated])
        yield states
        yield from self._of_devices(sorted(units, key=summary.worst_first))
        yield self._of_arrays(units)

    def _of_devices(self, units: Sequence[Unit]) -> Iterator[Metric]:
        health = GaugeMetricFamily(
            "reader_device_health",
            "0 ok, 1 unknown, 2 warning, 3 critical; of 2000 devices, the worst first",
            labels=[*_DEVICE, "model"],
        )
        score = GaugeMetricFamily(
            "reader_device_score", "0 (worst) to 100, of the same devices", labels=_DEVICE
        )
        why = GaugeMetricFamily(
            "reader_device_reason",
            "Why a device is not ok; the worst of its reasons is 1, the next 2",
            labels=[*_DEVICE, "reason", "kind", "severity"],
        )
        days = GaugeMetricFamily(
            "reader_device_days_until_full",
            "Days until half of the forecast's paths are at 100 %, of devices that fill up",
            labels=_DEVICE,
        )
        for unit in units[:MOST_DEVICES]:
            own = self._labels(unit)
            facts = self._findings.facts.find(unit.key)
            health.add_metric([*own, (facts and facts.model) or ""], RANK[unit.state])
            score.add_metric(own, unit.score)
            told = {(*reasons.code(each), each.severity): 0 for each in unit.reasons}
            bad = [each for each in told if each[-1] != "ok"][:MOST_REASONS]
            for place, said in enumerate(bad, 1):
                why.add_metric([*own, *said], place)
            full = self._findings.full_at.get(unit.key)
            if full is not None:
                days.add_metric(own, max(0.0, full - time.time()) / _DAY_SECONDS)
        left_out = GaugeMetricFamily(
            "reader_device_metrics_left_out",
            "Devices without metrics of their own, because there are too many",
        )
        left_out.add_metric([], max(0, len(units) - MOST_DEVICES))
        yield from (health, score, why, days, left_out)

    def _labels(self, unit: Unit) -> list[str]:
        simulated = str(self._findings.facts.is_simulated(unit.key)).lower()
        return [*unit.key, simulated]

    def _of_arrays(self, units: Sequence[Unit]) -> Metric:
        facts = self._findings.facts
        health = GaugeMetricFamily(
            "reader_array_health",
            "0 ok, 1 unknown, 2 warning, 3 critical; of the worst member, or of what it has lost",
            labels=["array_id", "simulated"],
        )
        for invented in (False, True):
            some = [unit for unit in units if facts.is_simulated(unit.key) == invented]
            rows = summary.arrays_of(some, self._redundancy, facts.find)
            for name, state in {row["array_id"]: row["health"] for row in rows}.items():
                health.add_metric([name, str(invented).lower()], RANK[state])
        return health
