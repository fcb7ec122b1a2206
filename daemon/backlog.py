"""What has not been acknowledged yet: bounded by points and bytes, the oldest dropped first. Pure.

An entry is *waiting* or *in flight* (handed out, not acknowledged). Both count against the limits;
only waiting entries can be dropped. An entry that comes back takes its old place, so the order of
publishing is the order of reading. Each stream has a lane of its own: a stream that refuses does
not hold up another.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass

from daemon.messages import Message


@dataclass(frozen=True, slots=True)
class Entry:
    """A message in the backlog.

    :ivar number: place in the order of arrival, unique within one backlog.
    :ivar size: how many bytes it counts as.
    :ivar first: what its publisher calls the first of its points.
    """

    number: int
    message: Message
    size: int
    first: int = 0


#: What one message costs beside its payload: objects, subject, id. Measured, rounded up.
OVERHEAD_BYTES = 400
#: Bounds the time that a stream needs to take in a full backlog. Bytes bound the memory, and are
#: reached first unless the points are tiny.
MOST_POINTS = 1_000_000


class _Lane:
    def __init__(self) -> None:
        self.fresh: deque[Entry] = deque()  # never handed out, oldest first
        self.returned: list[tuple[int, Entry]] = []  # heap by number; all older than any fresh

    def first(self) -> int | None:
        if self.returned:
            return self.returned[0][0]
        return self.fresh[0].number if self.fresh else None

    def pop(self) -> Entry:
        return heapq.heappop(self.returned)[1] if self.returned else self.fresh.popleft()


class Backlog:
    """The daemon's memory of what NATS has not acknowledged.

    :ivar points: held now, waiting and in flight.
    :ivar size: bytes held now, waiting and in flight.
    :ivar dropped: points ever dropped. One that was in flight before may have been stored all the
        same, its acknowledgement lost: this counts what the daemon gave up on.
    """

    def __init__(self, most_bytes: int, most_points: int = MOST_POINTS) -> None:
        self._most_points = most_points
        self._most_bytes = most_bytes
        self._lanes: dict[str, _Lane] = {}
        self._number = 0
        self.points = 0
        self.size = 0
        self.dropped = 0

    def add(self, message: Message, first: int = 0) -> int:
        """Take a new message in; the number of points dropped for it."""
        self._number += 1
        entry = Entry(self._number, message, len(message.payload) + OVERHEAD_BYTES, first)
        self._lanes.setdefault(message.stream, _Lane()).fresh.append(entry)
        self.points += message.points
        self.size += entry.size
        return self._trim()

    def _trim(self) -> int:
        before = self.dropped
        while self.points > self._most_points or self.size > self._most_bytes:
            waiting = [lane for lane in self._lanes.values() if lane.first() is not None]
            if not waiting:
                break  # all in flight: bounded by the publisher's window
            self.drop(min(waiting, key=lambda lane: lane.first() or 0).pop())
        return self.dropped - before

    def take(self, stream: str) -> Entry | None:
        """The oldest waiting entry of a stream, now in flight; None if there is none."""
        lane = self._lanes.get(stream)
        return lane.pop() if lane is not None and lane.first() is not None else None

    def done(self, entry: Entry) -> None:
        """An entry in flight was acknowledged."""
        self.points -= entry.message.points
        self.size -= entry.size

    def back(self, entry: Entry) -> int:
        """An entry in flight was not acknowledged; the number of points dropped for it."""
        heapq.heappush(self._lanes[entry.message.stream].returned, (entry.number, entry))
        return self._trim()

    def drop(self, entry: Entry) -> None:
        """Give up on an entry that is no longer waiting."""
        self.done(entry)
        self.dropped += entry.message.points

    @property
    def roomy(self) -> bool:
        """Less than half full by both limits."""
        return 2 * self.points < self._most_points and 2 * self.size < self._most_bytes
