"""A fleet that does not exist: seeded, repeatable, healthy but for one incident at a time."""

from __future__ import annotations

from random import Random
from uuid import UUID

from daemon.messages import Message, event_message
from daemon.settings import DaemonSettings
from daemon.sources.encoding import Encoder
from daemon.sources.faults import Readings
from daemon.sources.fleet import Fleet, Numbers, Unit, units
from daemon.sources.incidents import Incident, Timeline
from spindle.models import Event

#: How likely each criticality from 1 to 7 is, out of 100: small things happen often.
WEIGHTS = (28, 22, 18, 13, 9, 6, 4)
#: What a device that is well may report, by event type: criticality 1-3, 4-5, 6-7.
MESSAGES = {
    "DriveFailure": (
        "one sector was reallocated during a scrub",
        "a command timed out and succeeded when it was repeated",
        "half of the spare sectors are used",
    ),
    "DataCorruption": (
        "a checksum error was corrected from parity",
        "a scrub repaired several blocks from parity",
        "a block had to be rebuilt from two copies",
    ),
    "UnauthorizedAccess": (
        "one failed login to the management interface",
        "a login from an address not seen before",
        "several failed logins in a row, the account is locked for ten minutes",
    ),
}


class Simulator:
    """Simulated arrays and disks: four metrics of each per tick, now and then an event.

    The same settings, first tick and later ticks give the same messages, event ids included; the
    ids differ from one start to the next, so that a restart's events are not taken for repeats.
    """

    name = "simulator"

    def __init__(self, settings: DaemonSettings) -> None:
        arrays, disks = settings.simulated_arrays, settings.simulated_disks_per_array
        self._seed = settings.simulated_seed
        self._event_probability = settings.event_probability
        self._units = units(arrays, disks)
        self._fleet = Fleet(arrays, disks, self._seed)
        self._encoder = Encoder(self._units, settings.daemon_envelope_size)
        self._timeline = Timeline(
            self._units,
            self._seed,
            settings.simulated_incident_after_seconds,
            settings.simulated_incident_seconds,
            settings.simulated_quiet_seconds,
        )
        self._start_ns: int | None = None  # the first tick
        self._elapsed = 0.0  # seconds from the first tick to the last one
        self._random = Random()  # of the events; seeded at the first tick

    def tick(self, now_ns: int) -> list[Message]:
        """Every metric of every unit, and the events of this tick."""
        since, self._elapsed = self._elapsed, self._seconds(now_ns)
        values = self._fleet.step(now_ns)
        incident = self._timeline.at(since, self._elapsed)
        events = self._chance_event(now_ns, incident)
        if incident is not None:
            events += self._befall(incident, values, now_ns)
        return self._encoder.encode(values, now_ns) + [event_message(event) for event in events]

    def _seconds(self, now_ns: int) -> float:
        if self._start_ns is None:
            self._start_ns = now_ns
            self._random.seed(f"{self._seed}/{now_ns}")
        return (now_ns - self._start_ns) / 1e9

    def _befall(self, incident: Incident, values: Numbers, now_ns: int) -> list[Event]:
        healthy = Readings(*values[incident.unit].tolist())
        readings = incident.fault.readings(incident.span, healthy)
        values[incident.unit] = readings
        trouble = incident.fault.trouble(incident.span, readings)
        if trouble is None:
            return []
        unit = self._units[incident.unit]
        return [self._event(unit, trouble.event_type, trouble.criticality, trouble.message, now_ns)]

    def _chance_event(self, now_ns: int, incident: Incident | None) -> list[Event]:
        """With the set probability, an event of criticality 1-7 from a device that is well."""
        if self._random.random() >= self._event_probability:
            return []
        index = self._random.randrange(len(self._units))
        if incident is not None and index == incident.unit:
            index = (index + 1) % len(self._units)
        criticality = self._random.choices(range(1, 8), WEIGHTS)[0]
        event_type = self._random.choice(tuple(MESSAGES))
        message = MESSAGES[event_type][(criticality >= 4) + (criticality >= 6)]
        return [self._event(self._units[index], event_type, criticality, message, now_ns)]

    def _event(
        self, unit: Unit, event_type: str, criticality: int, message: str, now_ns: int
    ) -> Event:
        return Event(
            id=str(UUID(int=self._random.getrandbits(128), version=4)),
            criticality=criticality,
            timestamp=now_ns,
            source_device=unit.source_device,
            event_type=event_type,
            event_message=message,
            device_id=unit.device_id,
            array_id=unit.array_id,
        )
