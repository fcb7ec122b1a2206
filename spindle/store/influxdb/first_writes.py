"""The first write into a stretch of time goes alone.

InfluxDB 1.4 and later of 1.x, and 2.x, make a shard's cache at its first write. A second write that
arrives in the same instant is put into a placeholder that forgets it (``Cache.init`` in
``tsdb/engine/tsm1/cache.go`` sets its flag before its store): it is in the log and was answered
with 204, but no query finds it before the next restart, and none after the next snapshot. The same
happens when a shard that rested is written to again. Seen once in some 400 starts under load.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

#: The shortest shard that InfluxDB makes by itself; longer ones are whole multiples.
STRETCH_NS = 3600 * 10**9
#: A shard rests at the earliest when its cache has been empty for 10 s.
WARM_SECONDS = 5.0
_MOST = 10_000  # stretches remembered


class FirstWrites:
    """Lets writes pass side by side, but for those that go first; safe to use from threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._warm: dict[int, float] = {}  # stretch -> when a write into it last ended well
        self._together = 0  # writes under way that may have company
        self._alone = False  # one is under way that may not
        self._waiting = 0  # to go alone: nothing passes them, or they would wait for ever

    @contextmanager
    def passing(self, times_ns: Iterable[int]) -> Iterator[None]:
        """Enter to write points of these times; waits for others where it must."""
        stretches = _stretches(list(times_ns))
        alone = self._enter(stretches)
        well = False
        try:
            yield
            well = True
        finally:
            self._leave(stretches if well else set(), alone)

    def _enter(self, stretches: set[int]) -> bool:
        with self._changed:
            if self._are_warm(stretches) and not self._waiting:
                self._changed.wait_for(lambda: not self._alone)
                self._together += 1
                return False
            self._waiting += 1
            self._changed.wait_for(lambda: not (self._alone or self._together))
            self._waiting -= 1
            self._alone = True
            return True

    def _leave(self, stretches: set[int], alone: bool) -> None:
        with self._changed:
            if alone:
                self._alone = False
            else:
                self._together -= 1
            if len(self._warm) > _MOST:
                self._warm.clear()
            now = self._clock()
            self._warm.update(dict.fromkeys(stretches, now))
            self._changed.notify_all()

    def _are_warm(self, stretches: set[int]) -> bool:
        since = self._clock() - WARM_SECONDS
        return all(self._warm.get(stretch, since) > since for stretch in stretches)


def _stretches(times_ns: list[int]) -> set[int]:
    first, last = min(times_ns) // STRETCH_NS, max(times_ns) // STRETCH_NS
    if first == last:  # usually; and this is quicker
        return {first}
    return {time_ns // STRETCH_NS for time_ns in times_ns}
