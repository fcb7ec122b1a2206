"""Everything that the watch keeps in its bucket: shares taken over, saved, and announced."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from nats.aio.client import Client
from nats.errors import Error as NatsError

from reader.detection.anomaly import LEARNT, Anomaly
from reader.lookups.examiner import Examiner
from reader.lookups.known.newest_readings import NewestSnapshot
from reader.lookups.known.watch_findings import WatchFindings
from reader.lookups.stored.store_ready import StoreReady
from reader.settings import ReaderSettings
from reader.watching import announcements, ownership
from reader.watching.bucket import WatchBucket, record_key
from reader.watching.followed_shares import FollowedShares
from reader.watching.ownership import share_of
from reader.watching.series import FollowedSeries
from reader.watching.share import PEERS, Share, series_name
from spindle import subjects
from spindle.bus.buckets import Overtaken
from spindle.errors import BusUnavailable, InvalidInput, StoreError
from spindle.service.run import Service
from spindle.store.base import Selection, Store
from spindle.timestamps import NS

log = logging.getLogger("reader.watch")

#: How often the state of a series is saved. What came since is read from the store again after a
#: restart, and five minutes of it are read at once.
SNAPSHOT_SECONDS = 300.0
MOST_ANNOUNCED = 100  # events published in one tick, of one share
#: NATS does not do its part.
AWAY = (NatsError, OSError, BusUnavailable)


@dataclass(frozen=True)
class WatchDeps:
    """What the watch is built from.

    :ivar listener: the connection that hears what is published: see ``bus.listening``.
    """

    store: Store
    store_ready: StoreReady
    client: Client
    listener: Client
    service: Service[ReaderSettings]
    examiner: Examiner
    findings: WatchFindings
    snapshot: NewestSnapshot


class ShareStore:
    """Reads and writes the followed shares in the bucket.

    :ivar followed: what is followed.
    """

    def __init__(self, deps: WatchDeps, bucket: WatchBucket, followed: FollowedShares) -> None:
        self._deps, self._bucket, self.followed = deps, bucket, followed
        self._settings = deps.service.settings
        self._clock = deps.service.clock
        self._revisions: dict[int, int] = {}  # of the records of the shares followed

    async def take_over(self, taken: frozenset[int]) -> None:
        """Follow these shares from where their last owner left them."""
        # Followed only when all is known: what arrives meanwhile would hide what was before it.
        most = self._settings.reader_watch_series - self.followed.size
        followed = FollowedShares(self.followed.step, most)
        for number in sorted(taken):
            share = Share(number, followed.step)
            record, self._revisions[number] = await self._bucket.get(record_key(number))
            share.restore_record(record, self._clock.now_ns() / NS)
            async for name, data in self._bucket.states(number):
                if followed.size + len(share.series) >= most:
                    break
                try:
                    share.restore(name, data)
                except InvalidInput as error:
                    log.debug("a saved state is not used: %s", error)
            followed.shares[number] = share
        stated = {key for share in followed.shares.values() for key in share.series}
        with contextlib.suppress(StoreError):
            self._deps.store_ready.require()
            await catch_up(self._deps.store, followed, taken, self._clock.now_ns())
        for share in followed.shares.values():  # not before: what began lately is not in the states
            share.reconcile(anew=share.series.keys() - stated)
        self.followed.shares |= followed.shares
        log.info(
            "following %d of %d shares of the fleet", len(self.followed.shares), ownership.SHARES
        )

    async def settle(self, number: int) -> None:
        """Write down what changed, then tell it: in this order, so that only the owner tells."""
        share = self.followed.shares[number]
        if not share.changed:
            return
        share.refresh()
        try:
            await self._write_record(share)
            due = [each for each in share.anomalies if not each.announced]
            share.changed = len(due) > MOST_ANNOUNCED
            for anomaly in due[:MOST_ANNOUNCED]:
                await self._announce(anomaly)
                share.announced(anomaly)
            if due:
                await self._write_record(share)
        except Overtaken:
            log.info("share %d is followed by another reader now", number)
            del self.followed.shares[number]
        except AWAY:
            share.changed = True
            raise

    async def _announce(self, anomaly: Anomaly) -> None:
        event = announcements.event(anomaly)
        headers = {subjects.MESSAGE_ID_HEADER: event.id}
        await self._deps.client.jetstream().publish(event.subject, event.payload, headers=headers)
        over = ("worse: " if anomaly.episode.worse else "over: ") if anomaly.ended else ""
        log.info("%s: %s%s", anomaly.key.device_id, over, anomaly.episode.text)

    async def _write_record(self, share: Share) -> None:
        self._revisions[share.number] = await self._bucket.write(
            record_key(share.number),
            share.record(self._clock.now_ns() / NS),
            self._revisions[share.number],
        )

    async def save_some(self, seconds: float) -> None:
        """The part of all states that is due in so many seconds, the longest unsaved first."""
        now, every = time.monotonic(), SNAPSHOT_SECONDS
        # Nothing is forgotten because of a clock that may be wrong.
        clock, forget = self._clock, self._settings.reader_lookback_hours * 3600
        oldest = 0.0 if clock.in_doubt else clock.now_ns() / NS - forget
        for number, share in self.followed.shares.items():
            most = 1 + int(len(share.series) * seconds / every)
            due = [each for each in share.series.values() if now - each.saved >= every]
            due.sort(key=lambda each: each.saved)
            old = [s for s in due[:most] if s.end < oldest]
            await self._bucket.forget(number, [series_name(each.key) for each in old])
            for each in old:
                del share.series[each.key]
            if old:
                share.reconcile()
            kept = [each for each in due[:most] if each not in old]
            if kept:
                await self.save(number, kept)

    async def save(self, number: int, some: Iterable[FollowedSeries]) -> None:
        """Save states of series of a share, and its groups of peers."""
        kept = list(some)
        parts = [(series_name(each.key), each.to_bytes()) for each in kept]
        parts.append((PEERS, self.followed.shares[number].save_peers()))
        await self._bucket.save(number, parts)
        for each in kept:
            each.saved = time.monotonic()


_MOST_ROWS = 100_000
_LAST_STEPS = 2  # not read: they may not be stored yet, and the stream brings them


async def catch_up(
    store: Store, shares: FollowedShares, taken: frozenset[int], now_ns: int
) -> None:
    """Score the last minutes of the shares just taken, as far as their states do not know them.

    So a restart is no gap, and a new series is warm from its first reading on. Of a fleet too large
    for one answer of the store fewer minutes are read.
    """
    step_ns = int(shares.step * NS)
    try:
        start = now_ns - LEARNT * step_ns
        series = len(await store.latest(Selection(), start))
        steps = min(LEARNT, _MOST_ROWS // max(1, series))
        end = (now_ns // step_ns - _LAST_STEPS) * step_ns
        start = max(0, end - steps * step_ns)
        rows = await store.series(Selection(), start, end, step_ns, _MOST_ROWS) if steps else []
    except StoreError as error:
        log.info("the watch begins without the last minutes: %s", error)
        return
    for key, own in groupby(rows, key=attrgetter("key")):
        if share_of(key) in taken:
            for each in own:
                shares.take(key, each.time_ns, each.mean)
            await asyncio.sleep(0)  # answers come first
