"""The newest reading of every series, kept up to date from the stream; no I/O, no clock.

A store needs a second or two for the newest readings of 10,000 devices. The watch follows the
stream and sees each reading pass. So the store is asked once, and again now and then for what was
written without passing through the stream; all else is kept up to date here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from reader.lookups.known.newest_readings import AHEAD_NS, Present, furthest_ahead
from spindle.store.base import Latest, Selection, SeriesKey

MOST = 400_000  #: series kept, some 60 MB; of a larger fleet the store is asked each time


class NewestSnapshot:
    """The newest reading of each series. Mutable.

    :ivar complete: the store was asked for all of them, and the stream followed since.
    :ivar came: of series whose last reading by the stream was dated after now: its time, and when
        it came, in nanoseconds.
    """

    def __init__(self) -> None:
        self._newest: dict[SeriesKey, tuple[int, float]] = {}  # time in nanoseconds, value
        self._ahead: dict[SeriesKey, tuple[int, float]] = {}  # dated after now when they came
        self._horizon_ns = 0
        self.complete = False
        self.came: dict[SeriesKey, tuple[int, int]] = {}

    def set_now(self, now_ns: int) -> None:
        """Set the present; readings dated later count as from the future until then."""
        self._horizon_ns = now_ns + AHEAD_NS

    def take(self, key: SeriesKey, time_ns: int, value: float) -> None:
        """Take a reading from the stream; they may come in any order."""
        if time_ns > self._horizon_ns and (key in self.came or len(self.came) < MOST):
            self.came[key] = time_ns, self._horizon_ns - AHEAD_NS
        self._put(key, time_ns, value)

    def _put(self, key: SeriesKey, time_ns: int, value: float) -> None:
        if time_ns > self._horizon_ns:
            if key in self._ahead or len(self._ahead) < MOST:
                self._ahead[key] = time_ns, value
            return
        known = self._newest.get(key)
        if known is None:
            if len(self._newest) < MOST:
                self._newest[key] = time_ns, value
            else:
                self.complete = False
        elif time_ns >= known[0] or known[0] > self._horizon_ns:  # the clock was put back
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
            self._put(key, each.time_ns, each.value)

    def mark_incomplete(self) -> None:
        """The stream is no longer followed: the snapshot may miss readings from now on."""
        self.complete = False

    def present(self, which: Selection, since_ns: int, now_ns: int) -> Present:
        """Selected readings up to now, in no order, and those of clocks that run ahead."""
        self.set_now(now_ns)
        for key in [key for key, late in self._ahead.items() if late[0] <= self._horizon_ns]:
            self._put(key, *self._ahead.pop(key))
        for key in [key for key, (late, _) in self.came.items() if late <= self._horizon_ns]:
            del self.came[key]
        return Present(
            self._selected(self._newest, which, since_ns),
            furthest_ahead(self._selected(self._ahead, which, now_ns)),
        )

    def _selected(
        self, newest: Mapping[SeriesKey, tuple[int, float]], which: Selection, since_ns: int
    ) -> list[Latest]:
        wanted = (which.source_device, which.metric_type, which.device_id, which.array_id)
        every = all(each is None for each in wanted)
        return [
            Latest(*key, *known)
            for key, known in newest.items()
            if known[0] >= since_ns
            and (every or all(w is None or w == k for w, k in zip(wanted, key, strict=True)))
        ]
