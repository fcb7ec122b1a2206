"""Which time to go by where a wrong clock could lose something. Pure.

This machine's clock may jump, and NATS's may be another machine's. Neither is right by itself:
what lies in the future is judged by the later of the two, what is too old by the earlier, and
where they differ by more than a tolerance nothing is refused or deleted by time.
"""

from __future__ import annotations

from spindle import timestamps
from spindle.timestamps import NS

#: Machines that keep their clocks differ by less.
TOLERANCE_NS = 300 * NS
#: Where this machine's clock and NATS's jumped together, a day has been time to put them right.
BELIEVED_AFTER_NS = 86_400 * NS


class Clock:
    """This machine's time, beside its own monotonic progress since the start and NATS's time.

    All times are in nanoseconds since 1970; monotonic times are in nanoseconds of any origin.
    """

    def __init__(self, wall_ns: int, monotonic_ns: int) -> None:
        self._started = wall_ns - monotonic_ns  # wall time where the monotonic clock was 0
        self._nats: int | None = None  # NATS's time where the monotonic clock was 0
        self._believed: int | None = None  # the same, before NATS's clock jumped
        self._jumped_at = 0  # when it was first seen to have done so, by the monotonic clock

    def nats_says(self, nats_ns: int, monotonic_ns: int) -> None:
        """NATS's time was ``nats_ns`` at this moment."""
        self._nats = nats_ns - monotonic_ns
        if self._believed is None:
            self._believed = self._nats
        jumped = abs(self._nats - self._believed) > TOLERANCE_NS
        if not jumped or (self._jumped_at and monotonic_ns - self._jumped_at > BELIEVED_AFTER_NS):
            self._believed, self._jumped_at = self._nats, 0  # small steps are followed
        else:
            self._jumped_at = self._jumped_at or monotonic_ns

    def doubt(self, wall_ns: int, monotonic_ns: int) -> str:
        """Why no time is gone by, in a sentence with both times; empty where the clocks agree.

        NATS's time decides where it is known, so that a clock that was put right is believed
        again; until then this machine's own progress since the start does.
        """
        other, whose = self._other(monotonic_ns), "NATS's clock"
        if self._nats is None:
            whose = "its own progress since the start"
        elif self._jumped_at and self._believed is not None:  # both did, where both are one machine
            other, whose = monotonic_ns + self._believed, "its progress since this service's start"
        if abs(wall_ns - other) <= TOLERANCE_NS:
            return ""
        return (
            f"this machine's clock says {timestamps.format_ns(wall_ns)}, and {whose} says "
            f"{timestamps.format_ns(other)}: until they agree nothing is refused or deleted by time"
        )

    def latest_ns(self, wall_ns: int, monotonic_ns: int, future_ns: int) -> int:
        """The latest time that is accepted: ``future_ns`` after the later of the clocks."""
        if self.doubt(wall_ns, monotonic_ns):
            return timestamps.LATEST_NS
        return max(wall_ns, self._other(monotonic_ns)) + future_ns

    def expiry_ns(self, wall_ns: int, monotonic_ns: int) -> int | None:
        """The time that retention counts from, by the earlier clock; None: delete nothing."""
        if self.doubt(wall_ns, monotonic_ns):
            return None
        return min(wall_ns, self._other(monotonic_ns))

    def now_ns(self, wall_ns: int, monotonic_ns: int) -> int:
        """The present by this machine's clock; where NATS's differs by more than the tolerance,
        by that."""
        other = self._other(monotonic_ns)
        return wall_ns if abs(wall_ns - other) <= TOLERANCE_NS else other

    def nats_ns(self, monotonic_ns: int) -> int:
        """NATS's time; this machine's progress since the start where NATS's is not known."""
        return self._other(monotonic_ns)

    def _other(self, monotonic_ns: int) -> int:
        return monotonic_ns + (self._started if self._nats is None else self._nats)
