"""What a damaged output of smartctl lacks that a whole one has. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from daemon.smart.fields import at, number

_MOST_GAPS = 3  # named


def gaps_of(output: Mapping[str, Any], metrics: Mapping[str, float]) -> list[str]:
    """What a whole output says and this one lacks; such a drive is never called ok."""
    found = []
    if metrics.get("SmartFailing") is None:
        found.append("no word of its overall health")
    if number(at(output, "smartctl", "exit_status")) is None:
        found.append("no exit status of smartctl")
    if at(output, "device", "protocol") == "NVMe" and "SpareBelowThreshold" not in metrics:
        found.append("no critical warnings")
    rows = at(output, "ata_smart_attributes", "table")
    for row in rows if isinstance(rows, list) else ():
        raw, failed = number(at(row, "raw", "value")), at(row, "when_failed")
        if number(at(row, "id")) is None or raw is None or not isinstance(failed, str):
            found.append(f"attribute {at(row, 'id') or 'without a number'} is incomplete")
    found += [f"{path} is null" for path in _nulls(output, "")]
    return found[:_MOST_GAPS]


def _nulls(value: object, path: str) -> Iterator[str]:
    """Places of nulls; smartctl writes none, so that something was lost there."""
    if value is None:
        yield path
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from _nulls(each, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list):
        for each in value:
            yield from _nulls(each, f"{path}[]")
