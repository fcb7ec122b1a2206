"""The newest reading of every series, kept up to date from the stream; no I/O, no clock.

A store needs a second or two for the newest readings of 10,000 devices. The watch follows the
stream and sees each reading pass. So the store is asked once, and again now and then for what was
written without passing through the stream; all else is kept up to date here.
"""

from __future__ import annotations

from collections.abc import Iterable

from spindle.store.base import Latest, Selection, SeriesKey

MOST = 400_000  #: series kept, some 60 MB; of a larger fleet the store is asked each time


class NewestSnapshot:
    """The newest reading of each series. Mutable.

    :ivar complete: the store was asked for all of them, and the stream followed since.
    """

    def __init__(self) -> None:
        self._newest: dict[SeriesKey, tuple[int, float]] = {}  # time in nanoseconds, value
        self.complete = False

    def take(self, key: SeriesKey, time_ns: int, value: float) -> None:
        """Take a reading from the stream; they may come in any order."""
        known = self._newest.get(key)
        if known is None:
            if len(self._newest) < MOST:
                self._newest[key] = time_ns, value
            else:
                self.complete = False
        elif time_ns >= known[0]:
            self._newest[key] = time_ns, value

    def replace_by(self, readings: Iterable[Latest]) -> None:
        """Begin anew from what the store says.

        Series that the store does not know any more are forgotten, unless their newest reading came
        only now: the store may not have it yet.
        """
        stored = [(each.key, each) for each in readings]
        since = min((each.time_ns for _, each in stored), default=0)
        known = {key for key, _ in stored}
        self._newest = {
            key: newest
            for key, newest in self._newest.items()
            if key in known or newest[0] >= since
        }
        self.complete = len(known) <= MOST
        for key, each in stored:
            self.take(key, each.time_ns, each.value)

    def mark_incomplete(self) -> None:
        """The stream is not followed any more."""
        self.complete = False

    def readings(self, which: Selection, since_ns: int) -> list[Latest]:
        """Selected readings as ``Store.latest`` gives them, in no order."""
        wanted = (which.source_device, which.metric_type, which.device_id, which.array_id)
        every = all(each is None for each in wanted)
        return [
            Latest(*key, *newest)
            for key, newest in self._newest.items()
            if newest[0] >= since_ns
            and (every or all(w is None or w == k for w, k in zip(wanted, key, strict=True)))
        ]
