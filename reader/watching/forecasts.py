"""When the fleet's devices will be full, foretold now and then by one reader, known to all."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from reader.detection.findings import DeviceKey, Finding
from reader.forecasting import capacity
from reader.lookups.capacity_past import Past, read_past
from spindle.store.base import Selection, Store
from spindle.timestamps import NS

METRIC = "CapacityUsed"
HORIZON_DAYS = 90.0


async def findings(
    store: Store, now_ns: int, retention_hours: float, before: Iterable[Finding]
) -> list[Finding]:
    """Devices that will be full too soon.

    :param before: as found the last time: what is still so keeps when it began.
    :raises StoreError: the store could not be asked.
    """
    past = await read_past(store, Selection(metric_type=METRIC), now_ns, retention_hours)
    began = {(each.source_device, each.device_id): each.since_ns for each in before}
    return await asyncio.to_thread(_found, past, now_ns, began)


def _found(past: Past, now_ns: int, began: dict[DeviceKey, int]) -> list[Finding]:
    series = capacity.readings(*past)
    full = capacity.full_at(METRIC, None)
    found = []
    for name, forecast in capacity.soonest_first(series, now_ns / NS, HORIZON_DAYS, full):
        since = began.get((name.source_device, name.device_id), now_ns)
        finding = capacity.filling_finding(name, forecast, since)
        if finding is not None:
            found.append(finding)
    return found


def to_json(found: Sequence[Finding]) -> list[dict[str, Any]]:
    """As they are written."""
    return [asdict(each) for each in found]


def from_json(data: object) -> list[Finding]:
    """As they were written; none where they cannot be read."""
    try:
        return [Finding(**each) for each in data] if isinstance(data, list) else []
    except TypeError:
        return []
