"""The watch's shell: NATS, the bucket and the clock around ``Board``."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import time
from uuid import uuid4

from nats.aio.msg import Msg
from prometheus_client import CollectorRegistry, Counter, Gauge

from reader.watching import ownership
from reader.watching.bucket import Bucket, Overtaken, record_key
from reader.watching.fleet_health import FleetLooks
from reader.watching.followed_shares import Board
from reader.watching.intake import Intake
from reader.watching.share_store import AWAY, Keeper, Parts
from spindle import subjects
from spindle.errors import StoreError
from spindle.store.base import Selection
from spindle.timestamps import NS

log = logging.getLogger("reader.watch")

TICK_SECONDS = 1.0
PEER_SECONDS = 60.0
PICTURE_SECONDS = 60.0
FIRST_FORECAST_SECONDS = 20.0
FRESH_SECONDS = 15.0  # how often what lasts is written again, with its latest peak
SAVE_SECONDS = 2.0  # how long a stopping reader saves states


class Metrics:
    """The watch's Prometheus metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.series = Gauge(
            "reader_watch_series", "Series that this reader follows", registry=registry
        )
        self.points = Counter(
            "reader_watch_points", "Readings that the watch has taken", registry=registry
        )
        self.anomalies = Gauge(
            "reader_watch_anomalies", "Anomalies that last, of all shares", registry=registry
        )


class Watch:
    """Owns the reader's shares of the fleet."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._settings = parts.service.settings
        self._metrics = Metrics(parts.service.registry)
        self._me = f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}"

    async def run(self) -> None:
        """Follow until the service stops, or NATS does not do its part: then to be run again."""
        try:
            await _Session(self._parts, self._metrics, self._me).run()
        finally:
            self._parts.findings.watching = False


class _Session:
    """From opening the bucket until NATS fails or the service stops."""

    def __init__(self, parts: Parts, metrics: Metrics, me: str) -> None:
        self._parts, self._metrics, self._me = parts, metrics, me
        settings = self._settings = parts.service.settings
        self._board = Board(settings.reader_watch_step_seconds, settings.reader_watch_series)
        self._intake = Intake(settings.max_payload_bytes)
        self._alive = ownership.Alive()
        self._held_until = 0.0  # on this clock nobody else follows these shares before
        self._next_peers = time.monotonic() + PEER_SECONDS
        self._next_beat = self._next_fresh = 0.0
        self._heard = False  # any message since the session began
        self._bucket: Bucket  # both once NATS has it
        self._keeper: Keeper

    async def run(self) -> None:
        client = self._parts.client
        self._bucket = await Bucket.open(client, self._settings)
        self._keeper = Keeper(self._parts, self._bucket, self._board)
        looks = FleetLooks(self._parts, self._bucket)
        subscriptions = [
            await client.subscribe(subject, cb=self._hear)
            for subject in (subjects.METRICS, f"{subjects.METRICS}.>")
        ]
        pause = self._settings.reader_watch_health_seconds
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._tick_until_stopped(), name="watch ticks")
                tasks.create_task(self._look_until_stopped(looks, pause), name="watch health")
                tasks.create_task(self._picture_until_stopped(), name="watch picture")
                tasks.create_task(self._foretell_until_stopped(looks), name="watch forecasts")
        finally:
            self._parts.snapshot.mark_incomplete()
            for subscription in subscriptions:
                with contextlib.suppress(*AWAY):
                    await subscription.unsubscribe()
        with contextlib.suppress(*AWAY, Overtaken):
            await self._leave()

    async def _hear(self, message: Msg) -> None:
        self._heard = True
        latest = time.time_ns() + int(self._settings.max_future_seconds * NS)
        # Not renewed in time: another reader may follow these shares by now.
        scored = time.monotonic() <= self._held_until
        for reading in self._intake.readings(message.data, latest):
            self._parts.snapshot.take(*reading)
            if scored:
                self._board.take(reading)

    async def _tick_until_stopped(self) -> None:
        service = self._parts.service
        while not service.stopping.is_set():
            await self._tick()
            if not await service.pause(TICK_SECONDS):
                return

    async def _tick(self) -> None:
        now, board = time.monotonic(), self._board
        if now >= self._next_beat:
            await self._beat()
            self._next_beat = now + ownership.BEAT_SECONDS
            await self._keeper.save_some(ownership.BEAT_SECONDS)
        for share in board.shares.values():
            share.flush(time.time() - 2 * TICK_SECONDS)
        if now >= self._next_peers:
            self._next_peers = now + PEER_SECONDS
            for share in board.shares.values():
                share.compare_peers(time.time())
        if now >= self._next_fresh:
            self._next_fresh = now + FRESH_SECONDS
            for share in board.shares.values():
                share.changed = share.changed or bool(share.rows)
        for number in list(board.shares):
            await self._keeper.settle(number)
        board.show(self._parts.findings)
        self._measure()

    def _measure(self) -> None:
        metrics, board = self._metrics, self._board
        metrics.series.set(board.size)
        metrics.points.inc(board.points)
        board.points = 0
        metrics.anomalies.set(sum(1 for row in self._parts.findings.rows if row["lasts"]))

    async def _beat(self) -> None:
        """Renew the lease, give and take shares, and read what the others found."""
        started = time.monotonic()
        table, revision = await self._bucket.table()
        alive = self._alive.among(table, started)
        mine = ownership.due(table, self._me, alive)
        have = frozenset(self._board.shares)
        for number in have - mine:
            if number in table.owned(self._me):
                await self._keeper.save(number, self._board.shares[number].series.values())
        renewed = ownership.renewed(table, self._me, alive, mine)
        try:
            await self._bucket.write("shares", renewed.to_json(), revision)
        except Overtaken:
            if time.monotonic() <= self._held_until:
                return  # the next beat is soon enough
            raise
        for number in have - mine:
            del self._board.shares[number]
        # What another reader followed meanwhile is not known here.
        lost = (have & mine) - table.owned(self._me)
        for number in lost:
            del self._board.shares[number]
        self._held_until = started + ownership.LEASE_SECONDS
        if taken := frozenset(mine - frozenset(self._board.shares)):
            await self._keeper.take_over(taken)
        for number in range(ownership.SHARES):
            if number not in self._board.shares:
                record, _ = await self._bucket.get(record_key(number))
                self._board.records[number] = record if isinstance(record, dict) else {}
        self._parts.findings.watching = True

    async def _leave(self) -> None:
        """Save what time allows, and let the others take over at once."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SAVE_SECONDS):
                for number, share in list(self._board.shares.items()):
                    await self._keeper.settle(number)
                    await self._keeper.save(number, share.series.values())
        table, revision = await self._bucket.table()
        await self._bucket.write("shares", ownership.without(table, self._me).to_json(), revision)

    async def _picture_until_stopped(self) -> None:
        """Read the newest readings from the store now and then: see ``NewestSnapshot``."""
        service, snapshot = self._parts.service, self._parts.snapshot
        going = True
        while going:
            started = time.monotonic()
            hours = self._settings.reader_lookback_hours
            since = max(0, time.time_ns() - int(hours * 3600 * NS))
            pause = PICTURE_SECONDS
            try:
                self._parts.store_ready.require()
                snapshot.replace_by(await self._parts.store.latest(Selection(), since))
                pause = max(PICTURE_SECONDS, 20 * (time.monotonic() - started))
            except StoreError as error:
                log.debug("the picture of the fleet is not brought up to date: %s", error)
                pause = TICK_SECONDS if not snapshot.complete else PICTURE_SECONDS
            going = await service.pause(pause)

    async def _foretell_until_stopped(self, looks: FleetLooks) -> None:
        """One reader foretells, all read it."""
        service, settings = self._parts.service, self._settings
        due = time.monotonic() + FIRST_FORECAST_SECONDS
        while await service.pause(ownership.BEAT_SECONDS):
            self._board.forecasts = await looks.forecasts()
            if 0 not in self._board.shares or time.monotonic() < due:
                continue
            due = time.monotonic() + settings.reader_watch_forecast_seconds
            try:
                self._parts.store_ready.require()
                await looks.foretell(time.time_ns(), settings.retention_hours)
            except StoreError as error:
                log.debug("nothing is foretold: %s", error)

    async def _look_until_stopped(self, looks: FleetLooks, pause: float) -> None:
        service, longest = self._parts.service, pause
        while await service.pause(longest):
            await looks.read()
            if 0 not in self._board.shares or not self._heard:
                continue
            started = time.monotonic()
            try:
                self._parts.store_ready.require()
                await looks.look(time.time_ns())
            except StoreError as error:  # the store watch tells it; the last look stays
                log.debug("the fleet's health is not judged: %s", error)
            # A fleet that takes long to judge is judged less often.
            longest = max(pause, 4 * (time.monotonic() - started))
