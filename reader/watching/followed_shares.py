"""The shares that this reader follows now, and the records of all others; no I/O, no clock."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence

from reader.detection.findings import Finding
from reader.lookups.known.watch_findings import WatchFindings
from reader.watching.ownership import share_of
from reader.watching.series import FollowedSeries
from reader.watching.share import Record, Share, read_record
from spindle.store.base import DeviceKey, SeriesKey
from spindle.timestamps import NS

log = logging.getLogger("reader.watch")

_MOST = 200_000  # series of which it is remembered in which share they are; and not watched ones


class FollowedShares:
    """Everything that one reader's watch has found. Mutable.

    :ivar shares: followed now.
    :ivar elsewhere: the records of the shares that others follow, as they wrote them.
    :ivar forecasts: devices that will be full soon.
    :ivar points: readings taken since the start.
    """

    def __init__(self, step: float, most_series: int) -> None:
        self.step = step
        self.shares: dict[int, Share] = {}
        self.elsewhere: dict[int, Record] = {}
        self.forecasts: Sequence[Finding] = ()
        self.points = 0
        self._most = most_series
        self._numbers: dict[SeriesKey, int] = {}
        self._told_full = False  # the bound is logged once

    @property
    def leads(self) -> bool:
        """Whether this reader has the first share, and so does what one does for all."""
        return 0 in self.shares

    @property
    def size(self) -> int:
        """How many series are followed."""
        return sum(len(share.series) for share in self.shares.values())

    def take(self, key: SeriesKey, time_ns: int, value: float) -> None:
        """Take one reading; it is scored if its share is followed here."""
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
            share.take(series, time_ns / NS, value)

    def _new(self, share: Share, key: SeriesKey) -> FollowedSeries | None:
        if self.size >= self._most:
            if len(share.unwatched) < _MOST:
                share.unwatched.add(key)
            if not self._told_full:
                self._told_full = True
                log.warning(
                    "%s series are followed, further ones are not scored: READER_WATCH_SERIES",
                    self._most,
                )
            return None
        share.unwatched.discard(key)
        series = share.series[key] = FollowedSeries(key, self.step)
        return series

    def read_elsewhere(self, number: int, record: object) -> None:
        """Take in the record that another reader wrote of its share."""
        self.elsewhere[number] = read_record(record)

    def show(self, findings: WatchFindings) -> None:
        """Fill in ``WatchFindings``, which answers and judgements of health read."""
        records = [each for number, each in self.elsewhere.items() if number not in self.shares]
        for share in self.shares.values():
            share.refresh()
            since = share.since if share.series else 0.0
            own = share.anomalies, len(share.unwatched), since, 0.0, share.learning
            records.append(Record(*own))
        anomalies = [
            anomaly
            for record in records
            for anomaly in record.anomalies
            if not findings.hides(anomaly.device, anomaly.last_ns)
        ]
        lasting: defaultdict[DeviceKey, list[Finding]] = defaultdict(list)
        for anomaly in anomalies:
            if not anomaly.ended:
                lasting[anomaly.device].append(anomaly.finding())
        for each in self.forecasts:
            if not findings.hides(each.device, each.since_ns):
                lasting[each.device].append(each)
        findings.anomalies, findings.lasting = anomalies, lasting
        findings.unwatched = sum(record.unwatched for record in records)
        findings.since = max((record.since for record in records), default=0.0)
        findings.learning = {
            key: left
            for each in records
            for key, left in each.learning.items()
            if not findings.hides(key.device)
        }
