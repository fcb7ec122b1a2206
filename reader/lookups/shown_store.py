"""A store as answers are to see it: without what ``KnownFacts`` hides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from reader.lookups.known_facts import KnownFacts
from spindle.store.base import Selection, Store

_MOST_EVENTS = 10_000  # read where some of them are hidden


class _Known:
    """A store without the devices that ``KnownFacts`` hides; all else is the store's own."""

    def __init__(self, store: Store, facts: KnownFacts) -> None:
        self._store, self._facts = store, facts

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def _shown(self, rows: Sequence[Any]) -> list[Any]:
        return [row for row in rows if not self._facts.hides(row.device)]

    async def latest(self, *args: Any, **more: Any) -> list[Any]:
        return self._shown(await self._store.latest(*args, **more))

    async def series(self, *args: Any, **more: Any) -> list[Any]:
        return self._shown(await self._store.series(*args, **more))

    async def events(
        self,
        which: Selection,
        since_ns: int,
        min_criticality: int = 1,
        limit: int = _MOST_EVENTS,
        end_ns: int | None = None,
    ) -> list[Any]:
        most = max(limit, _MOST_EVENTS)
        found = await self._store.events(which, since_ns, min_criticality, most, end_ns)
        return self._shown(found)[:limit]


def without_hidden(store: Store, facts: KnownFacts) -> Store:
    """The store without the devices that answers leave out."""
    return cast("Store", _Known(store, facts)) if facts.hide_simulated else store
