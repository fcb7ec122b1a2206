"""When the fleet's devices will be full, foretold now and then by one reader, known to all."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from reader.detection.findings import Finding
from reader.forecasting import capacity
from reader.forecasting.forecast import Forecast
from reader.forecasting.history import DAY
from reader.forecasting.short_term import usual_rise
from reader.lookups.stored.capacity_past import Past, read_past, read_recent
from reader.watching import ownership
from reader.watching.bucket import FORECASTS, WatchBucket
from reader.watching.followed_shares import FollowedShares
from reader.watching.share_store import WatchDeps
from spindle.bus.buckets import Overtaken
from spindle.errors import StoreError
from spindle.store.base import DeviceKey, Selection, SeriesKey, Store
from spindle.timestamps import NS

log = logging.getLogger("reader.watch")

METRIC = "CapacityUsed"
HORIZON_DAYS = 90.0
FULL = capacity.full_at(METRIC, None)
#: The forecast of each device by its past, and what it has risen by before and not run away.
Trends = tuple[list[tuple[SeriesKey, Forecast]], dict[SeriesKey, float]]
#: Devices that will be full too soon, and when which device will be, in seconds since the epoch.
Found = tuple[list[Finding], dict[DeviceKey, float]]
#: How often it is foretold when devices will be full: they take days.
FORECAST_SECONDS = 900.0
#: And how often it is looked at which of them take only hours.
SHORT_TERM_SECONDS = 60.0
FIRST_FORECAST_SECONDS = 20.0


class FleetForecasts:
    """The devices that will be full soon, as the bucket holds them under ``forecasts``."""

    def __init__(self, deps: WatchDeps, bucket: WatchBucket, followed: FollowedShares) -> None:
        self._deps, self._bucket, self._followed = deps, bucket, followed
        self._revision = 0
        self._trends: Trends = ([], {})

    async def run(self) -> None:
        """Read the forecasts, and now and then make and write them, until the service stops."""
        due = trends_due = time.monotonic() + FIRST_FORECAST_SECONDS
        await self._read()  # else the first look at the fleet finds those well that fill up
        while await self._deps.service.pause(ownership.BEAT_SECONDS):
            await self._read()
            if not self._followed.leads or time.monotonic() < due:
                continue
            started = time.monotonic()
            try:
                self._deps.store_ready.require()
                now_ns = self._deps.service.clock.now_ns()
                if started >= trends_due:
                    trends_due = started + FORECAST_SECONDS
                    hours = self._deps.service.settings.retention_hours
                    self._trends = await trends(self._deps.store, now_ns, hours)
                await self._foretell(now_ns)
            except StoreError as error:
                log.debug("nothing is foretold: %s", error)
            # Of a fleet that takes long to read it is looked at less often.
            due = started + max(SHORT_TERM_SECONDS, 20 * (time.monotonic() - started))

    async def _read(self) -> None:
        data, self._revision = await self._bucket.get(FORECASTS)
        self._followed.forecasts = from_json(data)

    async def _foretell(self, now_ns: int) -> None:
        before = self._followed.forecasts
        found, full_at = await findings(self._deps.store, now_ns, self._trends, before)
        self._deps.findings.full_at = full_at
        with contextlib.suppress(Overtaken):
            await self._bucket.write(FORECASTS, to_json(found), self._revision)


async def trends(store: Store, now_ns: int, retention_hours: float) -> Trends:
    """The forecasts of all devices by their past.

    :raises StoreError: the store could not be asked.
    """
    past = await read_past(store, Selection(metric_type=METRIC), now_ns, retention_hours)
    return await asyncio.to_thread(_trends, past, now_ns / NS)


def _trends(past: Past, now: float) -> Trends:
    series = capacity.readings(*past)
    made = capacity.soonest_first(series, now, HORIZON_DAYS, FULL)
    return made, {name: usual_rise(*each, now) for name, each in series.items()}


async def findings(store: Store, now_ns: int, known: Trends, before: Iterable[Finding]) -> Found:
    """Devices that will be full too soon, and when those that fill up will be.

    :param known: by their past, as made now and then.
    :param before: as found the last time: what is still so keeps when it began.
    :raises StoreError: the store could not be asked.
    """
    recent = await read_recent(store, Selection(metric_type=METRIC), now_ns)
    began = {each.device: each.since_ns for each in before}
    return await asyncio.to_thread(_found, known, recent, now_ns, began)


def _found(known: Trends, recent: Past, now_ns: int, began: dict[DeviceKey, int]) -> Found:
    found: list[Finding] = []
    full_at: dict[DeviceKey, float] = {}
    made, usual = known
    late = capacity.readings(*recent)
    for name, forecast in capacity.with_short_term(made, late, usual, now_ns / NS, FULL):
        since = began.get(name.device, now_ns)
        finding = capacity.filling_finding(name, forecast, since)
        if finding is not None:
            found.append(finding)
        days = forecast.crossings[-1].days if forecast.crossings else None
        if forecast.verdict == "filling" and days is not None:
            full_at[name.device] = now_ns / NS + days * DAY
    return found, full_at


def to_json(found: Sequence[Finding]) -> list[dict[str, Any]]:
    """The findings as JSON values."""
    return [asdict(each) for each in found]


def from_json(data: object) -> list[Finding]:
    """The findings of ``to_json``; none where they cannot be read."""
    try:
        return [Finding(**each) for each in data] if isinstance(data, list) else []
    except TypeError:
        return []
