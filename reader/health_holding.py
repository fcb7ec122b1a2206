"""Hysteresis: has a limit been reached, and not been left since? Pure.

It is read off the last minutes of the series each time, so that every reader, also one that just
started, says the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from reader.health_limits import Limit, Limits
from spindle.store.base import Step
from spindle.timestamps import NS


def held_since(steps: Sequence[Step], limits: Limits, limit: Limit) -> int | None:
    """When the limit was reached that holds at the last step; None when none holds.

    It is reached when every reading of the last ``enter_seconds`` is at the limit or past it, and
    left when every one of the last ``leave_seconds`` is better than ``limit.leave``.

    :param steps: of one series, oldest first; readings themselves, or the means of short steps.
    """
    enter_ns, leave_ns = int(limit.enter_seconds * NS), int(limit.leave_seconds * NS)
    since: int | None = None  # what holds now was reached then
    began = 0  # the first reading of the present run past the limit
    not_past: int | None = None  # the last reading that was not past the limit
    not_well: int | None = None  # the last one that was not well
    for step in steps:
        now = step.time_ns
        if not limits.reached(step.mean, limit.leave):
            if since is not None and (not_well is None or now - not_well >= leave_ns):
                since = None
        else:
            not_well = now
        if not limits.reached(step.mean, limit.enter):
            not_past = now
            began = 0
            continue
        began = began or now
        if since is None and (not_past is None or now - not_past >= enter_ns):
            since = began
    return since
