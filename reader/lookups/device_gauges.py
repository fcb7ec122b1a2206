"""How many devices are known and how many fell silent, as metrics: for alerts."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Gauge

from reader.health.hosts import units
from reader.lookups.known.newest_readings import until_now
from reader.lookups.stored.store_ready import StoreReady
from reader.settings import ReaderSettings
from spindle.errors import StoreError
from spindle.service.run import Service
from spindle.store.base import Latest, Selection, Store
from spindle.timestamps import NS

log = logging.getLogger("reader")

#: Between two counts, each of which reads the whole fleet: a quarter of READER_STALE_SECONDS, so
#: that a silence shows soon after it is one, but within these bounds.
LEAST_SECONDS, MOST_SECONDS = 0.5, 30.0


def count(readings: Iterable[Latest], stale_before_ns: int) -> tuple[int, int]:
    """``(devices, of them without a reading since stale_before_ns)``. Pure."""
    newest = [max(reading.time_ns for reading in unit.readings) for unit in units(readings)]
    return len(newest), sum(seen < stale_before_ns for seen in newest)


class DeviceGauges:
    """Owns ``reader_devices`` and ``reader_devices_stale``; every reader shows the same."""

    def __init__(
        self, store: Store, store_ready: StoreReady, service: Service[ReaderSettings]
    ) -> None:
        self._store = store
        self._store_ready = store_ready
        self._service = service
        registry: CollectorRegistry = service.registry
        self._devices = Gauge(
            "reader_devices", "Devices with a reading in READER_LOOKBACK_HOURS", registry=registry
        )
        self._stale = Gauge(
            "reader_devices_stale",
            "Devices without a reading for READER_STALE_SECONDS",
            registry=registry,
        )

    async def run(self) -> None:
        """Count again and again until the service stops."""
        quarter = self._service.settings.reader_stale_seconds / 4
        while await self._service.pause(min(max(quarter, LEAST_SECONDS), MOST_SECONDS)):
            try:
                await self._look()
            except StoreError as error:  # StoreReady tells it; the last counts stay
                log.debug("devices not counted: %s", error)

    async def _look(self) -> None:
        settings = self._service.settings
        self._store_ready.require()
        now = self._service.clock.now_ns()
        since = max(0, now - int(settings.reader_lookback_hours * 3600 * NS))
        stored = await self._store.latest(Selection(), since)
        present = await until_now(self._store, Selection(), stored, since, now)
        devices, stale = count(present.readings, now - int(settings.reader_stale_seconds * NS))
        self._devices.set(devices)
        self._stale.set(stale)
