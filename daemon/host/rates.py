"""What two readings of a drive's counters say about the time between them. Pure."""

from __future__ import annotations

from typing import NamedTuple


class Counters(NamedTuple):
    """A drive's counters since boot.

    :ivar io_ms: time that reads and writes took, summed over them.
    :ivar busy_ms: time in which at least one was under way; None where the platform has no count.
    :ivar disk: which disk counts; another one counts anew.
    """

    reads: int
    writes: int
    read_bytes: int
    write_bytes: int
    io_ms: int
    busy_ms: int | None
    disk: str = ""


def together(one: Counters, other: Counters) -> Counters:
    """What two paths to one drive have counted."""
    return Counters(
        one.reads + other.reads,
        one.writes + other.writes,
        one.read_bytes + other.read_bytes,
        one.write_bytes + other.write_bytes,
        one.io_ms + other.io_ms,
        None if one.busy_ms is None or other.busy_ms is None else one.busy_ms + other.busy_ms,
        f"{one.disk} {other.disk}",
    )


def rates(before: Counters, after: Counters, seconds: float) -> dict[str, float]:
    """By metric type; empty where a counter went backwards, or another disk counts.

    Latency is milliseconds per completed I/O, and absent where none was completed.
    """
    if before.disk != after.disk:
        return {}
    fields = zip(before[:5], after[:5], strict=True)
    reads, writes, read_bytes, write_bytes, io_ms = (new - old for old, new in fields)
    if min(reads, writes, read_bytes, write_bytes, io_ms) < 0:
        return {}
    said = {
        "ReadBytes": read_bytes / seconds,
        "WriteBytes": write_bytes / seconds,
        "IOPs": (reads + writes) / seconds,
    }
    if reads + writes:
        said["Latency"] = io_ms / (reads + writes)
    if before.busy_ms is not None and after.busy_ms is not None:
        busy_ms = after.busy_ms - before.busy_ms
        if busy_ms < 0:
            return {}
        said["Utilisation"] = min(100.0, busy_ms / (10 * seconds))
    return {metric_type: round(value, 4) for metric_type, value in said.items()}
