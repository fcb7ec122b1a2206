"""Judged units summed up: one device or class, or the whole fleet with its arrays."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from reader.detection.findings import RANK, State
from reader.health import arrays as software
from reader.health import reasons as why
from reader.health.arrays import FactsOf
from reader.health.evidence import Unit
from spindle import timestamps
from spindle.store.base import DeviceKey

#: Of an array that is not as its own readings say.
_SCORES: Mapping[State, int] = {"ok": 100, "unknown": 40, "warning": 41, "critical": 20}
_SPARED_SCORE = 41  # the least of a warning: of an array that can lose more than it has lost
MOST_REASONS = 20  # of one device or class, the worst first; the counts are of all
REASONS_EACH = 5  # of each device of the fleet that is listed


def worst_first(unit: Unit) -> tuple[float, ...]:
    """Sort key of units: worst first; of those about as bad, what began last first."""
    return -RANK[unit.state], unit.score // 10, -(unit.since_ns or 0)


def of_device(
    device: str, source_device: str | None, units: Sequence[Unit], lookback_hours: float
) -> dict[str, Any]:
    """``{device, health, score, since, source_device, array_id, last_seen, counts, reasons}``.

    A class is as well as the worst of its members; a member of unknown health is worse than one
    that is ok, for nobody knows that all is well.

    :param device: what was asked about: a class or one unit.
    :param units: its members, or the one; none where nothing was heard of it.
    :param lookback_hours: for how long was looked.
    """
    counts = Counter(unit.state for unit in units)
    last_seen = max((unit.last_seen_ns for unit in units), default=None)
    reasons = sorted((reason for unit in units for reason in unit.reasons), key=why.worst_first)
    if not units:
        never = why.never_heard_of(source_device or "", device, lookback_hours)
        reasons.append(never)
    classes = {unit.source_device for unit in units}
    array_id = units[0].array_id if len(units) == 1 else None
    state = max(counts, key=RANK.__getitem__, default="unknown")
    since = min((u.since_ns for u in units if u.state == state and u.since_ns), default=None)
    return {
        "device": device,
        "health": state,
        "score": min((unit.score for unit in units if unit.state == state), default=0),
        "since": None if since is None else timestamps.format_ns(since),
        "source_device": source_device or (classes.pop() if len(classes) == 1 else None),
        "array_id": array_id or None,
        "last_seen": None if last_seen is None else timestamps.format_ns(last_seen),
        "counts": {state: counts[state] for state in RANK},
        "reasons": [why.row(reason) for reason in reasons[:MOST_REASONS]],
    }


def of_array(
    name: str,
    units: Sequence[Unit],
    redundancy: Mapping[str, int],
    facts: FactsOf,
    lookback_hours: float,
) -> dict[str, Any] | None:
    """As ``of_device`` of its members and itself, with the verdict on the array.

    Beside it ``array``: ``{array_id, health, score, counts, worst, message, redundancy}``. None
    where no array among the units is called so.
    """
    for each in software.software_arrays(units, facts, redundancy):
        if each.own.device_id == name:
            return _with_verdict(
                [each.own, *each.members], _software_row(each), each.redundancy, lookback_hours
            )
    members = [unit for unit in units if unit.array_id == name]
    if not members:
        return None
    worst, given = min(members, key=worst_first), redundancy.get(name)
    return _with_verdict(members, _array(name, worst, members, given), given, lookback_hours)


def _with_verdict(
    units: Sequence[Unit], row: dict[str, Any], redundancy: int | None, lookback_hours: float
) -> dict[str, Any]:
    found = of_device(row["array_id"], None, units, lookback_hours)
    own = {"health": row["health"], "score": row["score"], "array_id": row["array_id"]}
    return {**found, **own, "array": {**row, "redundancy": redundancy}}


def of_fleet(
    units: Sequence[Unit],
    state: str | None,
    limit: int,
    simulated: Callable[[DeviceKey], bool] = lambda _: False,
    redundancy: Mapping[str, int] | None = None,
    facts: FactsOf = lambda _: None,
) -> dict[str, Any]:
    """``{health, devices_known, counts, simulated, listed, matching, devices, arrays}``.

    Arrays and devices come worst first, the real ones before the simulated. ``health`` and
    ``counts`` are of the real devices; ``simulated`` has those of the others, if there are any.
    Beside them ``acknowledged``: the reasons that somebody knows of, if there are any.

    :param state: only devices and arrays in this state are listed; None for those not ok.
    :param limit: at most so many of each.
    :param simulated: whether a device does not exist.
    :param redundancy: how many members an array can lose, where that is known.
    :param facts: what a device says it is, or None.
    """
    real = [unit for unit in units if not simulated(unit.key)]
    invented = [unit for unit in units if simulated(unit.key)]
    chosen, arrays = [], []
    for some in real, invented:
        chosen += sorted((u for u in some if _wanted(u.state, state)), key=worst_first)
        rows = arrays_of(some, redundancy or {}, facts)
        own = [row for row in rows if _wanted(row["health"], state)]
        arrays += [{**row, "simulated": True} for row in own] if some is invented else own
    return {
        **_counted(real),
        **({"simulated": _counted(invented)} if invented else {}),
        "listed": min(limit, len(chosen)),
        "matching": len(chosen),
        "devices": [_listed(unit) for unit in chosen[:limit]],
        "arrays": arrays[:limit],
        **({"acknowledged": known[:limit]} if (known := _acknowledged([*real, *invented])) else {}),
    }


def arrays_of(
    units: Sequence[Unit], redundancy: Mapping[str, int], facts: FactsOf
) -> list[dict[str, Any]]:
    """``{array_id, health, score, counts, worst, message}`` of every array, the worst first."""
    return [*_software_arrays(units, redundancy, facts), *_arrays(units, redundancy)]


def _acknowledged(units: Sequence[Unit]) -> list[dict[str, Any]]:
    """What would alarm had nobody acknowledged it, the worst first."""
    found = [
        (unit, reason)
        for unit in sorted(units, key=worst_first)
        for reason in unit.reasons
        if reason.acknowledged is not None
    ]
    found.sort(key=lambda each: -RANK[each[1].acknowledged or "ok"])
    return [
        {
            "device": unit.device_id,
            "source_device": unit.source_device,
            "array_id": unit.array_id or None,
            "severity": reason.acknowledged,
            "message": reason.message,
        }
        for unit, reason in found
    ]


def _counted(units: Sequence[Unit]) -> dict[str, Any]:
    counts = Counter(unit.state for unit in units)
    return {
        "health": max(counts, key=RANK.__getitem__, default="unknown"),
        "devices_known": len(units),
        "counts": {name: counts[name] for name in RANK},
    }


def _wanted(state: str, asked: str | None) -> bool:
    return state != "ok" if asked is None else state == asked


def _listed(unit: Unit) -> dict[str, Any]:
    return {
        "device": unit.device_id,
        "source_device": unit.source_device,
        "array_id": unit.array_id or None,
        "health": unit.state,
        "score": unit.score,
        "since": None if unit.since_ns is None else timestamps.format_ns(unit.since_ns),
        "last_seen": timestamps.format_ns(unit.last_seen_ns),
        "reasons": [why.row(reason) for reason in unit.reasons[:REASONS_EACH]],
    }


def _software_arrays(
    units: Sequence[Unit], redundancy: Mapping[str, int], facts: FactsOf
) -> list[dict[str, Any]]:
    """md arrays and pools, the worst first."""
    found = list(software.software_arrays(units, facts, redundancy))
    found.sort(key=lambda each: (-RANK[each.state], each.own.device_id))
    return [_software_row(each) for each in found]


def _software_row(array: software.SoftwareArray) -> dict[str, Any]:
    return {
        "array_id": array.own.device_id,
        "health": array.state,
        "score": array.own.score if array.state == array.own.state else _SCORES[array.state],
        "counts": {state: sum(unit.state == state for unit in array.members) for state in RANK},
        "worst": min(array.members, key=worst_first, default=array.own).device_id,
        "message": software.sentence(array),
    }


def _arrays(units: Sequence[Unit], redundancy: Mapping[str, int]) -> list[dict[str, Any]]:
    """Every array, the worst first: as well as the worst of its members, itself among them.

    One that can lose more members than are critical is in warning.
    """
    members: defaultdict[str, list[Unit]] = defaultdict(list)
    for unit in units:
        if unit.array_id:
            members[unit.array_id].append(unit)
    worst = {name: min(own, key=worst_first) for name, own in members.items()}
    return [
        _array(name, worst[name], members[name], redundancy.get(name))
        for name in sorted(members, key=lambda each: (worst_first(worst[each]), each))
    ]


def _array(
    name: str, worst: Unit, members: Sequence[Unit], redundancy: int | None
) -> dict[str, Any]:
    counts = Counter(unit.state for unit in members)
    spared = worst.state == "critical" and counts["critical"] < (redundancy or 0)
    bad = [
        f"{counts[state]} {state}" for state in reversed(RANK) if state != "ok" and counts[state]
    ]
    message = f"all {len(members)} devices are well"
    if bad:
        message = f"{' and '.join(bad)} of {len(members)} devices, worst {worst.device_id}"
        message += f": {worst.reasons[0].message}" if worst.reasons else ""
        if redundancy is not None:
            message += f"; it can lose {redundancy}"
    return {
        "array_id": name,
        "health": "warning" if spared else worst.state,
        "score": _SPARED_SCORE if spared else worst.score,
        "counts": {state: counts[state] for state in RANK},
        "worst": worst.device_id,
        "message": message,
    }
