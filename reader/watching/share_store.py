"""Shares taken over, saved, written down and told: all that the watch keeps in its bucket."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.errors import ServiceUnavailableError

from reader.lookups.examiner import Examiner
from reader.lookups.newest_snapshot import NewestSnapshot
from reader.lookups.store_ready import StoreReady
from reader.lookups.watch_findings import WatchFindings
from reader.settings import ReaderSettings
from reader.watching import announcements, ownership
from reader.watching.bucket import Bucket, Overtaken, record_key
from reader.watching.catch_up import catch_up
from reader.watching.followed_shares import Board
from reader.watching.series import Followed
from reader.watching.share import PEERS, Share, series_name
from spindle import subjects
from spindle.errors import BusUnavailable, InvalidInput, StoreError
from spindle.service.run import Service
from spindle.store.base import Store

log = logging.getLogger("reader.watch")

MOST_TOLD = 100  # events published in one tick, of one share
FORGET_SECONDS = 86_400.0  # a series without a reading for so long
#: NATS does not do its part.
AWAY = (NatsError, TimeoutError, ServiceUnavailableError, OSError, BusUnavailable)


@dataclass(frozen=True)
class Parts:
    """What the watch stands on."""

    store: Store
    store_ready: StoreReady
    client: Client
    service: Service[ReaderSettings]
    examiner: Examiner
    findings: WatchFindings
    snapshot: NewestSnapshot


class Keeper:
    """Owns the board's shares in the bucket.

    :ivar board: what is followed.
    """

    def __init__(self, parts: Parts, bucket: Bucket, board: Board) -> None:
        self._parts, self._bucket, self.board = parts, bucket, board
        self._settings = parts.service.settings
        self._revisions: dict[int, int] = {}  # of the records of the shares followed

    async def take_over(self, taken: frozenset[int]) -> None:
        """Follow these shares from where their last owner left them."""
        # Followed only when all is known: what arrives meanwhile would hide what was before it.
        board = Board(self.board.step, self._settings.reader_watch_series - self.board.size)
        for number in sorted(taken):
            share = Share(number, board.step)
            record, self._revisions[number] = await self._bucket.get(record_key(number))
            share.restore_record(record)
            async for name, data in self._bucket.states(number):
                if board.size + len(share.series) >= self._settings.reader_watch_series:
                    break
                try:
                    share.restore(name, data)
                except InvalidInput as error:
                    log.debug("a saved state is not used: %s", error)
            board.shares[number] = share
        with contextlib.suppress(StoreError):
            self._parts.store_ready.require()
            await catch_up(self._parts.store, board, taken, time.time_ns())
        for share in board.shares.values():  # not before: what began lately is not in the states
            share.drop_orphans()
        self.board.shares |= board.shares
        log.info("following %d of %d shares of the fleet", len(self.board.shares), ownership.SHARES)

    async def settle(self, number: int) -> None:
        """Write down what changed, then tell it: in this order, so that only the owner tells."""
        share = self.board.shares[number]
        if not share.changed:
            return
        share.refresh()
        try:
            await self._write_record(share)
            untold = [r for r in (*share.ended, *share.rows.values()) if not r["told"]]
            share.changed = len(untold) > MOST_TOLD
            for row in untold[:MOST_TOLD]:
                notice = announcements.event(row)
                headers = {subjects.MESSAGE_ID_HEADER: notice.id}
                js = self._parts.client.jetstream()
                await js.publish(notice.subject, notice.payload, headers=headers)
                row["told"] = True
                over = "" if row["lasts"] else "over: "
                log.info("%s: %s%s", row["device"], over, row["explanation"])
            if untold:
                await self._write_record(share)
        except Overtaken:
            log.info("share %d is followed by another reader now", number)
            del self.board.shares[number]
        except AWAY:
            share.changed = True
            raise

    async def _write_record(self, share: Share) -> None:
        self._revisions[share.number] = await self._bucket.write(
            record_key(share.number), share.record(), self._revisions[share.number]
        )

    async def save_some(self, seconds: float) -> None:
        """The part of all states that is due in so many seconds, the longest unsaved first."""
        now, every = time.monotonic(), self._settings.reader_watch_snapshot_seconds
        for number, share in self.board.shares.items():
            most = 1 + int(len(share.series) * seconds / every)
            due = [each for each in share.series.values() if now - each.saved >= every]
            due.sort(key=lambda each: each.saved)
            old = [s for s in due[:most] if time.time() - s.end > FORGET_SECONDS]
            await self._bucket.forget(number, [series_name(each.key) for each in old])
            for each in old:
                del share.series[each.key]
            kept = [each for each in due[:most] if each not in old]
            if kept:
                await self.save(number, kept)

    async def save(self, number: int, some: Iterable[Followed]) -> None:
        """Save states of series of a share, and its groups of peers."""
        kept = list(some)
        parts = [(series_name(each.key), each.to_bytes()) for each in kept]
        parts.append((PEERS, self.board.shares[number].save_peers()))
        await self._bucket.save(number, parts)
        for each in kept:
            each.saved = time.monotonic()
