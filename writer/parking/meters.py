"""The matcher's own Prometheus metrics, of this writer since its start."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge


class ParkingMeters:
    """Counts what this matcher recorded and published; shows how many vehicles are inside."""

    def __init__(self, registry: CollectorRegistry, inside: Callable[[], int]) -> None:
        self.recorded = Counter(
            "parking_events_total",
            "Entries and exits recorded",
            ["kind"],
            registry=registry,
        )
        self.duplicates = Counter(
            "parking_duplicates_total", "Entries and exits that were known", registry=registry
        )
        self.invalid = Counter(
            "parking_invalid_total", "Entries and exits against the contract", registry=registry
        )
        self.visits = Counter(
            "parking_visits_total", "Visits published", ["status"], registry=registry
        )
        self.anomalies = Counter(
            "parking_anomalies_total",
            "Entries that cannot become visits, now dead letters",
            ["kind"],
            registry=registry,
        )
        self.conflicts = Counter(
            "parking_conflicts_total",
            "Times that another matcher changed a plate's state first",
            registry=registry,
        )
        gauge = Gauge("parking_vehicles_inside", "Vehicles inside now", registry=registry)
        gauge.set_function(inside)
