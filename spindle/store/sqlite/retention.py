"""What is too old to be kept. Pure."""

from __future__ import annotations

from spindle import timestamps
from spindle.errors import BatchRefused

_DAY_NS = 86_400 * 10**9


def safe_cutoff(now_ns: int, newest_ns: int | None, retention_ns: int) -> int:
    """The time before which stored points are deleted.

    A clock that is wild must not delete what is stored: where it is later than the newest stored
    reading by more than a day (or than half the retention, where that is less), the retention is
    reckoned from that reading, so that expiry waits for the readings to move on.

    :param newest_ns: time of the newest stored reading; None where nothing is stored.
    """
    if newest_ns is None or now_ns - newest_ns <= min(_DAY_NS, retention_ns // 2):
        return now_ns - retention_ns
    return newest_ns - retention_ns


def expired(time_ns: int, cutoff_ns: int) -> BatchRefused:
    """The refusal of what would be deleted as soon as it is stored."""
    return BatchRefused(
        f"expired: {timestamps.format_ns(time_ns)} is older than the retention, which keeps what "
        f"is later than {timestamps.format_ns(cutoff_ns)}"
    )
