"""The store without hidden and retired devices, as answers read it.

The reader's own verdicts are stored as readings. They are read where their metric type is asked
for, and are no readings of the device to anybody else: a silent one has them too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from reader.lookups.known.watch_findings import WatchFindings
from spindle.catalog import VERDICTS
from spindle.store.base import Selection, Store

_MOST_EVENTS = 10_000  # read where some of them are hidden


class _Known:
    """A store without hidden devices; all else is the store's own."""

    def __init__(self, store: Store, known: WatchFindings) -> None:
        self._store, self._facts, self._decisions = store, known.facts, known.decisions

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def _shown(self, rows: Sequence[Any], step_ns: int = 0) -> list[Any]:
        rows = self._decisions.shown(rows, step_ns)
        if not self._facts.hide_simulated:
            return list(rows)
        return [row for row in rows if not self._facts.hides(row.device)]

    async def latest(self, which: Selection, *args: Any, **more: Any) -> list[Any]:
        return self._shown(await self._store.latest(readings_of(which), *args, **more))

    async def series(
        self,
        which: Selection,
        start_ns: int,
        end_ns: int,
        every_ns: int | None = None,
        *args: Any,
        **more: Any,
    ) -> list[Any]:
        own = readings_of(which)
        found = await self._store.series(own, start_ns, end_ns, every_ns, *args, **more)
        return self._shown(found, every_ns or 0)

    async def events(
        self,
        which: Selection,
        since_ns: int,
        min_criticality: int = 1,
        limit: int = _MOST_EVENTS,
        end_ns: int | None = None,
    ) -> list[Any]:
        hiding = self._facts.hide_simulated or self._decisions.retired
        most = max(limit, _MOST_EVENTS) if hiding else limit
        found = await self._store.events(which, since_ns, min_criticality, most, end_ns)
        return self._shown(found)[:limit]


def readings_of(which: Selection) -> Selection:
    """The same, without verdicts unless they are asked for."""
    return which if which.metric_type is not None else replace(which, without=VERDICTS)


def without_hidden(store: Store, known: WatchFindings) -> Store:
    """The store without the devices that answers leave out."""
    return cast("Store", _Known(store, known))
