"""The ``Store`` protocol, and the frozen data that crosses it. All times are nanoseconds (UTC)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol, overload

NO_ARRAY = ""  #: ``array_id`` of a device that belongs to no array

_LONGEST = 1024
_UNSTORABLE = re.compile("[\0\r\ud800-\udfff]")  # neither database can even be asked for these
_FIRST_NS, _LAST_NS = 0, 9_223_372_036_854_775_806  # what both stores can compare with


#: Readings of some 1e307 add up to more than a float holds. Divided by this (a power of two, so
#: that no digit changes) they have a sum, and the mean times this is theirs.
OVERFLOW_SCALE = 2.0**64


def clamped(number: int) -> int:
    """The nearest number that both stores can hold; a question may name any time."""
    return min(max(number, _FIRST_NS), _LAST_NS)


class DeviceKey(NamedTuple):
    """The identity of one device: ``sda`` of two hosts are two devices.

    :ivar device_id: the class itself where the publisher named no unit.
    :ivar array_id: the array or host that it belongs to, ``NO_ARRAY`` for none.
    """

    source_device: str
    device_id: str
    array_id: str


NEVER_NS = 2**63  #: later than any time


class SeriesKey(NamedTuple):
    """The identity of one time series of ``device_metrics``.

    :ivar device_id: the unit; the class itself where the publisher named none.
    :ivar array_id: ``NO_ARRAY`` for a device that belongs to none.
    """

    source_device: str
    metric_type: str
    device_id: str
    array_id: str

    @property
    def device(self) -> DeviceKey:
        """The device that the series belongs to."""
        return DeviceKey(self.source_device, self.device_id, self.array_id)


class Series:
    """One time series of ``device_metrics``: its tags, and its line-protocol head, made once.

    Interned by whoever decodes (one object per series), so identity is equality.
    """

    __slots__ = (
        "array_id", "device_id", "head", "key", "metric_type", "newest_ns", "source_device",
    )  # fmt: skip

    def __init__(self, source_device: str, metric_type: str, device_id: str, array_id: str) -> None:
        self.source_device = source_device
        self.metric_type = metric_type
        self.device_id = device_id
        self.array_id = array_id
        self.key = SeriesKey(source_device, metric_type, device_id, array_id)
        self.newest_ns = NEVER_NS  #: of what this process has written, where a store notes it
        # Tag order by name, as InfluxDB advises; valid names need no escaping.
        array = f"array_id={array_id}," if array_id else ""
        self.head = (
            f"device_metrics,{array}device_id={device_id},metric_type={metric_type},"
            f"source_device={source_device} value="
        )


#: One reading: its series, its time in nanoseconds, its value in the metric's unit.
Point = tuple[Series, int, float]


class Points(Sequence[Point]):
    """Readings by columns: tens of thousands of them take half the memory of as many tuples.

    :ivar series: of each reading.
    :ivar times_ns: of each, in nanoseconds.
    :ivar values: of each, in its metric's unit.
    """

    __slots__ = ("series", "times_ns", "values")

    def __init__(self, series: list[Series], times_ns: list[int], values: list[float]) -> None:
        self.series = series
        self.times_ns = times_ns
        self.values = values

    @classmethod
    def of(cls, points: Iterable[Point] = ()) -> Points:
        """The same readings by columns."""
        if isinstance(points, cls):
            return points
        columns = [list(column) for column in zip(*points, strict=True)]
        return cls(*columns) if columns else cls([], [], [])

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[Point]:
        return zip(self.series, self.times_ns, self.values, strict=True)

    @overload
    def __getitem__(self, place: int) -> Point: ...
    @overload
    def __getitem__(self, place: slice) -> Points: ...
    def __getitem__(self, place: int | slice) -> Point | Points:
        if isinstance(place, slice):
            return Points(self.series[place], self.times_ns[place], self.values[place])
        return self.series[place], self.times_ns[place], self.values[place]

    def __iadd__(self, more: Iterable[Point]) -> Points:
        more = Points.of(more)
        self.series += more.series
        self.times_ns += more.times_ns
        self.values += more.values
        return self


@dataclass(frozen=True, slots=True)
class EventRow:
    """One stored event; ``array_id`` is empty for none, ``message`` for no message."""

    time_ns: int
    event_id: str
    source_device: str
    event_type: str
    device_id: str
    array_id: str
    criticality: int
    message: str

    @property
    def device(self) -> DeviceKey:
        """The device that it is about; its array where the event names one."""
        return DeviceKey(self.source_device, self.device_id, self.array_id)


class OfUnit(Protocol):
    """What says of which unit it is."""

    @property
    def source_device(self) -> str: ...
    @property
    def device_id(self) -> str: ...
    @property
    def array_id(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Selection:
    """Which devices to read: every field that is not None must match exactly.

    :ivar device_ids: any of these.
    :ivar without: series of these metric types are left out.
    """

    source_device: str | None = None
    device_id: str | None = None
    array_id: str | None = None
    metric_type: str | None = None
    device_ids: tuple[str, ...] | None = None
    without: tuple[str, ...] = ()

    @property
    def possible(self) -> bool:
        """Whether anything stored can match: no name is that long, nor has such characters."""
        fields = (self.source_device, self.device_id, self.array_id, self.metric_type)
        return self.device_ids != () and not any(
            text is not None and (len(text) > _LONGEST or _UNSTORABLE.search(text))
            for text in fields + (self.device_ids or ())
        )

    def includes(self, unit: OfUnit) -> bool:
        """Whether that unit is one of the devices; the metric type is not looked at."""
        return (
            self.source_device in (None, unit.source_device)
            and self.device_id in (None, unit.device_id)
            and self.array_id in (None, unit.array_id)
        )

    def of_events(self) -> Selection:
        """The same devices: events have no metric type to select by."""
        return replace(self, metric_type=None, without=())


@dataclass(frozen=True, slots=True)
class OfSeries:
    """What says of which series it is, and at which time."""

    source_device: str
    metric_type: str
    device_id: str
    array_id: str
    time_ns: int

    @property
    def key(self) -> SeriesKey:
        """The series that it belongs to."""
        return SeriesKey(self.source_device, self.metric_type, self.device_id, self.array_id)

    @property
    def device(self) -> DeviceKey:
        """The device that it belongs to."""
        return DeviceKey(self.source_device, self.device_id, self.array_id)


@dataclass(frozen=True, slots=True)
class Latest(OfSeries):
    """The newest reading of one series."""

    value: float


@dataclass(frozen=True, slots=True)
class Bucket(OfSeries):
    """One bucket of a downsampled series (or one raw reading: mean = min = max, count 1).

    :ivar time_ns: start of the bucket.
    """

    mean: float
    minimum: float
    maximum: float
    count: int


@dataclass(frozen=True, slots=True)
class VisitRow:
    """One stored visit of the parking lots.

    :ivar time_ns: its end.
    :ivar status: ``matched``, ``unmatched`` or ``manual``.
    :ivar entry_ns: its beginning; None where it is not known.
    :ivar reason: why it is unmatched, else empty.
    """

    time_ns: int
    visit_id: str
    plate: str
    lot: str
    status: str
    entry_ns: int | None
    reason: str = ""

    @property
    def duration_seconds(self) -> float | None:
        """How long it lasted; None where the beginning is not known."""
        return None if self.entry_ns is None else (self.time_ns - self.entry_ns) / 1e9


@dataclass(frozen=True, slots=True)
class VisitSelection:
    """Which visits to read: every field that is not None must match exactly."""

    status: str | None = None
    lot: str | None = None
    plate: str | None = None

    @property
    def given(self) -> dict[str, str]:
        """The fields that are not None, by name."""
        fields = {"status": self.status, "lot": self.lot, "plate": self.plate}
        return {name: value for name, value in fields.items() if value is not None}

    @property
    def possible(self) -> bool:
        """Whether anything stored can match."""
        return not any(
            len(text) > _LONGEST or _UNSTORABLE.search(text) for text in self.given.values()
        )


@dataclass(frozen=True, slots=True)
class WriteProfile:
    """How a store is best written to.

    :ivar batch_points: points in one write.
    :ivar writes: writes under way at once.
    """

    batch_points: int
    writes: int


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a write that ended well.

    :ivar new: points that were certainly not there before. A reading of the same series and time
        takes the place of another, and is not new; where a store cannot tell, it is not counted.
    :ivar oldest_ns: time of the oldest, in nanoseconds.
    :ivar newest_ns: and of the newest.
    :ivar asked: the store was asked which were there; else ``new`` goes by what this process wrote,
        and says nothing of what another may have written before it was killed.
    """

    new: int
    oldest_ns: int
    newest_ns: int
    asked: bool = True


NOTHING_WRITTEN = Written(0, 0, 0)


class Store(Protocol):
    """What every store does. Methods raise ``StoreError``s, which carry the decision to take."""

    @property
    def write_profile(self) -> WriteProfile:
        """Batch size and parallel writes that suit this store."""

    @property
    def name(self) -> str:
        """Kind and version for people, such as ``SQLite 3.40.1`` or ``InfluxDB 1.6.7``."""

    async def prepare(self) -> None:
        """Reach the store; create database or bucket, tables and retention where missing."""

    async def ping(self) -> None:
        """Return when the store answers."""

    async def write_points(self, points: Sequence[Point]) -> Written:
        """Store all points, durably; the same series and time again overwrites."""

    async def write_events(self, events: Sequence[EventRow]) -> Written:
        """Store all events, durably; the same id, device, type and time again changes nothing.

        Two events with different ids are both kept even at the same nanosecond.
        """

    async def latest(
        self, which: Selection, since_ns: int, until_ns: int | None = None
    ) -> list[Latest]:
        """The newest reading in ``[since_ns, until_ns]`` of every selected series."""

    async def series(
        self,
        which: Selection,
        start_ns: int,
        end_ns: int,
        every_ns: int | None = None,
        limit: int = 100_000,
        *,
        sampled: bool = False,
    ) -> list[Bucket]:
        """Readings in ``[start_ns, end_ns)`` of every selected series, oldest first within each.

        :param every_ns: step (aligned to multiples of itself since the epoch); None for raw.
        :param limit: at most so many rows in all.
        :param sampled: of each step its first reading, at the step's time, as if it were all of it.
            For a long past of what changes slowly: SQLite looks at these readings alone, where the
            mean of a step has it read them all.
        """

    async def events(
        self,
        which: Selection,
        since_ns: int,
        min_criticality: int = 1,
        limit: int = 10_000,
        end_ns: int | None = None,
    ) -> list[EventRow]:
        """Selected events since ``since_ns`` and before ``end_ns``, newest first."""

    async def held(
        self, measurement: str, start_ns: int, end_ns: int, every_ns: int
    ) -> dict[int, int]:
        """How much of ``[start_ns, end_ns)`` is there: step -> how many.

        :param measurement: ``device_metrics``, ``events`` or ``parking_visits``. Of events and
            visits a step may hold one that is truly of the end of the step before.
        :param every_ns: the steps are aligned to multiples of it; both times are such multiples.
        """

    async def write_visits(self, visits: Sequence[VisitRow]) -> Written:
        """Store all visits, durably; the same id, lot, status and end again changes nothing.

        Two visits with different ids are both kept even if they end in the same nanosecond.
        """

    async def visits(
        self, which: VisitSelection, since_ns: int, limit: int = 10_000
    ) -> list[VisitRow]:
        """Selected visits that ended since ``since_ns``, the latest first."""

    async def expire(self, now_ns: int) -> int:
        """Delete what is older than the retention where the database does not do so itself.

        Harmless to call at any time, and meant to be called now and then by the one writer.

        :returns: how many rows were deleted.
        :raises StoreUnavailable: ``now_ns`` is far later than the newest stored reading, so that
            only what is too old beside that reading was deleted; the sentence has both times.
        """

    async def close(self) -> None:
        """Let go of connections and files."""
