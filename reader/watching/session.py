"""The watch's shell: NATS, the bucket and the clock around ``FollowedShares``."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import time
from functools import partial
from uuid import uuid4

from nats.aio.msg import Msg
from prometheus_client import CollectorRegistry, Counter, Gauge

from reader.detection import anomaly
from reader.lookups.known.newest_readings import until_now
from reader.watching import ownership
from reader.watching.bucket import WatchBucket, record_key
from reader.watching.fleet_gauges import FleetGauges
from reader.watching.fleet_health import FleetHealth
from reader.watching.followed_shares import FollowedShares
from reader.watching.forecasts import FleetForecasts
from reader.watching.share_store import AWAY, ShareStore, WatchDeps
from spindle import subjects
from spindle.bus.buckets import Overtaken
from spindle.errors import StoreError
from spindle.models import MAX_PAYLOAD_BYTES
from spindle.service.tasks import lasting
from spindle.store.base import Selection
from spindle.timestamps import NS
from spindle.wire_metric import MetricReader

log = logging.getLogger("reader.watch")

TICK_SECONDS = 1.0
PEER_SECONDS = 60.0  # what peers are compared by: see ``detection.peers``
SNAPSHOT_SECONDS = 60.0  # how often the newest readings are read from the store
#: What was published before the stream was followed is stored a little later than it is first read.
SECOND_SNAPSHOT_SECONDS = 5.0
#: How often records are written again: what lasts with its latest peak, and until when it is known.
FRESH_SECONDS = 15.0
SAVE_SECONDS = 2.0  # how long a stopping reader saves states


class Metrics:
    """The watch's Prometheus metrics."""

    def __init__(self, deps: WatchDeps) -> None:
        registry: CollectorRegistry = deps.service.registry
        gauge = partial(Gauge, registry=registry)
        self.series = gauge("reader_watch_series", "Series that this reader follows")
        self.points = Counter(
            "reader_watch_points", "Readings that the watch has taken", registry=registry
        )
        self.unwatched = gauge(
            "reader_watch_unwatched",
            "Series that no reader follows, because of READER_WATCH_SERIES",
        )
        self.anomalies = gauge(
            "reader_watch_anomalies", "Anomalies that last now, of the whole fleet"
        )
        redundancy = deps.service.settings.redundancy()
        self.fleet = FleetGauges(registry, deps.findings, redundancy)


class Watch:
    """Owns the reader's shares of the fleet."""

    def __init__(self, deps: WatchDeps) -> None:
        self._deps = deps
        self._settings = deps.service.settings
        self._metrics = Metrics(deps)
        self._me = f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}"

    async def run(self) -> None:
        """Follow until the service stops, or NATS does not do its part: then to be run again."""
        try:
            await _Session(self._deps, self._metrics, self._me).run()
        finally:
            self._deps.findings.watching = False


class _Session:
    """From opening the bucket until NATS fails or the service stops."""

    def __init__(self, deps: WatchDeps, metrics: Metrics, me: str) -> None:
        self._deps, self._metrics, self._me = deps, metrics, me
        settings = self._settings = deps.service.settings
        self._clock = deps.service.clock
        self._followed = FollowedShares(anomaly.STEP_SECONDS, settings.reader_watch_series)
        self._metrics_in = MetricReader(MAX_PAYLOAD_BYTES)
        self._alive = ownership.Alive()
        self._held_until = 0.0  # on this clock nobody else follows these shares before
        self._next_peers = time.monotonic() + PEER_SECONDS
        self._next_beat = self._next_fresh = 0.0
        self._heard = False  # any message since the session began
        self._bucket: WatchBucket  # both once NATS has it
        self._store: ShareStore

    async def run(self) -> None:
        deps = self._deps
        self._bucket = await WatchBucket.open(deps.client, self._settings)
        self._store = ShareStore(self._deps, self._bucket, self._followed)
        followed = self._followed
        health = FleetHealth(
            deps, self._bucket, lambda: followed.leads, lambda: self._heard, self._metrics.fleet
        )
        forecasts = FleetForecasts(deps, self._bucket, followed)
        subscriptions = [
            await deps.listener.subscribe(subject, cb=self._hear)
            for subject in (subjects.METRICS, f"{subjects.METRICS}.>")
        ]
        try:
            async with asyncio.TaskGroup() as group:
                for name, loop in {
                    "watch ticks": self._tick_until_stopped,
                    "watch health": health.run,
                    "watch snapshot": self._snapshot_until_stopped,
                    "watch forecasts": forecasts.run,
                }.items():
                    group.create_task(lasting(loop(), deps.service.stopping), name=name)
        finally:
            self._deps.snapshot.mark_incomplete()
            for subscription in subscriptions:
                with contextlib.suppress(*AWAY):
                    await subscription.unsubscribe()
        with contextlib.suppress(*AWAY, Overtaken):
            await self._leave()

    async def _hear(self, message: Msg) -> None:
        self._heard = True
        now_ns, latest = self._clock.now_ns(), self._clock.latest_ns()
        # Not renewed in time: another reader may follow these shares by now.
        scored = time.monotonic() <= self._held_until
        facts = self._deps.findings.facts
        hides = facts.hides if facts.hide_simulated else None
        decisions = self._deps.findings.decisions
        self._deps.snapshot.set_now(now_ns)
        for series, time_ns, value in self._metrics_in.good(message.data, latest):
            if hides is not None and hides(series.key.device):
                continue
            if decisions.retired and decisions.hides(series.key.device, time_ns):
                decisions.note(series.key.device, now_ns)
                continue
            self._deps.snapshot.take(series.key, time_ns, value)
            if scored:
                self._followed.take(series.key, time_ns, value)

    async def _tick_until_stopped(self) -> None:
        service = self._deps.service
        while not service.stopping.is_set():
            await self._tick()
            if not await service.pause(TICK_SECONDS):
                return

    async def _tick(self) -> None:
        now, followed = time.monotonic(), self._followed
        if now >= self._next_beat:
            await self._beat()
            self._next_beat = now + ownership.BEAT_SECONDS
            await self._store.save_some(ownership.BEAT_SECONDS)
        for share in followed.shares.values():
            share.flush(self._clock.now_ns() / NS - 2 * TICK_SECONDS)
        if now >= self._next_peers:
            self._next_peers = now + PEER_SECONDS
            for share in followed.shares.values():
                share.compare_peers(self._clock.now_ns() / NS)
        if now >= self._next_fresh:
            self._next_fresh = now + FRESH_SECONDS
            for share in followed.shares.values():
                share.changed = share.changed or bool(share.series or share.unwatched)
        decisions = self._deps.findings.decisions
        for share in followed.shares.values():
            if decisions.retired:
                share.forget(decisions.hides)
            share.accept(decisions.accepts)
        for number in list(followed.shares):
            await self._store.settle(number)
        followed.show(self._deps.findings)
        self._measure()

    def _measure(self) -> None:
        metrics, followed = self._metrics, self._followed
        metrics.series.set(followed.size)
        metrics.points.inc(followed.points)
        followed.points = 0
        findings = self._deps.findings
        metrics.anomalies.set(sum(not each.ended for each in findings.anomalies))
        metrics.unwatched.set(findings.unwatched)

    async def _beat(self) -> None:
        """Renew the lease, give and take shares, and read what the others found."""
        started = time.monotonic()
        table, revision = await self._bucket.table()
        alive = self._alive.among(table, started)
        mine = ownership.due(table, self._me, alive)
        have = frozenset(self._followed.shares)
        for number in have - mine:
            if number in table.owned(self._me):
                await self._store.save(number, self._followed.shares[number].series.values())
        renewed = ownership.renewed(table, self._me, alive, mine)
        try:
            await self._bucket.write("shares", renewed.to_json(), revision)
        except Overtaken:
            if time.monotonic() <= self._held_until:
                return  # the next beat is soon enough
            raise
        for number in have - mine:
            del self._followed.shares[number]
        # What another reader followed meanwhile is not known here.
        lost = (have & mine) - table.owned(self._me)
        for number in lost:
            del self._followed.shares[number]
        self._held_until = started + ownership.LEASE_SECONDS
        if taken := frozenset(mine - frozenset(self._followed.shares)):
            await self._store.take_over(taken)
        for number in range(ownership.SHARES):
            if number not in self._followed.shares:
                record, _ = await self._bucket.get(record_key(number))
                self._followed.read_elsewhere(number, record)
        self._deps.findings.watching = True

    async def _leave(self) -> None:
        """Save what time allows, and let the others take over at once."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SAVE_SECONDS):
                for number, share in list(self._followed.shares.items()):
                    await self._store.settle(number)
                    await self._store.save(number, share.series.values())
        table, revision = await self._bucket.table()
        await self._bucket.write("shares", ownership.without(table, self._me).to_json(), revision)

    async def _snapshot_until_stopped(self) -> None:
        """Read the newest readings from the store now and then: see ``NewestSnapshot``."""
        service, snapshot = self._deps.service, self._deps.snapshot
        going, again = True, SECOND_SNAPSHOT_SECONDS
        while going:
            started = time.monotonic()
            hours = self._settings.reader_lookback_hours
            now = self._clock.now_ns()
            since = max(0, now - int(hours * 3600 * NS))
            pause = SNAPSHOT_SECONDS
            try:
                self._deps.store_ready.require()
                stored = await self._deps.store.latest(Selection(), since)
                snapshot.set_now(now)
                known = await until_now(self._deps.store, Selection(), stored, since, now)
                snapshot.replace_by([*known.readings, *known.ahead.values()])
                pause = max(again, 20 * (time.monotonic() - started))
                again = SNAPSHOT_SECONDS
            except StoreError as error:
                log.debug("the newest readings are not brought up to date: %s", error)
                pause = TICK_SECONDS if not snapshot.complete else SNAPSHOT_SECONDS
            going = await service.pause(pause)
