"""Hysteresis: whether a limit was reached and has not been left since.

This is read off the last minutes of the series each time, so that every reader, also one that has
just started, says the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from reader.health.limits import Limit, Limits
from spindle.store.base import Bucket
from spindle.timestamps import NS

PAUSE = 3  #: times the usual time between two readings
BUCKET_NS = 5 * NS  #: readings closer together than this are looked at in means of so long


def held_since(
    buckets: Sequence[Bucket], limits: Limits, limit: Limit, newest_ns: int | None = None
) -> int | None:
    """When the limit was reached that holds at the last bucket; None when none holds.

    It is reached when every reading of the last ``enter_seconds`` is at the limit or past it, and
    left when every one of the last ``leave_seconds`` is better than ``limit.leave``. Of a bucket of
    several readings the mean must be past the limit, and no reading better than ``limit.leave``.

    A pause, longer than is usual between two readings, says nothing of the time it lasted.

    :param buckets: of one series, oldest first; readings themselves, or buckets of ``BUCKET_NS``.
    :param newest_ns: time of the newest reading, when the last bucket is not over yet.
    """
    enter_ns, leave_ns = int(limit.enter_seconds * NS), int(limit.leave_seconds * NS)
    since: int | None = None  # what holds now was reached then
    began = 0  # the first reading of the present run past the limit
    not_past: int | None = None  # the last reading that was not past the limit
    not_well: int | None = None  # the last one that was not well
    before: int | None = None  # the reading before this one
    usual = usual_gap_ns(buckets)
    for bucket in buckets:
        now = _last_ns(bucket, newest_ns)
        if before is not None and bucket.time_ns - before > PAUSE * usual:
            paused = bucket.time_ns - usual
            not_past = None if not_past is None else max(not_past, paused)
            not_well = None if not_well is None else max(not_well, paused)
            began = 0
        before = now
        high = limits.bad == "high"
        worst, best = (bucket.maximum, bucket.minimum) if high else (bucket.minimum, bucket.maximum)
        if not limits.reached(worst, limit.leave):
            if since is not None and (not_well is None or now - not_well >= leave_ns):
                since = None
        else:
            not_well = now
        if not (limits.reached(bucket.mean, limit.enter) and limits.reached(best, limit.leave)):
            not_past = now
            began = 0
            continue
        began = began or bucket.time_ns
        if since is None and (not_past is None or now - not_past >= enter_ns):
            since = began
    return since


def usual_gap_ns(buckets: Sequence[Bucket]) -> int:
    """The median time between two buckets in a row, so that a pause does not count."""
    gaps = sorted(b.time_ns - a.time_ns for a, b in pairwise(buckets))
    return gaps[len(gaps) // 2] if gaps else 0


def _last_ns(bucket: Bucket, newest_ns: int | None) -> int:
    """About when the last of a bucket's readings came: they are evenly spaced."""
    last = bucket.time_ns + BUCKET_NS * (bucket.count - 1) // bucket.count
    return last if newest_ns is None else max(bucket.time_ns, min(last, newest_ns))
