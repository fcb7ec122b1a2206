"""What the simulator publishes: readings at millions of points per second, and the truth.

Everything but timestamp and values is the same in every tick, so each message is a template made
once; a tick fills in one text for the time and lets C format the numbers. Names in a template are
valid names (no quote, ``%`` or ``@``), values are finite: the result is valid JSON by construction,
and a test reads it back through the models.

The truth is what the simulator knows and a detector has to find out: one JSON object on
``simulation.truth`` at the start and one at the end of each fault, ``{id, fault, device_id,
source_device, array_id, metric_types, asked_for, from, to, phase}``. ``to`` of the first is when it
is meant to end, of the second when it did. A daemon that stops ends its faults; one that was
killed, or could not reach NATS while it drained, leaves some without a second: they were on until
it died, and at the latest until ``to`` of the first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import orjson

from daemon.messages import Message, metric_subject
from daemon.simulator.plan import Incident
from daemon.simulator.units import DECIMALS, METRICS, Unit
from spindle import subjects, timestamps

if TYPE_CHECKING:
    from daemon.simulator.fleet import Numbers

_TIME = b"@"

Phase = Literal["start", "end"]


@dataclass(frozen=True, slots=True)
class _Template:
    subject: str
    body: bytes
    points: int


class Encoder:
    """Makes the metric messages of a fleet, in envelopes of at most ``envelope_size`` points."""

    def __init__(self, units: Sequence[Unit], envelope_size: int) -> None:
        self._units = units
        self._size = envelope_size
        points = len(units) * len(METRICS)
        self._templates = [
            self._template(range(start, min(start + envelope_size, points)))
            for start in range(0, points, envelope_size)
        ]

    def encode(self, values: Numbers, now_ns: int, silent: Collection[int] = ()) -> list[Message]:
        """The messages of one tick; ``values`` is units x metrics, all finite.

        :param silent: indices of the units that say nothing in this tick.
        """
        time = timestamps.format_ns(now_ns).encode()
        numbers = values.ravel().tolist()
        sparse = self._sparse(silent)
        messages, start = [], 0
        for place, whole in enumerate(self._templates):
            end = start + whole.points
            template, said = whole, numbers[start:end]
            if place in sparse:
                template, rows = sparse[place]
                said = [numbers[row] for row in rows]
            start = end
            if template.points:
                payload = template.body.replace(_TIME, time) % tuple(said)
                stream, subject = subjects.METRICS_STREAM, template.subject
                messages.append(Message(stream, subject, payload, template.points))
        return messages

    def _template(self, rows: Iterable[int]) -> _Template:
        columns = len(METRICS)
        said = [(self._units[row // columns], row % columns) for row in rows]
        return _template(said, self._size > 1)

    def _sparse(self, silent: Collection[int]) -> dict[int, tuple[_Template, list[int]]]:
        """For the messages that silent units would be in: the template without them, its rows."""
        columns = len(METRICS)
        points = len(self._units) * columns
        places = {
            row // self._size for u in silent for row in range(u * columns, (u + 1) * columns)
        }
        sparse = {}
        for place in places:
            whole = range(place * self._size, min((place + 1) * self._size, points))
            rows = [row for row in whole if row // columns not in silent]
            sparse[place] = (self._template(rows), rows)
        return sparse


def _template(rows: Sequence[tuple[Unit, int]], envelope: bool) -> _Template:
    points = [
        f'{{"timestamp":"@","sourceDevice":"{unit.source_device}","metricType":"{name}",'
        f'"deviceId":"{unit.device_id}","arrayId":"{unit.array_id}","value":%.{DECIMALS[name]}f}}'
        for unit, column in rows
        for name in (METRICS[column],)
    ]
    body = ",".join(points)
    devices = {(unit.source_device, unit.device_id) for unit, _ in rows}
    subject = metric_subject(devices) if rows else subjects.METRICS
    return _Template(subject, (f"[{body}]" if envelope else body).encode(), len(rows))


def truth(incident: Incident, unit: Unit, start_ns: int) -> dict[str, Any]:
    """A fault as it is published on ``simulation.truth``.

    :param start_ns: the simulator's first tick.
    """
    begins = timestamps.format_ns(start_ns + round(incident.begins * 1e9))
    return {
        "id": f"{unit.device_id}/{incident.fault.name}/{begins}",
        "fault": incident.fault.name,
        "device_id": unit.device_id,
        "source_device": unit.source_device,
        "array_id": unit.array_id,
        "metric_types": list(incident.fault.metric_types),
        "asked_for": incident.asked_for,
        "from": begins,
        "to": timestamps.format_ns(start_ns + round(incident.ends * 1e9)),
    }


def truth_message(incident: Incident, unit: Unit, start_ns: int, phase: Phase) -> Message:
    """The start or the end of a fault, to be published."""
    said = {**truth(incident, unit, start_ns), "phase": phase}
    message_id = f"{said['id']}/{phase}"
    subject = subjects.SIMULATION_TRUTH
    return Message(subjects.SIMULATION_STREAM, subject, orjson.dumps(said), 1, message_id)
