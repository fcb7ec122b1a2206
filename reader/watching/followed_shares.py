"""The shares that this reader follows now, and the records of all others; no I/O, no clock."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reader.detection.findings import DeviceKey, Finding
from reader.lookups.watch_findings import WatchFindings
from reader.watching import share as shares_
from reader.watching.intake import Reading
from reader.watching.ownership import share_of
from reader.watching.series import Followed
from reader.watching.share import Row, Share
from spindle.store.base import SeriesKey
from spindle.timestamps import NS

log = logging.getLogger("reader.watch")

_MOST = 200_000  # series of which it is remembered in which share they are


class Board:
    """Mutable state of one reader's watch.

    :ivar shares: followed now.
    :ivar records: of the shares that others follow, as they wrote them.
    :ivar forecasts: devices that will be full soon.
    :ivar points: readings taken since the start.
    """

    def __init__(self, step: float, most_series: int) -> None:
        self.step = step
        self.shares: dict[int, Share] = {}
        self.records: dict[int, Mapping[str, Any]] = {}
        self.forecasts: Sequence[Finding] = ()
        self.points = 0
        self._most = most_series
        self._numbers: dict[SeriesKey, int] = {}
        self._told_full = False  # the bound is logged once

    @property
    def size(self) -> int:
        """Series followed."""
        return sum(len(share.series) for share in self.shares.values())

    def take(self, reading: Reading) -> None:
        """One reading: scored if it is of a share that is followed."""
        key = reading.key
        number = self._numbers.get(key)
        if number is None:
            if len(self._numbers) >= _MOST:
                self._numbers.clear()
            number = self._numbers[key] = share_of(key)
        share = self.shares.get(number)
        if share is None:
            return
        series = share.series.get(key) or self._new(share, key)
        if series is not None:
            self.points += 1
            share.take(series, reading.time_ns / NS, reading.value)

    def _new(self, share: Share, key: SeriesKey) -> Followed | None:
        if self.size >= self._most:
            if not self._told_full:
                self._told_full = True
                log.warning(
                    "%s series are followed, further ones are not scored: READER_WATCH_SERIES",
                    self._most,
                )
            return None
        series = share.series[key] = Followed(key, self.step)
        return series

    def rows(self) -> Iterator[Row]:
        """Every anomaly of every share that is known of, whether it lasts or not."""
        for share in self.shares.values():
            share.refresh()
            yield from share.rows.values()
            yield from share.ended
        for number, record in self.records.items():
            if number not in self.shares:
                yield from shares_.rows_of(record)

    def show(self, findings: WatchFindings) -> None:
        """Tell the answers what lasts."""
        rows = list(self.rows())
        found: defaultdict[DeviceKey, list[Finding]] = defaultdict(list)
        for key, finding in shares_.findings_of(row for row in rows if row["lasts"]):
            found[key].append(finding)
        for each in self.forecasts:
            found[each.source_device, each.device_id].append(each)
        findings.rows, findings.lasting = rows, found
