"""Finished NATS messages, as a source hands them on, and facts of one device merged. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from spindle import subjects
from spindle.models import DeviceFacts, DeviceMetric, Event

#: Classes of device.
DISK, ARRAY = "DiskUnit", "StorageArray"


@dataclass(frozen=True, slots=True)
class Message:
    """One message to publish.

    :ivar stream: the stream whose acknowledgement makes it count as published.
    :ivar points: how many readings the payload holds (an event counts as one).
    :ivar message_id: ``Nats-Msg-Id``; empty for one of the publisher's own making.
    """

    stream: str
    subject: str
    payload: bytes
    points: int = 1
    message_id: str = ""


def device_metrics(unit: Mapping[str, Any], values: Mapping[str, float]) -> list[DeviceMetric]:
    """The readings of one device.

    :param unit: what they have in common: time, class, id and array.
    :param values: by metric type.
    """
    return [DeviceMetric(**unit, metric_type=name, value=value) for name, value in values.items()]


def metric_messages(metrics: Sequence[DeviceMetric], envelope_size: int) -> list[Message]:
    """Readings in envelopes of at most ``envelope_size``, or each alone if that is 1."""
    messages = []
    for start in range(0, len(metrics), envelope_size):
        chunk = metrics[start : start + envelope_size]
        subject = metric_subject({(metric.source_device, metric.device_id) for metric in chunk})
        payload = b",".join(metric.to_json() for metric in chunk)
        if envelope_size > 1:
            payload = b"[" + payload + b"]"
        messages.append(Message(subjects.METRICS_STREAM, subject, payload, len(chunk)))
    return messages


def metric_subject(devices: set[tuple[str, str]]) -> str:
    """The subject for readings of these ``(sourceDevice, deviceId)``: one's own, or the common."""
    if len(devices) > 1:
        return subjects.METRICS
    ((source_device, device_id),) = devices
    return subjects.device_subject(subjects.METRICS, source_device, device_id)


def event_message(event: Event) -> Message:
    """An event on its device's subject; its id is the message's, so a repeat is recognised."""
    subject = subjects.device_subject(subjects.EVENTS, event.source_device, event.device_id)
    return Message(subjects.EVENTS_STREAM, subject, event.to_json(), 1, event.id)


def facts_message(facts: DeviceFacts) -> Message:
    """The facts of a device, on its subject; the bucket keeps the newest."""
    subject = subjects.device_subject(subjects.FACTS, facts.source_device, facts.device_id)
    stream = subjects.bucket_stream(subjects.DEVICES_BUCKET)
    return Message(stream, subject, facts.to_json(), 1)


_BUCKET = subjects.bucket_stream(subjects.DEVICES_BUCKET)


class FactsBook:
    """The newest facts of each device from each source. Mutable.

    A bucket keeps one message of each device. sysfs knows the slot, smartctl the firmware: what is
    published has both, and where two say the same thing, the source named last is believed.

    :param sources: their names, the best informed last.
    """

    def __init__(self, sources: Sequence[str]) -> None:
        self._sources = sources
        self._said: dict[str, dict[str, dict[str, Any]]] = {}  # by subject, by source

    def merged(self, source: str, messages: Iterable[Message]) -> list[Message]:
        """The messages of a source, those with facts completed by what the others know."""
        if source not in self._sources:
            return list(messages)
        return [self._merged(source, each) if each.stream == _BUCKET else each for each in messages]

    def _merged(self, source: str, message: Message) -> Message:
        said = self._said.setdefault(message.subject, {})
        said[source] = orjson.loads(message.payload)
        if len(said) == 1:
            return message
        whole: dict[str, Any] = {}
        for name in self._sources:
            whole |= said.get(name, {})
        whole["timestamp"] = said[source]["timestamp"]
        return replace(message, payload=orjson.dumps(whole))
