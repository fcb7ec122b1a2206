"""Judges devices, from what it reads of them in a bounded number of queries of the store.

Two for any number of devices: the newest readings and the critical events. Where the watch runs,
the newest readings of the fleet are known already; those of one device are read together with those
of others that are asked about in the same moment. Then at most ``MOST_CLOSE_LOOKS`` for devices
whose newest readings do not decide, and ``MOST_LEARNT`` to learn how often a silent device used to
report.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain

from reader.health import intervals, verdict
from reader.health.close_looks import CloseLooks
from reader.health.evidence import Evidence, Rules, Unit
from reader.health.intervals import Intervals, Silences
from reader.health.limits import BUCKET_NS, Thresholds
from reader.lookups.known.newest_readings import AHEAD_NS, NewestSnapshot, Present, until_now
from reader.lookups.known.watch_findings import WatchFindings
from reader.lookups.single_flight import SingleFlight
from reader.lookups.stored.shared_queries import BatchedLatest, CriticalEvents, SmartHistory
from reader.settings import ReaderSettings
from spindle.store.base import Bucket, DeviceKey, Latest, Selection, Store
from spindle.timestamps import NS

MOST_CLOSE_LOOKS = 16  #: devices of one question whose last minutes are read
MOST_LEARNT = 8  #: devices of one question whose interval is learnt
#: A critical event that is over is named in the reasons for half a shift, and costs some score.
EVENT_HISTORY_HOURS = 4.0
_LONGEST_LOOK_NS = 120 * 60 * NS  # of readings, however long an event counts
_LAST_MINUTES_SECONDS = 1.0  # for which a device's last minutes are good, once read
_MANY = 4_000  # readings that take some 20 ms to judge
_ROWS = 20_000  # of one device's last minutes


@dataclass
class Examiner:
    """Judges devices; holds what a reader knows of them beside what the store says. Mutable.

    :ivar watch_findings: what the watch found; empty where none runs.
    :ivar snapshot: the newest readings of the fleet, kept up to date by the watch.
    :ivar intervals: how often devices that fell silent used to report.
    :ivar events: the fleet's critical events, shared by questions of the same moment.
    :ivar latest: the newest readings of single devices, shared alike.
    :ivar last_minutes: the readings of single devices for a close look, shared alike.
    :ivar close_looks: what close looks found before.
    :ivar silences: devices that were silent lately.
    :ivar smart_history: how much SMART counters have grown.
    """

    settings: ReaderSettings
    thresholds: Thresholds = field(default_factory=Thresholds)
    watch_findings: WatchFindings = field(default_factory=WatchFindings)
    snapshot: NewestSnapshot = field(default_factory=NewestSnapshot)
    intervals: Intervals = field(default_factory=Intervals)
    events: CriticalEvents = field(default_factory=CriticalEvents)
    latest: BatchedLatest = field(default_factory=BatchedLatest)
    last_minutes: SingleFlight[tuple[str, str], list[Bucket]] = field(
        default_factory=lambda: SingleFlight(_LAST_MINUTES_SECONDS, 256)
    )
    close_looks: CloseLooks = field(default_factory=CloseLooks)
    silences: Silences = field(default_factory=Silences)
    smart_history: SmartHistory = field(default_factory=SmartHistory)

    @cached_property
    def rules(self) -> Rules:
        """The limits and times that devices are judged by."""
        settings = self.settings
        return Rules(
            self.thresholds,
            int(settings.reader_stale_seconds * NS),
            int(settings.reader_event_minutes * 60 * NS),
            self.watch_findings.facts.drive,
        )

    async def examine(self, store: Store, which: Selection, now_ns: int) -> list[Unit]:
        """Judge every selected device of which there is a reading or a critical event.

        :raises StoreError: the store could not be asked.
        """
        settings, array_id = self.settings, which.array_id
        # What a unit says under no array, or under another that it has left, may matter too.
        everywhere = replace(which, array_id=None)
        hours = max(EVENT_HISTORY_HOURS, settings.reader_event_minutes / 60)
        events = await self.events.select(store, everywhere, _ago(now_ns, hours))
        present = await self._present(store, everywhere, now_ns)
        decisions = self.watch_findings.decisions
        readings, ahead = decisions.shown(present.readings), present.ahead
        events = list(decisions.shown(events))  # what is shared may be older than the decision
        ahead = {key: late for key, late in ahead.items() if not decisions.hides(key, late.time_ns)}
        if array_id is not None:
            heard = [each.device for some in (readings, events, ahead.values()) for each in some]
            here = {key[:2] for key in heard if key.array_id == array_id}
            readings = [each for each in readings if each.device[:2] in here]
            events = [each for each in events if each.device[:2] in here]
            ahead = {key: late for key, late in ahead.items() if key[:2] in here}
        evidence = Evidence(
            readings=readings,
            ahead=ahead,
            came=self.snapshot.came,
            events=events,
            findings=self.watch_findings.lasting,
            previous_state=self.watch_findings.previous_states,
            resolved_events=self.close_looks.resolved_events,
            silences=self.silences.over,
            acknowledged=decisions.acknowledged,
            retired=decisions.retired,
        )
        units = await self._judge(store, evidence, now_ns, of_one=which.device_id is not None)
        return [unit for unit in units if array_id in (None, unit.array_id)]

    async def _judge(
        self, store: Store, evidence: Evidence, now_ns: int, *, of_one: bool
    ) -> list[Unit]:
        well = verdict.all_plainly_well(evidence, self.rules, now_ns) if of_one else None
        if well is None:
            return await self._examine_closely(store, evidence, now_ns)
        self.silences.note(well, now_ns)
        return well

    async def _examine_closely(self, store: Store, evidence: Evidence, now_ns: int) -> list[Unit]:
        rules, readings = self.rules, evidence.readings
        last_minutes = await self._last_minutes(store, evidence, now_ns)
        intervals_ = await self._usual_intervals(store, readings, now_ns)
        growths = await self.smart_history.growths(store, readings)
        whole = replace(
            evidence,
            buckets=last_minutes,
            intervals=intervals_,
            growths=growths,
        )
        if len(readings) <= _MANY:
            units = verdict.judge(whole, rules, now_ns)
        else:  # in a thread, so that other answers do not wait for it
            units = await asyncio.to_thread(verdict.judge, whole, rules, now_ns)
        self.close_looks.remember_resolved(units, rules, now_ns)
        self.silences.note(units, now_ns)
        return units

    async def _present(self, store: Store, which: Selection, now_ns: int) -> Present:
        """The newest of each series. Of one device the store is asked, which is always right."""
        since_ns = _ago(now_ns, self.settings.reader_lookback_hours)
        if which.device_id is None and self.snapshot.complete:
            return self.snapshot.present(which, since_ns, now_ns)
        if which.device_id is not None:
            of_id = await self.latest.readings(store, which.device_id, since_ns)
            kind = which.source_device
            readings = [each for each in of_id if kind in (None, each.source_device)]
        else:
            readings = await store.latest(which, since_ns)
        return await until_now(store, which, readings, since_ns, now_ns)

    async def _last_minutes(
        self, store: Store, evidence: Evidence, now_ns: int
    ) -> dict[DeviceKey, dict[str, list[Bucket]]]:
        """The last minutes of the devices that need a close look most, by device and metric.

        An event may name no array where the readings do: all of the name's are read.
        """
        keys = self.close_looks.candidates(evidence, self.rules, now_ns)[:MOST_CLOSE_LOOKS]
        if not keys:
            return {}
        self.close_looks.mark_looked_at(keys, now_ns)
        start = now_ns - min(self.rules.event_ns + verdict.AROUND_NS, _LONGEST_LOOK_NS)
        end = now_ns + AHEAD_NS

        def look(kind: str, device_id: str) -> Awaitable[list[Bucket]]:
            def ask() -> Awaitable[list[Bucket]]:
                return store.series(Selection(kind, device_id), start, end, BUCKET_NS, _ROWS)

            return self.last_minutes.get((kind, device_id), ask)

        names = dict.fromkeys(key[:2] for key in keys)
        looks = await asyncio.gather(*(look(*name) for name in names))
        found: dict[DeviceKey, dict[str, list[Bucket]]] = {key: {} for key in keys}
        for bucket in chain.from_iterable(looks):
            found.setdefault(bucket.device, {}).setdefault(bucket.metric_type, []).append(bucket)
        return found

    async def _usual_intervals(
        self, store: Store, readings: Sequence[Latest], now_ns: int
    ) -> dict[DeviceKey, float]:
        """Usual seconds between two readings of the devices that have been silent for a while."""
        last_seen: dict[DeviceKey, int] = {}
        for reading in readings:
            key = reading.device
            last_seen[key] = max(last_seen.get(key, 0), reading.time_ns)
        silent_since = now_ns - int(self.rules.stale_ns * verdict.WARN_SHARE)
        silent = {key: seen for key, seen in last_seen.items() if seen < silent_since}
        if not silent:
            return {}
        keys = self.intervals.to_learn(silent, MOST_LEARNT)
        learnt = await asyncio.gather(*(_interval(store, key, last_seen[key]) for key in keys))
        for key, seconds in zip(keys, learnt, strict=True):
            self.intervals.learn(key, seconds, last_seen[key])
        return self.intervals.usual_seconds(silent)


async def _interval(store: Store, key: DeviceKey, last_ns: int) -> float:
    """Usual seconds between two readings up to the last one; 0 where it cannot be told."""
    for length, bucket in intervals.SPANS:
        begin = max(0, last_ns - length)
        found = await store.series(Selection(*key), begin, last_ns + 1, bucket, _ROWS)
        seconds = intervals.interval_of(found, bucket)
        if seconds:
            return seconds
    return 0.0


def _ago(now_ns: int, hours: float) -> int:
    return max(0, now_ns - int(hours * 3600 * NS))
