"""The newest readings that are not from the future, and whose clock runs ahead.

A device whose clock is ahead, or was until it was put right, leaves readings dated after now. Taken
as the newest they would freeze its state at what it was until then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from spindle.store.base import DeviceKey, Latest, Selection, SeriesKey, Store
from spindle.timestamps import NS

AHEAD_NS = 10 * NS
"""So far after this machine's time is still now: clocks that are kept by NTP differ by less."""


@dataclass(frozen=True, slots=True)
class Present:
    """What is known up to now.

    :ivar readings: the newest of each series that is not after now.
    :ivar ahead: the newest reading dated after now, of each device that has one.
    """

    readings: Sequence[Latest]
    ahead: Mapping[DeviceKey, Latest] = field(default_factory=dict)


def furthest_ahead(readings: Iterable[Latest]) -> dict[DeviceKey, Latest]:
    """Of each device the reading that lies furthest ahead."""
    ahead: dict[DeviceKey, Latest] = {}
    for reading in readings:
        key = reading.device
        if key not in ahead or reading.time_ns > ahead[key].time_ns:
            ahead[key] = reading
    return ahead


async def until_now(
    store: Store, which: Selection, readings: Sequence[Latest], since_ns: int, now_ns: int
) -> Present:
    """Replace what is dated after now by the newest before it; one more query where there is any.

    :param readings: as ``store.latest(which, since_ns)`` gave them.
    :raises StoreError: the store could not be asked.
    """
    horizon_ns = now_ns + AHEAD_NS
    late = [each for each in readings if each.time_ns > horizon_ns]
    if not late:
        return Present(readings)
    devices = tuple(sorted({each.device_id for each in late}))
    some = Selection(which.source_device, None, which.array_id, which.metric_type, devices)
    before = await store.latest(some, since_ns, horizon_ns)
    replaced = {each.key for each in late}
    kept = [each for each in readings if each.time_ns <= horizon_ns]
    return Present(kept + [each for each in before if each.key in replaced], furthest_ahead(late))


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
