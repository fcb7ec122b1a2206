"""How is the fleet? Pure: judged units in, counts, arrays and the worst of them out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from reader.detection.findings import RANK
from reader.health.evidence import Unit
from reader.health.verdict import newest_of_equals
from spindle import timestamps

REASONS_EACH = 5  # of each device that is listed


def answer(units: Sequence[Unit], state: str | None, limit: int) -> dict[str, Any]:
    """``{health, devices_known, counts, arrays, devices}``, arrays and devices worst first.

    :param state: only devices and arrays in this state are listed; None for those not ok.
    :param limit: at most so many of each.
    """
    counts = Counter(unit.state for unit in units)
    chosen = [unit for unit in units if _wanted(unit.state, state)]
    chosen.sort(key=newest_of_equals)
    arrays = [row for row in _arrays(units) if _wanted(row["health"], state)]
    return {
        "health": max(counts, key=RANK.__getitem__, default="unknown"),
        "devices_known": len(units),
        "counts": {name: counts[name] for name in RANK},
        "listed": min(limit, len(chosen)),
        "matching": len(chosen),
        "devices": [_device(unit) for unit in chosen[:limit]],
        "arrays": arrays[:limit],
    }


def _wanted(state: str, asked: str | None) -> bool:
    return state != "ok" if asked is None else state == asked


def _device(unit: Unit) -> dict[str, Any]:
    return {
        "device": unit.device_id,
        "source_device": unit.source_device,
        "array_id": unit.array_id or None,
        "health": unit.state,
        "score": unit.score,
        "since": None if unit.since_ns is None else timestamps.format_ns(unit.since_ns),
        "last_seen": timestamps.format_ns(unit.last_seen_ns),
        "reasons": [asdict(reason) for reason in unit.reasons[:REASONS_EACH]],
    }


def _arrays(units: Sequence[Unit]) -> list[dict[str, Any]]:
    """Every array, the worst first: as well as the worst of its members, itself among them."""
    members: defaultdict[str, list[Unit]] = defaultdict(list)
    for unit in units:
        if unit.array_id:
            members[unit.array_id].append(unit)
    worst = {name: min(own, key=newest_of_equals) for name, own in members.items()}
    return [
        _array(name, worst[name], members[name])
        for name in sorted(members, key=lambda each: (newest_of_equals(worst[each]), each))
    ]


def _array(name: str, worst: Unit, members: Sequence[Unit]) -> dict[str, Any]:
    counts = Counter(unit.state for unit in members)
    bad = [
        f"{counts[state]} {state}" for state in reversed(RANK) if state != "ok" and counts[state]
    ]
    message = f"all {len(members)} devices are well"
    if bad:
        message = f"{' and '.join(bad)} of {len(members)} devices, worst {worst.device_id}"
        message += f": {worst.reasons[0].message}" if worst.reasons else ""
    return {
        "array_id": name,
        "health": worst.state,
        "score": worst.score,
        "counts": {state: counts[state] for state in RANK},
        "worst": worst.device_id,
        "message": message,
    }
