"""A drive that was replaced under the same name is a new drive: its past is that of another.

A drive whose name is its own (a World Wide Name, a serial number) cannot be replaced under it; one
that is called by its place (``bay-2``, ``<host>-sda``) can. Which drive is in a place is kept in
the bucket of decisions, so that one replaced while nothing ran is noticed too. What the place said
before is left out of answers as that of a retired device is; ``unretire`` brings it back.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from itertools import islice
from uuid import UUID, uuid5

import msgspec
from nats.aio.client import Client

from reader.health.decisions import Retired
from reader.lookups import followed_buckets
from reader.lookups.known.decisions import Decisions, hashed
from reader.lookups.known.facts import KnownFacts
from reader.watching.announcements import Announcement
from reader.watching.share_store import AWAY
from spindle import subjects
from spindle.bus.buckets import Bucket
from spindle.models import DeviceFacts, Event
from spindle.store.base import DeviceKey
from spindle.values import UNREADABLE

_IDS = UUID("7c1d1f5e-8f0b-4a55-a9f4-3d3a5b0f9c21")
REPLACED = "DriveReplaced"
FITTED = "fitted."  #: what keys in the bucket begin with
_CRITICALITY = 3  # somebody did it: worth a line
_MOST_AT_ONCE = 500


class Fitted(msgspec.Struct, frozen=True):
    """Which drive is in a place; empty for what it does not say."""

    model: str
    serial: str

    @classmethod
    def of(cls, facts: DeviceFacts) -> Fitted:
        """The drive that these facts are of."""
        return cls(facts.model or "", facts.serial or "")

    def instead_of(self, before: Fitted) -> str:
        """``replaced: serial A -> B`` where this is another drive than the one before, or empty."""
        if self.serial and before.serial:
            other = not _alike(self.serial, before.serial)
            return f"replaced: serial {before.serial} -> {self.serial}" if other else ""
        if self.model and before.model and not _alike(self.model, before.model):
            return f"replaced: model {before.model} -> {self.model}"
        return ""

    def known_from(self, before: Fitted) -> Fitted:
        """This drive, with what only the one before said, which is the same drive."""
        return Fitted(self.model or before.model, self.serial or before.serial)


def _kept(value: bytes) -> Fitted:
    try:
        return msgspec.json.decode(value, type=Fitted)
    except UNREADABLE:
        return Fitted("", "")


def _bare(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def _alike(one: str, other: str) -> bool:
    """Whether two spellings name the same: bridges cut names short or put the maker before."""
    one, other = _bare(one), _bare(other)
    return one in other or other in one


def is_called_by_its_place(facts: DeviceFacts) -> bool:
    """Whether another drive may come under this name."""
    if facts.simulated or not (facts.serial or facts.model):
        return False
    own = facts.wwn == facts.device_id
    return not own and not (facts.serial and _bare(facts.serial) in _bare(facts.device_id or ""))


class ReplacedDrives:
    """Notices drives that were replaced; run by the reader that judges the fleet. Mutable."""

    def __init__(self, facts: KnownFacts, decisions: Decisions, client: Client) -> None:
        self._facts, self._decisions, self._client = facts, decisions, client
        self._seen: dict[DeviceKey, Fitted] = {}  # by their facts
        self._due: list[Announcement] = []

    async def tend(self) -> list[Announcement]:
        """Keep which drive is where; the events to publish of those that were replaced.

        What NATS does not take now is tried again the next time.
        """
        with contextlib.suppress(*AWAY):
            for key, facts in list(islice(self._changed(), _MOST_AT_ONCE)):
                await self._keep(key, facts)
                self._seen[key] = Fitted.of(facts)
        due, self._due = self._due, []
        return due

    async def _keep(self, key: DeviceKey, facts: DeviceFacts) -> None:
        bucket = Bucket(self._client.jetstream(), subjects.DECISIONS_BUCKET)
        name, now = hashed(FITTED, *key), Fitted.of(facts)
        entry = await bucket.get(name)
        before = _kept(entry.value) if entry.live else now
        change = now.instead_of(before)
        if change:
            await self._begin_anew(key, facts.timestamp, change)
            self._due.append(_event(key, facts.timestamp, change))
        else:
            now = now.known_from(before)
        if not entry.live or now != before:
            await bucket.put(name, msgspec.json.encode(now))

    def _changed(self) -> Iterator[tuple[DeviceKey, DeviceFacts]]:
        for key, facts in self._facts.of.items():
            if is_called_by_its_place(facts) and self._seen.get(key) != Fitted.of(facts):
                yield key, facts

    async def _begin_anew(self, key: DeviceKey, time_ns: int, note: str) -> None:
        """Its past is left out, and what was acknowledged is the other drive's."""
        decisions = self._decisions
        known = decisions.acknowledged.get(key[:2], ())
        own = [each for each in known if each.array_id in ("", key.array_id)]
        await followed_buckets.forget(self._client, decisions, own)
        gone = Retired(*key, time_ns, back_ns=time_ns, note=note)
        await followed_buckets.keep(self._client, decisions, [gone])


def _event(key: DeviceKey, time_ns: int, text: str) -> Announcement:
    said = Event(
        id=str(uuid5(_IDS, f"{'/'.join(key)}/{time_ns}")),
        criticality=_CRITICALITY,
        timestamp=time_ns,
        source_device=key.source_device,
        event_type=REPLACED,
        device_id=key.device_id,
        array_id=key.array_id or None,
        event_message=text,
    )
    subject = subjects.device_subject(subjects.EVENTS, said.source_device, said.device_id)
    return Announcement(subject, said.to_json(), said.id)
