"""What the watch publishes: anomalies, changes of health, and health itself as readings. Pure.

Verdicts are readings of health and score, for the store to keep. They are due when a device is
first judged, when its state changes or its score changes much, and again every quarter of an hour,
each device at a time of its own.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID, uuid5

import orjson

from reader.detection.anomaly import Anomaly
from reader.detection.findings import RANK, State
from reader.health.evidence import PreviousState, Unit, last_state
from reader.health.reasons import ANOMALY, row
from spindle import catalog, subjects, timestamps
from spindle.models import MAX_MESSAGE, DeviceMetric, Event
from spindle.store.base import DeviceKey
from spindle.timestamps import NS

_IDS = UUID("5f3c2a52-6d0c-4a39-9a4e-8f1f1a2d7c10")
MOST_REASONS = 5  # of one change


@dataclass(frozen=True, slots=True)
class Announcement:
    """A message to publish.

    :ivar id: the same whoever publishes it, so that a repeat is recognised.
    """

    subject: str
    payload: bytes
    id: str


def event(anomaly: Anomaly) -> Announcement:
    """The event that an anomaly began or, where it has ended, that it is over, or told as worse."""
    key, lasts, text = anomaly.key, not anomaly.ended, anomaly.episode.text
    what = f"{key.source_device}/{key.device_id}/{key.metric_type}/{anomaly.is_among_peers}"
    what += f"/{key.array_id}" if key.array_id else ""
    how = "worse" if anomaly.episode.worse else "over"
    began, last = timestamps.format_ns(anomaly.start_ns), timestamps.format_ns(anomaly.last_ns)
    said = Event(
        id=str(uuid5(_IDS, f"{what}/{began}/{lasts}")),
        criticality=anomaly.criticality if lasts else 1,
        timestamp=anomaly.start_ns if lasts else anomaly.last_ns,
        source_device=key.source_device,
        event_type=ANOMALY,
        device_id=key.device_id,
        array_id=key.array_id or None,
        event_message=(text if lasts else f"{how} since {last}: {text}")[:MAX_MESSAGE],
    )
    return of_event(said)


def of_event(said: Event) -> Announcement:
    """The event on its device's subject."""
    subject = subjects.device_subject(subjects.EVENTS, said.source_device, said.device_id)
    return Announcement(subject, said.to_json(), said.id)


def states(
    units: Iterable[Unit],
    before: Mapping[DeviceKey, PreviousState],
    now_ns: int,
    told: Mapping[DeviceKey, Mapping[str, State]] = MappingProxyType({}),
) -> dict[DeviceKey, PreviousState]:
    """The devices that are not ok, each with its state, since when, and what events tell of it."""
    found = {}
    for unit in units:
        if unit.state == "ok":
            continue
        key, was = unit.key, last_state(before, unit.key)
        same = was is not None and was.state == unit.state
        since = was.since_ns if was is not None and same else unit.since_ns or now_ns
        found[key] = PreviousState(unit.state, since, told.get(key, {}))
    return found


def changes(
    units: Sequence[Unit],
    before: Mapping[DeviceKey, PreviousState],
    now_ns: int,
    simulated: Collection[DeviceKey] = (),
) -> list[Announcement]:
    """One announcement for each device whose state has changed.

    :param simulated: the devices that do not exist.
    """
    found = []
    for unit in units:
        was = last_state(before, unit.key)
        old = "ok" if was is None else was.state
        if old != unit.state:
            found.append(_change(unit, old, now_ns, simulated=unit.key in simulated))
    return found


def _change(unit: Unit, old: str, now_ns: int, *, simulated: bool) -> Announcement:
    said = {
        "device": unit.device_id,
        "source_device": unit.source_device,
        "array_id": unit.array_id or None,
        "old_state": old,
        "new_state": unit.state,
        "score": unit.score,
        "since": None if unit.since_ns is None else timestamps.format_ns(unit.since_ns),
        "time": timestamps.format_ns(now_ns),
        "simulated": simulated,
        "reasons": [row(reason) for reason in unit.reasons[:MOST_REASONS]],
    }
    subject = subjects.device_subject(subjects.HEALTH_CHANGED, unit.source_device, unit.device_id)
    what = "/".join((*unit.key, old, unit.state, str(now_ns)))
    return Announcement(subject, orjson.dumps(said), str(uuid5(_IDS, what)))


_VERDICT_IDS = UUID("b2f3e4a0-6d1b-4d3f-8a51-0c6a4f7f5e21")
AGAIN_NS = 900 * NS
SCORE_STEP = 5  #: a score moves with every reading of an ill device; this much is a change
_ENVELOPE = 250  # devices in one message: some 70 KB


class _Told(NamedTuple):
    state: State
    score: int
    time_ns: int


class Verdicts:
    """Remembers what was published of each device. Mutable."""

    def __init__(self) -> None:
        self._told: dict[DeviceKey, _Told] = {}

    def due(self, units: Sequence[Unit], now_ns: int) -> list[Unit]:
        """The devices of which something is to be published now."""
        return [unit for unit in units if self._is_due(unit, now_ns)]

    def _is_due(self, unit: Unit, now_ns: int) -> bool:
        told = self._told.get(unit.key)
        return (
            told is None
            or told.state != unit.state
            or abs(told.score - unit.score) >= SCORE_STEP
            or not 0 <= now_ns - told.time_ns < AGAIN_NS
        )

    def published(self, units: Sequence[Unit], due: Sequence[Unit], now_ns: int) -> None:
        """``due`` of all ``units`` were published; devices that are no more are forgotten."""
        gone = self._told.keys() - {unit.key for unit in units}
        for key in gone:
            del self._told[key]
        for unit in due:
            # The first time as if some while ago: a fleet that is judged at once is due in parts.
            age = 0 if unit.key in self._told else zlib.crc32("/".join(unit.key).encode()) * NS
            self._told[unit.key] = _Told(unit.state, unit.score, now_ns - age % AGAIN_NS)


def messages(units: Sequence[Unit], now_ns: int) -> Iterator[Announcement]:
    """The verdicts on these devices as envelopes of readings."""
    for place in range(0, len(units), _ENVELOPE):
        some = units[place : place + _ENVELOPE]
        payload = b",".join(
            DeviceMetric(
                timestamp=now_ns,
                source_device=unit.source_device,
                device_id=unit.device_id,
                array_id=unit.array_id or None,
                metric_type=name,
                value=float(value),
            ).to_json()
            for unit in some
            for name, value in (
                (catalog.HEALTH, RANK[unit.state]),
                (catalog.SCORE, unit.score),
            )
        )
        said = b"[" + payload + b"]"
        yield Announcement(
            subjects.VERDICTS, said, str(uuid5(_VERDICT_IDS, f"{now_ns}/{some[0].key}"))
        )
