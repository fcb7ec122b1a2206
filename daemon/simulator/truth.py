"""What the simulator knows and a detector has to find out: each fault, when it begins and ends.

One JSON object on ``simulation.truth`` at the start and one at the end of each fault: ``{id, fault,
device_id, source_device, array_id, metric_types, asked_for, from, to, phase}``. ``to`` of the first
is when it is meant to end, of the second when it did. A daemon that stops ends its faults; one that
was killed, or could not reach NATS within ``DAEMON_DRAIN_SECONDS``, leaves some without a second:
they were on until it died, and at the latest until ``to`` of the first.
"""

from __future__ import annotations

from typing import Any, Literal

import orjson

from daemon.messages import Message
from daemon.simulator.fleet import Unit
from daemon.simulator.incidents import Incident
from spindle import subjects, timestamps

Phase = Literal["start", "end"]


def truth(incident: Incident, unit: Unit, start_ns: int) -> dict[str, Any]:
    """A fault as the world may know it.

    :param start_ns: the simulator's first tick.
    """
    begins = timestamps.format_ns(start_ns + round(incident.begins * 1e9))
    return {
        "id": f"{unit.device_id}/{begins}",
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
