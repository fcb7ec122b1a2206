"""A fleet that does not exist: seeded, repeatable, healthy but for its incidents and the faults
that somebody asked for."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic import Field, ValidationInfo, field_validator

from daemon.messages import Message, event_message, facts_message
from daemon.simulator import fault_requests
from daemon.simulator.fault import Readings, Span
from daemon.simulator.fault_requests import KINDS, FaultSpec, parse_specs
from daemon.simulator.messages import Encoder, Phase, truth, truth_message
from daemon.simulator.plan import Due, FaultPlan, Incident, Timeline
from daemon.simulator.units import Unit, units
from daemon.source import Source, SourceSettings
from spindle import durations, subjects
from spindle.errors import InvalidInput
from spindle.models import DeviceFacts, Event

if TYPE_CHECKING:
    from daemon.simulator.fleet import Numbers

log = logging.getLogger("daemon.simulator")

MOST_UNITS = 1_000_000
#: When the first incident begins: soon enough for whoever tries this for the first time, and late
#: enough to see the fleet in health before.
FIRST_INCIDENT_SECONDS = 20.0
#: Between two incidents, so that each is seen to be over.
QUIET_SECONDS = 60.0
#: From one time that the fleet says it is simulated to the next: NATS may have lost its data.
FACTS_SECONDS = 600.0
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


class SimulatorSettings(SourceSettings):
    """How large the simulated fleet is, and what happens to it."""

    event_probability: float = Field(
        0.25, ge=0, le=1, description="Chance that a tick of the simulator also brings an event."
    )
    simulated_arrays: int = Field(2, ge=1, description="Arrays in the simulated fleet.")
    simulated_disks_per_array: int = Field(
        6, ge=1, description="Disks in each array of the simulated fleet."
    )
    simulated_incident_seconds: float = Field(
        180.0,
        ge=0,
        description="Seconds that one simulated incident lasts; 0 for a fleet without incidents.",
    )
    simulated_faults: str = Field(
        "",
        description=(
            "Faults of the simulated fleet, separated by commas, each written "
            "FAULT:DEVICE_ID, with :after=DURATION and :for=DURATION if wanted, such as "
            "overheat:array1-disk3:after=30:for=300. A duration is in seconds, or has a unit: 90s, "
            f"5m, 2h, 1d. Faults: {', '.join(KINDS)}."
        ),
    )

    @field_validator("simulated_disks_per_array")
    @classmethod
    def _fleet_fits(cls, disks: int, info: ValidationInfo) -> int:
        arrays = info.data.get("simulated_arrays", 1)
        if arrays * (disks + 1) > MOST_UNITS:
            raise ValueError(
                f"with {arrays:,} SIMULATED_ARRAYS that is more than {MOST_UNITS:,} devices"
            )
        return disks

    @field_validator("simulated_faults")
    @classmethod
    def _faults_can_happen(cls, value: str, info: ValidationInfo) -> str:
        arrays, disks = (
            info.data.get(f"simulated_{each}") for each in ("arrays", "disks_per_array")
        )
        try:
            parse_specs(value, arrays, disks)
        except InvalidInput as error:
            raise ValueError(str(error)) from None
        return value

    @property
    def fault_specs(self) -> list[FaultSpec]:
        """The faults asked for."""
        return parse_specs(
            self.simulated_faults, self.simulated_arrays, self.simulated_disks_per_array
        )


@dataclass(frozen=True, slots=True)
class Moment:
    """What the fleet says in one tick.

    :ivar values: units x metrics, as ``fleet`` orders them.
    :ivar silent: units of which nothing is heard.
    :ivar due: the faults that are on, begin, end.
    """

    values: Numbers
    silent: set[int]
    events: list[Event]
    due: Due


class Simulator(Source):
    """Simulated arrays and disks: four metrics of each per tick, now and then an event.

    The same settings, first tick and later ticks give the same messages, event ids included; the
    ids differ from one start to the next, so that a restart's events are not taken for repeats.
    Requests on ``simulation.inject`` begin and end faults, from another thread than ``read``.
    """

    name = "simulator"
    about = "a fleet that does not exist"
    settings_type = SimulatorSettings
    answers = (subjects.SIMULATION_INJECT,)

    def __init__(self, settings: SimulatorSettings, seed: int = 1) -> None:
        # Loads numpy, and who only asks for the settings needs none.
        from daemon.simulator.fleet import Fleet  # noqa: PLC0415

        super().__init__(settings)
        self._lock = threading.Lock()  # held by whoever changes what is below
        arrays, disks = settings.simulated_arrays, settings.simulated_disks_per_array
        self._arrays, self._disks = arrays, disks
        self._seed = seed
        self._event_probability = settings.event_probability
        self._units = units(arrays, disks)
        self._fleet = Fleet(arrays, disks, self._seed)
        self._encoder = Encoder(self._units, self.envelope_size)
        timeline = Timeline(
            self._units,
            self._seed,
            FIRST_INCIDENT_SECONDS,
            settings.simulated_incident_seconds,
            QUIET_SECONDS,
        )
        self._plan = FaultPlan(timeline, [self._wanted(spec) for spec in settings.fault_specs])
        # By unit and fault, what the unit would have said when the present one began.
        self._onsets: dict[tuple[int, str], Readings] = {}
        self._start_ns: int | None = None  # the first tick
        self._elapsed = 0.0  # seconds from the first tick to the last one
        self._facts_due_ns = 0
        self._random = Random()  # of the events; seeded at the first tick

    def read(self, now_ns: int) -> list[Message]:
        """Every metric of every unit that reports, the events of this tick, the truth about it."""
        with self._lock:
            moment = self.step(now_ns)
        messages = self._encoder.encode(moment.values, now_ns, moment.silent)
        messages += [event_message(event) for event in moment.events]
        return messages + self._facts(now_ns) + self._truths(moment.due)

    def _facts(self, now_ns: int) -> list[Message]:
        """Facts that say these devices are simulated, repeated every ``FACTS_SECONDS``."""
        if now_ns < self._facts_due_ns:
            return []
        self._facts_due_ns = now_ns + int(FACTS_SECONDS * 1e9)
        return [
            facts_message(
                DeviceFacts(
                    timestamp=now_ns,
                    source_device=unit.source_device,
                    device_id=unit.device_id,
                    array_id=unit.array_id,
                    model="simulated",
                    simulated=True,
                )
            )
            for unit in self._units
        ]

    def farewell(self, now_ns: int) -> list[Message]:
        """The ends of the faults that are on, which nothing is simulated of any more."""
        with self._lock:
            if self._start_ns is None:
                return []
            ended = self._plan.end((now_ns - self._start_ns) / 1e9)
        return self._truths(Due([], [], ended))

    def answer(self, payload: bytes, now_ns: int) -> dict[str, Any]:
        """Begin a fault or end those of a device, as one request asks; the truth about it.

        Of what was ended it is the truth about the first, with that about all others in ``also``.
        """
        wanted = fault_requests.parse_request(payload)
        if wanted.get("fault") == fault_requests.STOP:
            done, *also = self.stop(wanted.get("device_id"), now_ns, wanted.get("only"))
            answer = {**done, "also": also}
        else:
            fault, device_id, seconds = (wanted.get(key) for key in ("fault", "device_id", "for"))
            answer, also = self.inject(fault, device_id, seconds, now_ns), []
        for each in (answer, *also):
            log.info("%s on %s until %s", each["fault"], each["device_id"], each["to"])
        return answer

    def step(self, now_ns: int) -> Moment:
        """What a tick would publish, as numbers."""
        if self._start_ns is None:
            self._start_ns = now_ns
            self._random.seed(f"{self._seed}/{now_ns}")
        since, self._elapsed = self._elapsed, (now_ns - self._start_ns) / 1e9
        values = self._fleet.step(now_ns)
        due = self._plan.due(self._elapsed)
        events = self._chance_event(now_ns, {incident.unit for incident in due.going})
        for incident in (*due.ended, *due.begun):
            self._onsets.pop((incident.unit, incident.fault.name), None)
        spans = [
            (incident, self._befall(incident, since, values))
            for incident in sorted(due.going, key=lambda each: each.fault.said_last)
        ]
        silent = {each.unit for each, span in spans if each.fault.silent(span)}
        for incident, span in spans:
            if incident.unit not in silent:
                events += self._troubles(incident, span, values, now_ns)
        return Moment(values, silent, events, due)

    def inject(
        self, fault: object, device_id: object, seconds: object, now_ns: int
    ) -> dict[str, Any]:
        """Begin a fault now.

        :param seconds: how long it lasts, as ``durations.parse`` takes it; None for as long
            as is usual for it.
        :returns: the truth about it, see ``truth``.
        :raises InvalidInput: there is no such fault or device, the fault does not befall its class,
            the duration is none, or the device has that fault already.
        """
        name = fault_requests.fault_of(fault)
        unit = self._unit(device_id)
        lasts = KINDS[name].seconds if seconds is None else durations.parse(seconds)
        with self._lock:
            incident = self._wanted(FaultSpec(name, self._units[unit].device_id, 0, lasts), now_ns)
            try:
                self._plan.add(incident)
            except InvalidInput as error:
                raise InvalidInput(f"{device_id}: {error}") from None
        return truth(incident, self._units[unit], self._origin())

    def stop(self, device_id: object, now_ns: int, only: object = None) -> list[dict[str, Any]]:
        """End the faults of a device now, whoever began them; the truth about each.

        :param only: the fault to end; None for all.
        :raises InvalidInput: there is no such device or fault, or the device does not have it.
        """
        unit = self._unit(device_id)
        name = None if only is None else fault_requests.fault_of(only)
        with self._lock:
            ended = self._plan.stop(unit, (now_ns - self._origin()) / 1e9, name)
        if not ended:
            raise InvalidInput(f"{device_id} has no {name or 'fault'} that could be stopped")
        return [truth(each, self._units[unit], self._origin()) for each in ended]

    def _origin(self) -> int:
        if self._start_ns is None:
            raise InvalidInput("the simulator has not begun yet; ask again in a second")
        return self._start_ns

    def _unit(self, device_id: object) -> int:
        array, disk = fault_requests.place(device_id, self._arrays, self._disks)
        return (array - 1) * (self._disks + 1) + disk

    def _wanted(self, spec: FaultSpec, now_ns: int | None = None) -> Incident:
        """The incident that was asked for, with a severity drawn at random."""
        index = self._unit(spec.device_id)
        begins = spec.after if now_ns is None else (now_ns - self._origin()) / 1e9
        drawn = Random(f"{self._seed}/{spec.fault}/{spec.device_id}/{begins}")
        fault = KINDS[spec.fault].make(drawn)
        fault_requests.befalls(fault, self._units[index].source_device, spec.device_id)
        return Incident(fault, index, begins, begins + spec.duration, asked_for=True)

    def _befall(self, incident: Incident, since: float, values: Numbers) -> Span:
        """Change what its unit says in this tick; where in its life the tick lies."""
        healthy = Readings(*values[incident.unit].tolist())
        onset = self._onsets.setdefault((incident.unit, incident.fault.name), healthy)
        span = incident.span(since, self._elapsed, onset)
        values[incident.unit] = incident.fault.readings(span, healthy)
        return span

    def _troubles(
        self, incident: Incident, span: Span, values: Numbers, now_ns: int
    ) -> list[Event]:
        trouble = incident.fault.trouble(span, Readings(*values[incident.unit].tolist()))
        if trouble is None:
            return []
        unit = self._units[incident.unit]
        return [self._event(unit, trouble.event_type, trouble.criticality, trouble.message, now_ns)]

    def _truths(self, due: Due) -> list[Message]:
        """What began and what ended in this tick, in that order."""
        told: list[tuple[Incident, Phase]] = [(incident, "end") for incident in due.ended]
        told += [(incident, "start") for incident in due.begun]
        return [
            truth_message(incident, self._units[incident.unit], self._origin(), phase)
            for incident, phase in told
        ]

    def _chance_event(self, now_ns: int, ailing: Collection[int]) -> list[Event]:
        """With the set probability, an event of criticality 1-7 from a device that is well."""
        if self._random.random() >= self._event_probability or len(ailing) == len(self._units):
            return []
        index = self._random.randrange(len(self._units))
        while index in ailing:
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
