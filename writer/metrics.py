"""The writer's ledger as Prometheus metrics: one consistent reading per scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from writer.batch import Ledger


class LedgerCollector(Collector):
    """Reads all ledgers at once, so that each scrape adds up.

    ``received`` is a gauge: what another writer took over is not counted as received here.
    """

    def __init__(self, read: Callable[[], Mapping[str, Ledger]]) -> None:
        self._read = read  # stream -> ledger

    def collect(self) -> Iterator[Metric]:
        """The families, in the ledger's order."""
        ledgers = self._read()
        plain = (
            (
                GaugeMetricFamily,
                "writer_received_points",
                "Points taken from the stream",
                "received",
            ),
            (CounterMetricFamily, "writer_stored_points", "Points the store has", "stored"),
            (
                CounterMetricFamily,
                "writer_duplicate_points",
                "Stored again after redelivery",
                "duplicates",
            ),
            (GaugeMetricFamily, "writer_in_flight_points", "Points in hand", "in_flight"),
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
