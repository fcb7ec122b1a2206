"""Metrics from their payloads, as fast as it goes: for the writer and for the reader's watch.

The contract is defined once, by the models. Beside it there is a compiled decoder that accepts only
the plain form (the contract's keys and no other). What it accepts the models accept, with the same
outcome (a property test shows it); whatever it does not is put to the models, whose verdict counts.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import msgspec

from spindle import models, timestamps
from spindle.errors import InvalidInput
from spindle.store.base import NO_ARRAY, Point, Points, Series
from spindle.values import UNREADABLE

#: Known series; past it the cache starts anew, so that memory stays bounded (about 60 MB).
MAX_SERIES = 100_000
MAX_TIMES = 10_000
#: What ``MetricReader.plain`` raises.
NOT_PLAIN = UNREADABLE


class _Metric(msgspec.Struct, forbid_unknown_fields=True, rename="camel", gc=False):
    """The plain form: types only, names and times not checked."""

    timestamp: str
    source_device: str
    metric_type: str
    value: float
    device_id: str | None = None
    array_id: str | None = None


class MetricReader:
    """Payloads of ``events.metrics``; remembers series, so that each is checked and built once."""

    def __init__(self, max_payload: int) -> None:
        self.max_payload = max_payload
        self._one = msgspec.json.Decoder(_Metric)
        self._many = msgspec.json.Decoder(list[_Metric])
        self._series: dict[tuple[str, str, str | None, str | None], Series] = {}
        self._times: dict[str, int] = {}  # points of one tick share their timestamp

    def good(self, payload: bytes, latest_ns: int) -> Sequence[Point]:
        """The points that the contract takes; what it refuses is passed over."""
        if len(payload) > self.max_payload:
            return []
        with contextlib.suppress(*NOT_PLAIN):
            return self.plain(payload, latest_ns)
        points = []
        with contextlib.suppress(InvalidInput):
            for data in models.decode(payload):
                with contextlib.suppress(InvalidInput):
                    points.append(self.point(data, latest_ns))
        return points

    def plain(self, payload: bytes, latest_ns: int) -> Points:
        """The points of a payload that is plain as a whole: names valid, keys the contract's.

        :param latest_ns: timestamps after this lie in the future.
        :raises NOT_PLAIN: it is not; the models say what, if anything, is wrong with it.
        """
        if payload[:1] == b"{":
            readings = [self._one.decode(payload)]
        else:
            readings = self._many.decode(payload)
            if not readings:
                raise ValueError("empty")
        return self._points(readings, latest_ns)

    def plain_each(self, payloads: Sequence[bytes], latest_ns: int) -> Points:
        """Of payloads that are one plain object each: their points, in order.

        They are decoded together, a line each: a line end can stand neither in a string nor, where
        every line begins and ends with a brace, within an object. So no payload is taken for a
        part of another.

        :raises NOT_PLAIN: not all of them are.
        """
        lines, between = b"\n".join(payloads), len(payloads) - 1
        if not (
            lines.startswith(b"{")
            and lines.endswith(b"}")
            and lines.count(b"\n") == lines.count(b"}\n{") == between
        ):
            raise ValueError("not one object each")
        readings = self._one.decode_lines(lines)
        if len(readings) != len(payloads):
            raise ValueError("not one object each")
        return self._points(readings, latest_ns)

    def _points(self, readings: Sequence[_Metric], latest_ns: int) -> Points:
        known, times = self._series, self._times
        if len(times) > MAX_TIMES:
            times.clear()
        series: list[Series] = []
        times_ns: list[int] = []
        add, add_time, time_ns = series.append, times_ns.append, 0
        last: str | None = None  # no timestamp is equal to it
        for reading in readings:
            text = reading.timestamp
            if text != last:
                time_ns = times.get(text, -1)
                if time_ns < 0:
                    time_ns = times[text] = timestamps.parse(text)
                if time_ns > latest_ns:
                    raise ValueError("in the future")
                last = text
            key = (reading.source_device, reading.metric_type, reading.device_id, reading.array_id)
            add(known.get(key) or self._learn(*key))
            add_time(time_ns)
        return Points(series, times_ns, [reading.value for reading in readings])

    def _learn(
        self, source_device: str, metric_type: str, device_id: str | None, array_id: str | None
    ) -> Series:
        for name in (source_device, metric_type, device_id, array_id):
            if name is not None and models.NAME_PATTERN.fullmatch(name) is None:
                raise ValueError("not a valid name")
        if len(self._series) >= MAX_SERIES:
            self._series.clear()
        series = Series(
            source_device, metric_type, device_id or source_device, array_id or NO_ARRAY
        )
        self._series[source_device, metric_type, device_id, array_id] = series
        return series

    def point(self, data: object, latest_ns: int) -> Point:
        """One decoded object as the models take it.

        :raises InvalidInput: what is wrong with it.
        """
        metric = models.parse(models.DeviceMetric, data, latest_ns)
        key = (metric.source_device, metric.metric_type, metric.device_id, metric.array_id)
        series = self._series.get(key) or self._learn(*key)
        return series, metric.timestamp, metric.value
