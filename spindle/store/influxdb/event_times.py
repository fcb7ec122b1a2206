"""At which nanosecond of InfluxDB each event is written. Pure.

Points of one measurement with the same tags and time overwrite each other there, and an id is
never a tag. So an event goes to a place shortly after its time, below what a clock shows, that its
id alone determines, and carries the difference in a field: its true time is not lost. Looking for
a free place would not be enough: another writer, or a request that was given up and arrives late,
may take the same one between the look and the write. It is done beside, for the one event in a
thousand (in a million, where times are whole milliseconds) whose place another of its instant has.
An event that is stored already is written to where it is, so a repeat changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from spindle.errors import BatchRefused
from spindle.store.base import EventRow

GAP_NS = 60 * 10**9  #: events further apart than this are looked up separately
MICROSECOND_NS, MILLISECOND_NS = 1_000, 1_000_000
LONGEST_SHIFT_NS = 2 * MILLISECOND_NS  #: beyond it there is no place

Tags = tuple[str, str, str, str]  # source_device, event_type, device_id, array_id


def tags_of(event: EventRow) -> Tags:
    return event.source_device, event.event_type, event.device_id, event.array_id


def ranges(events: Iterable[EventRow]) -> list[tuple[int, int]]:
    """The time ranges to look up before writing: first and last nanosecond, both included."""
    found: list[tuple[int, int]] = []
    for time_ns in sorted({event.time_ns for event in events}):
        if found and time_ns - found[-1][1] <= GAP_NS:
            found[-1] = (found[-1][0], time_ns)
        else:
            found.append((time_ns, time_ns))
    return [(first, last + LONGEST_SHIFT_NS) for first, last in found]


def own_place(event: EventRow) -> int:
    """Where the event goes unless another has that place; below its time's own precision.

    The same at every try and in every writer.
    """
    room = MICROSECOND_NS if event.time_ns % MILLISECOND_NS else MILLISECOND_NS
    digest = blake2b(event.event_id.encode(errors="replace"), digest_size=8).digest()
    return event.time_ns + int.from_bytes(digest) % room


@dataclass
class Places:
    """The events already stored in the ranges that were looked up.

    :ivar taken: which event is at a place.
    :ivar known: at which time an event of these tags, this id and this true time is.
    """

    taken: dict[tuple[Tags, int], str] = field(default_factory=dict)
    known: dict[tuple[Tags, str, int], int] = field(default_factory=dict)

    def add(self, tags: Tags, event_id: str, stored_ns: int, shift_ns: int) -> None:
        self.taken[tags, stored_ns] = event_id
        self.known[tags, event_id, stored_ns - shift_ns] = stored_ns

    def place(self, events: Sequence[EventRow]) -> list[int]:
        """The time to write each event at, in the same order; the places are taken from then on.

        :raises BatchRefused: more events in one nanosecond than there is room for.
        """
        return [self._place(event) for event in events]

    def _place(self, event: EventRow) -> int:
        tags = tags_of(event)
        stored = self.known.get((tags, event.event_id, event.time_ns))
        if stored is not None:
            return stored
        for time_ns in range(own_place(event), event.time_ns + LONGEST_SHIFT_NS):
            if (tags, time_ns) not in self.taken:
                self.add(tags, event.event_id, time_ns, time_ns - event.time_ns)
                return time_ns
        raise BatchRefused(
            f"no place is left for one more event of {event.device_id} at the same time"
        )
