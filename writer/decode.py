"""A message's payload -> points and mistakes. Pure.

The contract is defined once, by the models. Metrics have a fast path beside it: a compiled decoder
that accepts only the plain form (the contract's keys and no other). What it accepts the models
accept, with the same outcome (a property test shows it); whatever it does not is put to the models,
whose verdict counts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec
import orjson

from spindle import models, timestamps
from spindle.errors import InvalidInput
from spindle.store.base import NO_ARRAY, EventRow, Point, Series
from spindle.wire_metric import PlainMetric
from writer.batch import Mistake

#: Known series; past it the cache starts anew, so that memory stays bounded (about 60 MB).
MAX_SERIES = 100_000
MAX_TIMES = 10_000


class _Metric(PlainMetric, forbid_unknown_fields=True, rename="camel", gc=False):
    """The plain form and no other key."""


class MetricDecoder:
    """Payloads of ``events.metrics``; remembers series, so that each is checked and built once."""

    def __init__(self, max_payload: int) -> None:
        self._max_payload = max_payload
        self._one = msgspec.json.Decoder(_Metric)
        self._many = msgspec.json.Decoder(list[_Metric])
        self._series: dict[tuple[str, str, str | None, str | None], Series] = {}
        self._times: dict[str, int] = {}  # points of one tick share their timestamp

    def decode(self, payload: bytes, latest_ns: int) -> tuple[list[Point], list[Mistake]]:
        """The good points in order, and what is wrong with the rest.

        :param latest_ns: timestamps after this lie in the future.
        """
        if len(payload) <= self._max_payload:
            try:
                return self._fast(payload, latest_ns), []
            except (msgspec.DecodeError, ValueError, RecursionError):
                pass  # the models say what, if anything, is wrong with it
        return decode_objects(payload, self._max_payload, lambda data: self._slow(data, latest_ns))

    def _fast(self, payload: bytes, latest_ns: int) -> list[Point]:
        if payload[:1] == b"{":
            readings = [self._one.decode(payload)]
        else:
            readings = self._many.decode(payload)
            if not readings:
                raise ValueError("empty")
        known, times = self._series, self._times
        if len(times) > MAX_TIMES:
            times.clear()
        points: list[Point] = []
        add, time_ns = points.append, 0
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
            series = known.get(key) or self._learn(*key)
            add((series, time_ns, reading.value))
        return points

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

    def _slow(self, data: object, latest_ns: int) -> Point:
        metric = models.parse(models.DeviceMetric, data, latest_ns)
        key = (metric.source_device, metric.metric_type, metric.device_id, metric.array_id)
        series = self._series.get(key) or self._learn(*key)
        return series, metric.timestamp, metric.value


class EventDecoder:
    """Payloads of ``events.event``."""

    def __init__(self, max_payload: int) -> None:
        self._max_payload = max_payload

    def decode(self, payload: bytes, latest_ns: int) -> tuple[list[EventRow], list[Mistake]]:
        """The good events in order, and what is wrong with the rest."""
        return decode_objects(payload, self._max_payload, lambda data: _event(data, latest_ns))


def _event(data: object, latest_ns: int) -> EventRow:
    event = models.parse(models.Event, data, latest_ns)
    return EventRow(
        time_ns=event.timestamp,
        event_id=event.id,
        source_device=event.source_device,
        event_type=event.event_type,
        device_id=event.device_id,
        array_id=event.array_id or NO_ARRAY,
        criticality=event.criticality,
        message=event.event_message or "",
    )


R = TypeVar("R")


def decode_objects(
    payload: bytes, max_payload: int, parse: Callable[[object], R]
) -> tuple[list[R], list[Mistake]]:
    """The objects of a payload by the models, good and bad apart."""
    if len(payload) > max_payload:
        reason = f"{len(payload)} bytes, at most {max_payload} are taken (MAX_PAYLOAD_BYTES)"
        return [], [Mistake(None, "invalid", reason)]
    try:
        objects = models.decode(payload)
    except InvalidInput as error:
        return [], [Mistake(None, "invalid", str(error))]
    good, mistakes = [], []
    for index, data in enumerate(objects):
        try:
            good.append(parse(data))
        except InvalidInput as error:
            mistakes.append(Mistake(index, "invalid", str(error)))
    return good, mistakes


def letter_payload(payload: bytes, index: int | None) -> bytes:
    """What a dead letter holds: the one bad object of an envelope, else the message as it came."""
    if index is None:
        return payload
    objects = models.decode(payload)
    return orjson.dumps(objects[index]) if len(objects) > 1 else payload
