"""Hysteresis: has a limit been reached, and not been left since? Pure.

It is read off the last minutes of the series each time, so that every reader, also one that just
started, says the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from reader.health.limits import Limit, Limits
from spindle.store.base import Bucket
from spindle.timestamps import NS

PAUSE = 3  #: times the usual time between two readings
STEP_NS = 5 * NS  #: readings closer together than this are looked at in means of so long


def held_since(
    steps: Sequence[Bucket], limits: Limits, limit: Limit, newest_ns: int | None = None
) -> int | None:
    """When the limit was reached that holds at the last step; None when none holds.

    It is reached when every reading of the last ``enter_seconds`` is at the limit or past it, and
    left when every one of the last ``leave_seconds`` is better than ``limit.leave``. Of a step of
    several readings the mean must be past the limit, and no reading better than ``limit.leave``.

    A pause, longer than is usual between two readings, says nothing of the time it lasted.

    :param steps: of one series, oldest first; readings themselves, or steps of ``STEP_NS``.
    :param newest_ns: time of the newest reading, when the last step is not over yet.
    """
    enter_ns, leave_ns = int(limit.enter_seconds * NS), int(limit.leave_seconds * NS)
    since: int | None = None  # what holds now was reached then
    began = 0  # the first reading of the present run past the limit
    not_past: int | None = None  # the last reading that was not past the limit
    not_well: int | None = None  # the last one that was not well
    before: int | None = None  # the reading before this one
    usual = usual_gap_ns(steps)
    for step in steps:
        now = _last_ns(step, newest_ns)
        if before is not None and step.time_ns - before > PAUSE * usual:
            paused = step.time_ns - usual
            not_past = None if not_past is None else max(not_past, paused)
            not_well = None if not_well is None else max(not_well, paused)
            began = 0
        before = now
        high = limits.bad == "high"
        worst, best = (step.maximum, step.minimum) if high else (step.minimum, step.maximum)
        if not limits.reached(worst, limit.leave):
            if since is not None and (not_well is None or now - not_well >= leave_ns):
                since = None
        else:
            not_well = now
        if not (limits.reached(step.mean, limit.enter) and limits.reached(best, limit.leave)):
            not_past = now
            began = 0
            continue
        began = began or step.time_ns
        if since is None and (not_past is None or now - not_past >= enter_ns):
            since = began
    return since


def usual_gap_ns(steps: Sequence[Bucket]) -> int:
    """Between the times of two steps in a row; of most, not of all: there may be a pause."""
    gaps = sorted(b.time_ns - a.time_ns for a, b in pairwise(steps))
    return gaps[len(gaps) // 2] if gaps else 0


def _last_ns(step: Bucket, newest_ns: int | None) -> int:
    """About when the last of a step's readings came: they are evenly spaced."""
    last = step.time_ns + STEP_NS * (step.count - 1) // step.count
    return last if newest_ns is None else max(step.time_ns, min(last, newest_ns))
