"""Encode a whole fleet's readings at millions of points per second.

Everything but timestamp and values is the same in every tick, so each message is a template made
once; a tick fills in one text for the time and lets C format the numbers. Names in a template are
valid names (no quote, ``%`` or ``@``), values are finite: the result is valid JSON by construction,
and a test reads it back through the models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from daemon.messages import Message, metric_subject
from daemon.sources.fleet import DECIMALS, METRICS, Numbers, Unit
from spindle import subjects, timestamps

_TIME = b"@"


@dataclass(frozen=True, slots=True)
class _Template:
    subject: str
    body: bytes
    points: int


class Encoder:
    """Makes the metric messages of a fleet, in envelopes of at most ``envelope_size`` points."""

    def __init__(self, units: Sequence[Unit], envelope_size: int) -> None:
        rows = [(unit, column) for unit in units for column in range(len(METRICS))]
        self._templates = [
            _template(rows[start : start + envelope_size], envelope_size > 1)
            for start in range(0, len(rows), envelope_size)
        ]

    def encode(self, values: Numbers, now_ns: int) -> list[Message]:
        """The messages of one tick; ``values`` is units x metrics, all finite."""
        time = timestamps.format_ns(now_ns).encode()
        numbers = values.ravel().tolist()
        messages, start = [], 0
        for template in self._templates:
            end = start + template.points
            payload = template.body.replace(_TIME, time) % tuple(numbers[start:end])
            messages.append(
                Message(subjects.METRICS_STREAM, template.subject, payload, template.points)
            )
            start = end
        return messages


def _template(rows: Sequence[tuple[Unit, int]], envelope: bool) -> _Template:
    points = [
        f'{{"timestamp":"@","sourceDevice":"{unit.source_device}","metricType":"{METRICS[column]}",'
        f'"deviceId":"{unit.device_id}","arrayId":"{unit.array_id}",'
        f'"value":%.{DECIMALS[column]}f}}'
        for unit, column in rows
    ]
    body = ",".join(points)
    subject = metric_subject({(unit.source_device, unit.device_id) for unit, _ in rows})
    return _Template(subject, (f"[{body}]" if envelope else body).encode(), len(rows))
