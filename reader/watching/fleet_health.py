"""The health of the whole fleet, judged again and again by one reader, which announces changes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import orjson

from reader.detection.findings import RANK
from reader.health.evidence import ANY_ARRAY, PreviousState, Unit
from reader.health.intervals import Silence
from reader.lookups.followed_buckets import DecisionUpkeep
from reader.watching import announcements, health_events
from reader.watching.announcements import Announcement, Verdicts
from reader.watching.bucket import HEALTH, WatchBucket
from reader.watching.fleet_gauges import FleetGauges
from reader.watching.replaced_drives import ReplacedDrives
from reader.watching.share_store import AWAY, WatchDeps
from spindle import subjects, timestamps
from spindle.bus.buckets import Overtaken
from spindle.errors import StoreError
from spindle.store.base import DeviceKey, Selection
from spindle.timestamps import NS

log = logging.getLogger("reader.watch")

#: How often the fleet's health is judged: soon enough for a person who watches, and a fraction of a
#: second's work for some thousand devices.
HEALTH_SECONDS = 3.0
FRESH_NS = 60 * NS  # how often it is written though nothing changed
OLD_NS = 5 * FRESH_NS  # what was written longer ago says nothing of now


class FleetHealth:
    """The states of all devices that are not ok, as the bucket holds them under ``health``.

    :param leads: whether this reader is the one that judges now.
    :param hears: whether any reading came since it follows the stream. Until then it waits, as long
        as a silence takes to be one: what was stored before it began says little of now.
    :param gauges: show each verdict.
    """

    def __init__(
        self,
        deps: WatchDeps,
        bucket: WatchBucket,
        leads: Callable[[], bool],
        hears: Callable[[], bool],
        gauges: FleetGauges,
    ) -> None:
        self._deps, self._bucket, self._leads, self._hears = deps, bucket, leads, hears
        self._decisions = DecisionUpkeep(deps.findings.decisions, deps.client)
        self._replaced = ReplacedDrives(deps.findings.facts, deps.findings.decisions, deps.client)
        self._states: dict[DeviceKey, PreviousState] = {}  # as last written by any reader
        self._owed: list[Announcement] = []  # events written down that may not be published yet
        self._checked_ns = 0
        self._revision = 0
        self._began = time.monotonic()
        self._gauges, self._verdicts = gauges, Verdicts()

    async def run(self) -> None:
        """Read the states, or judge and write them, until the service stops."""
        interval = HEALTH_SECONDS
        while await self._deps.service.pause(interval):
            await self._read()
            if not self._leads() or not (self._hears() or self._has_listened()):
                self._gauges.show(())
                continue
            started = time.monotonic()
            try:
                self._deps.store_ready.require()
                await self._judge(self._deps.service.clock.now_ns())
            except StoreError as error:  # the store check tells it; the last states stay
                log.debug("the fleet's health is not judged: %s", error)
            # A fleet that takes long to judge is judged less often.
            interval = max(HEALTH_SECONDS, 4 * (time.monotonic() - started))

    async def _read(self) -> None:
        data, self._revision = await self._bucket.get(HEALTH)
        self._states, self._checked_ns = health_from_json(data)
        self._owed = owed_from_json(data)
        self._deps.examiner.silences.learn(silences_from_json(data))
        fresh = self._deps.service.clock.now_ns() - self._checked_ns <= OLD_NS
        self._deps.findings.previous_states = self._states if fresh else {}
        self._deps.findings.judged = fresh

    async def _judge(self, now_ns: int) -> None:
        """Judge, write down, then publish what changed: in this order, so that only one tells."""
        deps = self._deps
        replaced = await self._replaced.tend()
        self._forget_those_before()
        units = await deps.examiner.examine(deps.store, Selection(), now_ns)
        await self._decisions.tend(units, now_ns)
        self._gauges.show(units)
        await self._publish_verdicts(units, now_ns)
        events, told = health_events.of_units(
            units, self._states, self._anomalies(), now_ns, silences=self._has_listened()
        )
        states = announcements.states(units, self._states, now_ns, told)
        invented = deps.findings.facts.simulated
        changes = announcements.changes(units, self._states, now_ns, invented)
        owed = [*self._owed, *replaced, *events, *changes]
        if states == self._states and not owed and now_ns - self._checked_ns < FRESH_NS:
            return
        try:
            self._revision = await self._write(states, now_ns, owed)
            deps.findings.previous_states, deps.findings.judged = states, True
            if owed:
                await self._publish(owed)
                await self._write(states, now_ns, ())
        except Overtaken:
            return  # another reader tells it

    def _forget_those_before(self) -> None:
        """How a drive was that is not there any more says nothing of the one in its place."""
        hides = self._deps.findings.decisions.hides
        self._states = {k: was for k, was in self._states.items() if not hides(k, was.since_ns)}
        self._deps.findings.previous_states = self._states

    def _has_listened(self) -> bool:
        """Whether devices have had the time to be heard since this reader follows the stream."""
        return time.monotonic() - self._began > 1.25 * self._deps.examiner.rules.stale_ns / NS

    def _anomalies(self) -> set[health_events.Since]:
        return {
            (each.device, each.key.metric_type, timestamps.format_ns(each.start_ns))
            for each in self._deps.findings.anomalies
            if not each.ended
        }

    async def _write(
        self, states: dict[DeviceKey, PreviousState], now_ns: int, owed: Sequence[Announcement]
    ) -> int:
        over = self._deps.examiner.silences.over
        record = health_json(states, now_ns, owed, over)
        return await self._bucket.write(HEALTH, record, self._revision)

    async def _publish(self, owed: Iterable[Announcement]) -> None:
        """Into the streams; what was published before is recognised by its id."""
        js = self._deps.client.jetstream()
        for each in owed:
            headers = {subjects.MESSAGE_ID_HEADER: each.id}
            await js.publish(each.subject, each.payload, headers=headers)
            said = orjson.loads(each.payload)
            if isinstance(said, dict) and (message := said.get("eventMessage")):
                log.info("%s: %s", said["deviceId"], message)

    async def _publish_verdicts(self, units: Sequence[Unit], now_ns: int) -> None:
        """What is due is published, acknowledged by its stream, or due again."""
        due = self._verdicts.due(units, now_ns)
        try:
            await self._publish(announcements.messages(due, now_ns))
        except AWAY as error:  # a full stream is no reason to leave off the watch
            log.debug("verdicts are not published: %s", error)
        else:
            self._verdicts.published(units, due, now_ns)


def health_json(
    states: dict[DeviceKey, PreviousState],
    checked_ns: int,
    owed: Sequence[Announcement] = (),
    silences: Mapping[DeviceKey, Silence] = MappingProxyType({}),
) -> dict[str, Any]:
    """The devices that are not ok, the events that are to be published, and the silences that were
    lately, as JSON values."""
    return {
        "checked": checked_ns,
        "devices": {"/".join(key): list(before) for key, before in states.items()},
        "owed": [[each.subject, each.payload.decode(), each.id] for each in owed],
        "silences": {"/".join(key): list(silence) for key, silence in silences.items()},
    }


def owed_from_json(data: object) -> list[Announcement]:
    """The events of ``health_json``."""
    found = data.get("owed", ()) if isinstance(data, dict) else ()
    return [Announcement(subject, payload.encode(), id_) for subject, payload, id_ in found]


def silences_from_json(data: object) -> dict[DeviceKey, Silence]:
    """The silences of ``health_json``."""
    found = data.get("silences", {}) if isinstance(data, dict) else {}
    return {DeviceKey(*name.split("/")): Silence(*times) for name, times in found.items()}


def health_from_json(data: object) -> tuple[dict[DeviceKey, PreviousState], int]:
    """The devices of ``health_json``, and when they were judged; none where it cannot be read."""
    if not isinstance(data, dict):
        return {}, 0
    found: dict[DeviceKey, PreviousState] = {}
    for name, (state, since, *told) in data.get("devices", {}).items():
        kind, device, *array = name.split("/")
        if state in RANK:
            key = DeviceKey(kind, device, *(array or [ANY_ARRAY]))
            found[key] = PreviousState(state, int(since), *told)
    return found, int(data.get("checked", 0))
