"""The writer's Prometheus metrics: its ledgers, and what the matching of parking counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from writer.storing.batch import Ledger


class LedgerCollector(Collector):
    """Reads all ledgers at once, so that each scrape adds up.

    ``received`` is a gauge: what another writer took over is not counted as received here.
    """

    def __init__(self, read: Callable[[], Mapping[str, Ledger]]) -> None:
        self._read = read  # stream -> ledger

    def collect(self) -> Iterator[Metric]:
        """The metric families, one sample a stream."""
        ledgers = self._read()
        plain = (
            (GaugeMetricFamily, "writer_received_points", "Points taken from NATS", "received"),
            (CounterMetricFamily, "writer_stored_points", "Points that the store has", "stored"),
            (CounterMetricFamily, "writer_duplicate_points", "Points stored again", "duplicates"),
            (GaugeMetricFamily, "writer_in_flight_points", "Points not settled yet", "in_flight"),
        )
        for family_type, name, text, attribute in plain:
            family = family_type(name, text, labels=["stream"])
            for stream, ledger in ledgers.items():
                family.add_metric([stream], getattr(ledger, attribute))
            yield family
        dead = CounterMetricFamily(
            "writer_dead_lettered_points",
            "Points that can never be stored",
            labels=["stream", "reason"],
        )
        for stream, ledger in ledgers.items():
            for reason in ("invalid", "refused", "too_large"):
                dead.add_metric([stream, reason], ledger.dead_lettered.get(reason, 0))
        yield dead


class ParkingMeters:
    """Counts what this matcher recorded and published; shows how many vehicles are inside."""

    def __init__(self, registry: CollectorRegistry, inside: Callable[[], int]) -> None:
        counter = partial(Counter, registry=registry)
        kind = ["kind"]
        self.recorded = counter("parking_events_total", "Entries and exits recorded", kind)
        self.duplicates = counter("parking_duplicates_total", "Entries and exits that came again")
        self.invalid = counter(
            "parking_invalid_total", "Entries and exits that break the wire contract"
        )
        self.visits = counter("parking_visits_total", "Visits published", ["status"])
        self.anomalies = counter(
            "parking_anomalies_total", "Entries that cannot become visits, now dead letters", kind
        )
        self.conflicts = counter(
            "parking_conflicts_total", "Times that another matcher changed a plate's state first"
        )
        gauge = Gauge("parking_vehicles_inside", "Vehicles inside now", registry=registry)
        gauge.set_function(inside)
