"""Pauses between tries, each twice as long as the one before.

stamina and tenacity wrap a call, sleep themselves and count its failures (by their documentation).
Here a stop ends the wait, health is told the reason between two tries, a task that ran well for a
while begins anew, and the daemon's lanes and the writer's core only compare times and never sleep.
"""

from __future__ import annotations

import random

FIRST_SECONDS, LONGEST_SECONDS = 0.25, 10.0


class Pauses:
    """The pauses of one thing that is tried until it succeeds.

    :param jitter: each pause is shortened at random by up to half, so that many who were
        interrupted at the same moment do not return at the same moment.
    """

    def __init__(
        self,
        first: float = FIRST_SECONDS,
        longest: float = LONGEST_SECONDS,
        jitter: random.Random | None = None,
    ) -> None:
        self._first, self._longest, self._jitter = first, longest, jitter
        self._pause = first

    def next(self) -> float:
        """How long to wait before the next try, in seconds."""
        pause, self._pause = self._pause, min(self._pause * 2, self._longest)
        return pause * self._jitter.uniform(0.5, 1.0) if self._jitter else pause

    def reset(self) -> None:
        """It succeeded: the next pause is the shortest again."""
        self._pause = self._first
