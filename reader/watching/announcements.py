"""What is published when something begins or ends: each once. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID, uuid5

import orjson

from reader.detection.findings import DeviceKey
from reader.health.evidence import PreviousState, Unit
from reader.health.reasons import ANOMALY
from spindle import subjects, timestamps
from spindle.models import MAX_MESSAGE, Event

_IDS = UUID("5f3c2a52-6d0c-4a39-9a4e-8f1f1a2d7c10")
MOST_REASONS = 5  # of one change


@dataclass(frozen=True, slots=True)
class Notice:
    """A message to publish.

    :ivar id: the same whoever publishes it, so that a repeat is recognised; empty where no stream
        takes it.
    """

    subject: str
    payload: bytes
    id: str = ""


def event(row: Mapping[str, Any]) -> Notice:
    """An anomaly that began, or, where it no longer lasts, ended."""
    lasts = bool(row["lasts"])
    text = str(row["explanation"])
    began, ended = timestamps.parse(row["from"]), timestamps.parse(row["to"])
    what = f"{row['source_device']}/{row['device']}/{row['metric_type']}/{row['kind'] == 'peer'}"
    said = Event(
        id=str(uuid5(_IDS, f"{what}/{row['from']}/{lasts}")),
        criticality=int(row["criticality"]) if lasts else 1,
        timestamp=began if lasts else ended,
        source_device=row["source_device"],
        event_type=ANOMALY,
        device_id=row["device"],
        array_id=row["array_id"],
        event_message=(text if lasts else f"over since {row['to']}: {text}")[:MAX_MESSAGE],
    )
    subject = subjects.device_subject(subjects.EVENTS, said.source_device, said.device_id)
    return Notice(subject, said.to_json(), said.id)


def states(
    units: Iterable[Unit], before: Mapping[DeviceKey, PreviousState], now_ns: int
) -> dict[DeviceKey, PreviousState]:
    """The units that are not ok, and since when."""
    found = {}
    for unit in units:
        if unit.state == "ok":
            continue
        key = unit.source_device, unit.device_id
        was = before.get(key)
        same = was is not None and was.state == unit.state
        since = was.since_ns if was is not None and same else unit.since_ns or now_ns
        found[key] = PreviousState(unit.state, since)
    return found


def changes(
    units: Sequence[Unit], before: Mapping[DeviceKey, PreviousState], now_ns: int
) -> list[Notice]:
    """One notice for each unit whose state is not what it was."""
    found = []
    for unit in units:
        was = before.get((unit.source_device, unit.device_id))
        old = "ok" if was is None else was.state
        if old != unit.state:
            found.append(_change(unit, old, now_ns))
    return found


def _change(unit: Unit, old: str, now_ns: int) -> Notice:
    said = {
        "device": unit.device_id,
        "source_device": unit.source_device,
        "array_id": unit.array_id or None,
        "old_state": old,
        "new_state": unit.state,
        "score": unit.score,
        "since": None if unit.since_ns is None else timestamps.format_ns(unit.since_ns),
        "time": timestamps.format_ns(now_ns),
        "reasons": [asdict(reason) for reason in unit.reasons[:MOST_REASONS]],
    }
    subject = subjects.device_subject(subjects.HEALTH_CHANGED, unit.source_device, unit.device_id)
    return Notice(subject, orjson.dumps(said))
