"""Which time to go by where a wrong clock could lose something. Pure.

This machine's clock may jump, and NATS's may be another machine's. Neither is right by itself:
what lies in the future is judged by the later of the two, what is too old by the earlier, and
where they differ by more than a tolerance nothing is refused or deleted by time.
"""

from __future__ import annotations

from spindle import timestamps
from spindle.timestamps import NS


class Clock:
    """This machine's time, beside its own monotonic progress since the start and NATS's time.

    All times are in nanoseconds since 1970; monotonic times are in nanoseconds of any origin.
    """

    def __init__(self, wall_ns: int, monotonic_ns: int, tolerance_seconds: float) -> None:
        self._tolerance_ns = int(tolerance_seconds * NS)
        self._started = wall_ns - monotonic_ns  # wall time where the monotonic clock was 0
        self._nats: int | None = None  # NATS's time where the monotonic clock was 0

    def nats_says(self, nats_ns: int, monotonic_ns: int) -> None:
        """NATS's time was ``nats_ns`` at this moment."""
        self._nats = nats_ns - monotonic_ns

    def doubt(self, wall_ns: int, monotonic_ns: int) -> str:
        """Why no time is gone by, in a sentence with both times; empty where the clocks agree.

        NATS's time decides where it is known, so that a clock that was put right is believed
        again; until then this machine's own progress since the start does.
        """
        other = self._other(monotonic_ns)
        if abs(wall_ns - other) <= self._tolerance_ns:
            return ""
        whose = "its own progress since the start" if self._nats is None else "NATS's clock"
        return (
            f"this machine's clock says {timestamps.format_ns(wall_ns)}, and {whose} says "
            f"{timestamps.format_ns(other)}: until they agree nothing is refused or deleted by time"
        )

    def latest_ns(self, wall_ns: int, monotonic_ns: int, future_ns: int) -> int:
        """What is later lies in the future: more than ``future_ns`` after the later clock."""
        if self.doubt(wall_ns, monotonic_ns):
            return timestamps.LATEST_NS
        return max(wall_ns, self._other(monotonic_ns)) + future_ns

    def expiry_ns(self, wall_ns: int, monotonic_ns: int) -> int | None:
        """Now, to reckon a retention from: the earlier clock's; None: delete nothing."""
        if self.doubt(wall_ns, monotonic_ns):
            return None
        return min(wall_ns, self._other(monotonic_ns))

    def _other(self, monotonic_ns: int) -> int:
        return monotonic_ns + (self._started if self._nats is None else self._nats)
