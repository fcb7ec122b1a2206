"""What was missed while nobody followed a share is read from the store again."""

from __future__ import annotations

import asyncio
import logging
from itertools import groupby
from operator import attrgetter

from reader.detection.anomaly import LEARNT
from reader.watching.followed_shares import FollowedShares
from reader.watching.ownership import share_of
from spindle.errors import StoreError
from spindle.store.base import Selection, Store
from spindle.timestamps import NS

log = logging.getLogger("reader.watch")

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
