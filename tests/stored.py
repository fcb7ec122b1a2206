"""How many rows a store holds, as tests ask it."""

from __future__ import annotations

from spindle.store.base import Selection, Store

_ALL = 2**62
_MOST = 10_000_000


async def counts(store: Store) -> dict[str, int]:
    """Rows of each kind: ``{"device_metrics": ..., "events": ...}``."""
    readings = await store.series(Selection(), 0, _ALL, limit=_MOST)
    events = await store.events(Selection(), 0, limit=_MOST)
    return {"device_metrics": len(readings), "events": len(events)}
