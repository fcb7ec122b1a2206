"""The whole fleet's health, looked at again and again by one reader; its changes are published."""

from __future__ import annotations

import contextlib
import logging
import time

from reader.detection.findings import DeviceKey, Finding
from reader.health.evidence import PreviousState
from reader.watching import announcements, forecasts
from reader.watching.bucket import (
    FORECASTS,
    HEALTH,
    WatchBucket,
    health_from_json,
    health_json,
)
from reader.watching.share_store import WatchDeps
from spindle.bus.buckets import Overtaken
from spindle.store.base import Selection
from spindle.timestamps import NS

log = logging.getLogger("reader.watch")

FRESH_NS = 60 * NS  # how often it is written though nothing changed
OLD_NS = 5 * FRESH_NS  # what was written longer ago says nothing of now


class FleetLooks:
    """Owns the bucket's ``health`` while this reader follows the first share."""

    def __init__(self, deps: WatchDeps, bucket: WatchBucket) -> None:
        self._store, self._client, self._bucket = deps.store, deps.client, bucket
        self._examiner, self._findings = deps.examiner, deps.findings
        self._states: dict[DeviceKey, PreviousState] = {}  # as last written by anybody
        self._checked_ns = 0
        self._revision = 0
        self._foretold_revision = 0

    async def read(self) -> None:
        """What was written last, by whomever."""
        data, self._revision = await self._bucket.get(HEALTH)
        self._states, self._checked_ns = health_from_json(data)
        fresh = time.time_ns() - self._checked_ns <= OLD_NS
        self._findings.previous_states = self._states if fresh else {}

    async def forecasts(self) -> list[Finding]:
        """What was foretold last, by whomever."""
        data, self._foretold_revision = await self._bucket.get(FORECASTS)
        return forecasts.from_json(data)

    async def foretell(self, now_ns: int, retention_hours: float) -> None:
        """Foretell, and write it down for all readers.

        :raises StoreError: the store could not be asked.
        """
        before = await self.forecasts()
        found = await forecasts.findings(self._store, now_ns, retention_hours, before)
        with contextlib.suppress(Overtaken):
            written = forecasts.to_json(found)
            await self._bucket.write(FORECASTS, written, self._foretold_revision)

    async def look(self, now_ns: int) -> None:
        """Judge, write down, then publish what changed: in this order, so that only one tells.

        :raises StoreError: the store could not be asked.
        """
        units = await self._examiner.examine(self._store, Selection(), now_ns)
        states = announcements.states(units, self._states, now_ns)
        changes = announcements.changes(units, self._states, now_ns)
        if states == self._states and now_ns - self._checked_ns < FRESH_NS:
            return
        try:
            await self._bucket.write(HEALTH, health_json(states, now_ns), self._revision)
        except Overtaken:
            return  # another reader tells it
        self._findings.previous_states = states
        for change in changes:
            await self._client.publish(change.subject, change.payload)
