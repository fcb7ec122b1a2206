"""A message's payload -> points and mistakes. Pure.

Metrics have a fast path: see ``wire_metric``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TypeVar

import orjson

from spindle import models
from spindle.errors import InvalidInput
from spindle.store.base import NO_ARRAY, EventRow, Point, Points
from spindle.wire_metric import NOT_PLAIN, MetricReader
from writer.storing.batch import Mistake


class MetricDecoder(MetricReader):
    """Payloads of ``events.metrics``."""

    def decode(self, payload: bytes, latest_ns: int) -> tuple[Sequence[Point], list[Mistake]]:
        """The good points in order, and what is wrong with the rest.

        :param latest_ns: timestamps after this lie in the future.
        """
        if len(payload) <= self.max_payload:
            try:
                return self.plain(payload, latest_ns), []
            except NOT_PLAIN:
                pass  # the models say what, if anything, is wrong with it
        return decode_objects(payload, self.max_payload, lambda data: self.point(data, latest_ns))

    def decode_each(self, payloads: Sequence[bytes], latest_ns: int) -> Points | None:
        """The points of payloads that are one plain object each; else None."""
        if max(map(len, payloads)) > self.max_payload:
            return None
        try:
            return self.plain_each(payloads, latest_ns)
        except NOT_PLAIN:
            return None


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
        reason = f"{len(payload)} bytes, at most {max_payload} are taken"
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


_objects = lru_cache(maxsize=2)(models.decode)  # every letter of one message wants them


def letter_payload(payload: bytes, index: int | None) -> bytes:
    """What a dead letter holds: the one bad object of an envelope, else the message as it came."""
    if index is None:
        return payload
    objects = _objects(payload)
    return orjson.dumps(objects[index]) if len(objects) > 1 else payload
