"""One stream's share of the publisher: its window, its pauses, what is in flight. Pure.

After a failure one message at a time is tried, with growing pauses; each acknowledgement doubles
the window again. Times are seconds of any clock that only goes forward.
"""

from __future__ import annotations

from daemon.backlog import Entry
from spindle.service.pauses import Pauses

#: Enough to keep a server busy that syncs its disk for every batch of what it receives.
MOST_IN_FLIGHT = 512
MOST_IN_FLIGHT_BYTES = 16 * 2**20
FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 5.0
#: A stream that refused is called well again after so long without another failure.
CALM_SECONDS = 3.0
#: A message not acknowledged for so long is published again. A busy server takes a second or two
#: to sync its disk; the stream recognises a repeat, so that too early costs no more than its bytes.
ACK_TIMEOUT_SECONDS = 5.0


class Lane:
    """What is in flight to one stream, and whether more may be sent.

    :ivar stream: its name.
    :ivar trouble: why the stream does not take messages, or None.
    """

    def __init__(self, stream: str, ack_timeout: float = ACK_TIMEOUT_SECONDS) -> None:
        self.stream = stream
        self.trouble: str | None = None
        self._ack_timeout = ack_timeout
        self._in_flight: dict[int, tuple[Entry, float]] = {}  # number -> entry, deadline; as sent
        self._bytes = 0  # in flight
        self._window = MOST_IN_FLIGHT
        self._pauses = Pauses(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        self._resume_at = 0.0
        self._failed_at = 0.0  # the last failure
        self._acknowledged_at = 0.0  # the last success

    def may_send(self, now: float) -> bool:
        """Whether another message may be sent now."""
        return (
            now >= self._resume_at
            and len(self._in_flight) < self._window
            and self._bytes < MOST_IN_FLIGHT_BYTES
        )

    def pause(self, now: float) -> float | None:
        """Seconds until a pause ends; None where there is none."""
        return self._resume_at - now if self._resume_at > now else None

    def sent(self, entry: Entry, now: float) -> None:
        """Note that an entry was sent."""
        self._in_flight[entry.number] = (entry, now + self._ack_timeout)
        self._bytes += entry.size

    def acknowledged(self, number: int, now: float) -> Entry | None:
        """An acknowledgement arrived; None if nobody waits for it any more."""
        entry = self._pop(number)
        if entry is not None:
            self._window = min(self._window * 2, MOST_IN_FLIGHT)
            self._pauses.reset()
            self._acknowledged_at = now
        return entry

    def recovered(self, now: float) -> bool:
        """The trouble is over as of now: acknowledgements since the last failure, and calm."""
        if self.trouble is None or self._acknowledged_at <= self._failed_at:
            return False
        if now - self._failed_at >= CALM_SECONDS:
            self.trouble = None
        return self.trouble is None

    def failed(self, number: int, now: float, trouble: str) -> Entry | None:
        """A try failed; None if nobody waits for it any more."""
        entry = self._pop(number)
        if entry is not None:
            self._slow_down(now)
            self.trouble = trouble
        return entry

    def expired(self, now: float) -> list[Entry]:
        """What was not acknowledged in time; it is no longer in flight."""
        late = [entry for entry, deadline in self._in_flight.values() if deadline <= now]
        for entry in late:
            self._pop(entry.number)
        if late:
            self._slow_down(now)
            self.trouble = f"no acknowledgement from {self.stream} in {self._ack_timeout:g} s"
        return late

    def disconnected(self) -> list[Entry]:
        """The connection is gone, and every acknowledgement under way with it."""
        lost = [entry for entry, _ in self._in_flight.values()]
        self._in_flight.clear()
        self._bytes = 0
        return lost

    def _pop(self, number: int) -> Entry | None:
        entry, _ = self._in_flight.pop(number, (None, 0.0))
        if entry is not None:
            self._bytes -= entry.size
        return entry

    def _slow_down(self, now: float) -> None:
        self._failed_at = now
        self._window = 1
        if now >= self._resume_at:  # a whole window refused at once is one failure
            self._resume_at = now + self._pauses.next()
