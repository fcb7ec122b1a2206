"""What is wrong by a device's readings, as events: when it begins, worsens, eases and ends. Pure.

Whoever reads events alone (the log of the client, Grafana, notifications) learns of a limit, a
silence or a drive's own word as of any other critical event. They are no evidence of health again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from uuid import UUID, uuid5

from reader.detection.findings import State
from reader.health.evidence import PreviousState, Unit, last_state
from reader.health.reasons import HEALTH, SILENCE, Reason
from reader.watching.announcements import Announcement, of_event
from spindle import timestamps
from spindle.catalog import DRIVE_GONE
from spindle.models import MAX_MESSAGE, Event
from spindle.store.base import DeviceKey

_IDS = UUID("0d5c41b4-3a2e-4f0c-9b53-7d1f6a2e8c44")
#: From best to worst as a reason of alarm, with the criticality of the event that tells of it. A
#: silent device may be a dead one.
CRITICALITY: Mapping[State, int] = {"ok": 1, "warning": 6, "unknown": 8, "critical": 8}
_RANK = {state: rank for rank, state in enumerate(CRITICALITY)}
_EASED = 3
MOST_EVENTS = 500  #: at once, some 300 KB; the others are told when the fleet is judged next
Told = dict[str, State]  # the severity of each reason that was told and is not over, by name
Since = tuple[DeviceKey, str | None, str | None]  # device, metric type, since


def of_units(
    units: Iterable[Unit],
    before: Mapping[DeviceKey, PreviousState],
    anomalies: Collection[Since],
    now_ns: int,
    *,
    silences: bool = True,
) -> tuple[list[Announcement], dict[DeviceKey, Told]]:
    """The events to publish, and what is told then of each device.

    :param anomalies: those that last; they have events of their own.
    :param silences: whether a silence that is new is one: not just after a start, when devices have
        not had the time to be heard.
    """
    found: list[Announcement] = []
    told: dict[DeviceKey, Told] = {}
    for unit in units:
        was = last_state(before, unit.key)
        old: Told = {} if was is None else dict(was.told)
        if unit.state == "ok" and not old:
            continue
        if len(found) >= MOST_EVENTS:
            told[unit.key] = old
            continue
        reasons = _worst(unit, anomalies)
        if not silences and SILENCE not in old:
            reasons.pop(SILENCE, None)
        gone = any(each.event_type == DRIVE_GONE for each in unit.reasons)
        for name in sorted(old.keys() | reasons.keys()):
            state, then = _severity(reasons.get(name)), old.get(name, "ok")
            if state != then and not (gone and name == SILENCE):  # its host has told it
                found.append(_event(unit, name, state, then, reasons.get(name), now_ns))
        now = {name: each.severity for name, each in reasons.items()}
        if now:
            told[unit.key] = now
    return found, told


def _worst(unit: Unit, anomalies: Collection[Since]) -> dict[str, Reason]:
    """The worst reason of each name that is neither an event nor an anomaly."""
    found: dict[str, Reason] = {}
    for reason in unit.reasons:
        own = (unit.key, reason.metric_type, reason.since) in anomalies
        if reason.event_type is not None or reason.severity == "ok" or own:
            continue
        known = found.setdefault(reason.name, reason)
        if _RANK[reason.severity] > _RANK[known.severity]:
            found[reason.name] = reason
    return found


def _severity(reason: Reason | None) -> State:
    return "ok" if reason is None else reason.severity


def _event(
    unit: Unit, name: str, state: State, then: State, reason: Reason | None, now_ns: int
) -> Announcement:
    worse = _RANK[state] > _RANK[then]
    text = reason.message if reason is not None else _end(unit, name)
    if reason is not None and not worse:
        text = f"{state} after it was {then}: {text}"
    what = "/".join((*unit.key, name, state, str(now_ns)))
    said = Event(
        id=str(uuid5(_IDS, what)),
        criticality=_criticality(name, state) if worse or state == "ok" else _EASED,
        timestamp=now_ns,
        source_device=unit.source_device,
        event_type=HEALTH,
        device_id=unit.device_id,
        array_id=unit.array_id or None,
        event_message=text[:MAX_MESSAGE],
    )
    return of_event(said)


def _criticality(name: str, state: State) -> int:
    # Silence may be death; of a drive that does not say enough to be called well, little is known.
    return CRITICALITY["warning" if state == "unknown" and name != SILENCE else state]


def _end(unit: Unit, name: str) -> str:
    """Why a reason has ended, in words."""
    known = next((e for e in unit.reasons if e.name == name and e.acknowledged), None)
    if known is not None:
        return known.message
    seen = timestamps.format_ns(unit.last_seen_ns)
    return f"over: {name}; last seen {seen[:19]}Z" if name == SILENCE else f"over: {name}"
