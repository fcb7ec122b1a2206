"""Who follows which part of the fleet: one small document that all readers rewrite in turn. Pure.

The fleet is cut into ``SHARES`` by array (peers are compared within one), and each share has one
owner at most. Every reader renews its beat in the document every ``BEAT_SECONDS``, writing only on
top of the revision it read. A reader whose beat has not changed for ``LEASE_SECONDS`` on another's
own clock is taken to be gone, and one that could not renew for so long has stopped by itself: no
clock is compared with another machine's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import ceil
from zlib import crc32

from spindle.store.base import SeriesKey

SHARES = 8
BEAT_SECONDS = 3.0
LEASE_SECONDS = 12.0


@dataclass(frozen=True, slots=True)
class Table:
    """Which reader follows which share, as the readers agree on it.

    :ivar beats: of each reader, a number that grows.
    :ivar owners: of each share; empty for none.
    """

    beats: Mapping[str, int] = field(default_factory=dict)
    owners: tuple[str, ...] = ("",) * SHARES

    def owned(self, reader: str) -> frozenset[int]:
        """The shares of a reader."""
        return frozenset(n for n, owner in enumerate(self.owners) if owner == reader)

    def to_json(self) -> dict[str, object]:
        """The document's bytes."""
        return {"beats": dict(self.beats), "owners": list(self.owners)}

    @classmethod
    def from_json(cls, data: object) -> Table:
        """The table in a document's bytes; an empty one where they cannot be read."""
        if not isinstance(data, dict):
            return cls()
        beats, owners = data.get("beats"), data.get("owners")
        if not isinstance(beats, dict) or not isinstance(owners, list) or len(owners) != SHARES:
            return cls()
        return cls({str(k): int(v) for k, v in beats.items()}, tuple(str(o) for o in owners))


class Alive:
    """Which readers' beats have changed lately, by this reader's clock."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, float]] = {}  # its beat, and when it was first seen

    def among(self, table: Table, now: float) -> set[str]:
        """The readers whose beat has changed lately.

        :param now: of a clock that never steps, in seconds.
        """
        self._seen = {
            reader: self._seen[reader]
            if self._seen.get(reader, (None, 0))[0] == beat
            else (beat, now)
            for reader, beat in table.beats.items()
        }
        return {reader for reader, (_, at) in self._seen.items() if now - at < LEASE_SECONDS}


def share_of(key: SeriesKey) -> int:
    """The share of a series: of a device, and of an array, all are in one."""
    return crc32((key.array_id or f"{key.source_device}/{key.device_id}").encode()) % SHARES


def due(table: Table, me: str, alive: Iterable[str]) -> frozenset[int]:
    """The shares that this reader should have now: at most its part, at first those it has."""
    readers = {*alive, me}
    most = ceil(SHARES / len(readers))
    mine = sorted(table.owned(me))[:most]
    free = [n for n, owner in enumerate(table.owners) if owner not in readers]
    return frozenset([*mine, *free[: most - len(mine)]])


def renewed(table: Table, me: str, alive: Iterable[str], mine: frozenset[int]) -> Table:
    """The table with this reader's beat and shares, without those that are gone."""
    readers = {*alive, me}
    beats = {reader: beat for reader, beat in table.beats.items() if reader in readers}
    owners = tuple(
        me if n in mine else ("" if owner == me or owner not in readers else owner)
        for n, owner in enumerate(table.owners)
    )
    return Table({**beats, me: table.beats.get(me, 0) + 1}, owners)


def without(table: Table, me: str) -> Table:
    """The table when this reader has left."""
    beats = {reader: beat for reader, beat in table.beats.items() if reader != me}
    return Table(beats, tuple("" if owner == me else owner for owner in table.owners))
