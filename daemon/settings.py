"""The daemon's settings."""

from __future__ import annotations

from pydantic import Field, ValidationInfo, field_validator

from daemon.simulator.fault_kinds import KINDS
from daemon.simulator.fault_specs import FaultSpec, parse_specs
from spindle.errors import InvalidInput
from spindle.models import shown
from spindle.settings import Settings

SOURCES = ("simulator", "host", "parking")
MOST_UNITS = 1_000_000


class DaemonSettings(Settings):
    """What is read, how often, and how much is kept while NATS is away."""

    daemon_sources: str = Field(
        "simulator,host,parking",
        description=(
            "What is read, separated by commas: simulator (a fleet that does not exist), "
            "host (the drives and file systems of this machine), "
            "parking (a parking lot that does not exist)."
        ),
    )
    generation_interval_seconds: float = Field(
        1.0, ge=0.01, le=86_400, description="Seconds from one reading of every device to the next."
    )
    event_probability: float = Field(
        0.25, ge=0, le=1, description="Chance that a tick of the simulator also brings an event."
    )
    simulated_arrays: int = Field(2, ge=1, description="Arrays in the simulated fleet.")
    simulated_disks_per_array: int = Field(
        6, ge=1, description="Disks in each array of the simulated fleet."
    )
    simulated_seed: int = Field(
        1, ge=0, description="The same seed, start and ticks give the same simulated values."
    )
    simulated_incident_after_seconds: float = Field(
        20.0, ge=0, description="When the first simulated incident begins, in seconds after start."
    )
    simulated_incident_seconds: float = Field(
        180.0,
        ge=0,
        description="How long one simulated incident lasts; 0 for a fleet without incidents.",
    )
    simulated_quiet_seconds: float = Field(
        60.0, ge=0, description="Quiet time between two simulated incidents, in seconds."
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
    parking_capacity: int = Field(
        200, ge=1, le=1_000_000, description="Vehicles that fit into the simulated parking lot."
    )
    parking_stay_minutes: float = Field(
        75.0, gt=0, le=100_000, description="Median stay in the simulated parking lot, in minutes."
    )
    parking_unmatched_share: float = Field(
        0.2,
        ge=0,
        le=0.95,
        description="Of all simulated exits, the share of vehicles whose entry nobody saw.",
    )
    parking_time_factor: float = Field(
        1.0,
        gt=0,
        le=100_000,
        description="How many times faster than a clock the simulated parking lot runs: "
        "288 is a day in five minutes.",
    )
    daemon_envelope_size: int = Field(
        500,
        ge=1,
        le=5000,
        description="Most points in one message; 1 publishes each point as a JSON object alone.",
    )
    daemon_backlog_points: int = Field(
        1_000_000,
        ge=1,
        description="Most points kept until NATS has acknowledged them; then the oldest go.",
    )
    daemon_backlog_bytes: int = Field(
        256 * 2**20,
        ge=2**20,
        description="Most bytes kept until NATS has acknowledged them; then the oldest go.",
    )
    daemon_ack_timeout_seconds: float = Field(
        5.0,
        gt=0,
        le=60,
        description="A message not acknowledged by NATS for so long is published again.",
    )
    daemon_drain_seconds: float = Field(
        5.0, ge=0, description="How long a stopping daemon tries to publish what it still holds."
    )
    daemon_http_port: int = Field(
        9101, ge=1, le=65535, description="Port of the daemon's /healthz and /metrics."
    )

    @field_validator("daemon_sources")
    @classmethod
    def _known_sources(cls, value: str) -> str:
        names = _names(value)
        unknown = [shown(name) for name in names if name not in SOURCES]
        if unknown:
            raise ValueError(f"no source is called {', '.join(unknown)}: {_CHOICE}")
        if not names:
            raise ValueError(_CHOICE)
        return value

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

    @field_validator("daemon_backlog_points")
    @classmethod
    def _holds_an_envelope(cls, points: int, info: ValidationInfo) -> int:
        envelope = info.data.get("daemon_envelope_size", 1)
        if points < envelope:
            raise ValueError(f"expected at least DAEMON_ENVELOPE_SIZE ({envelope})")
        return points

    @property
    def sources(self) -> tuple[str, ...]:
        """The chosen sources, each once, in the order given."""
        return tuple(_names(self.daemon_sources))

    @property
    def fault_specs(self) -> list[FaultSpec]:
        """The faults asked for."""
        return parse_specs(
            self.simulated_faults, self.simulated_arrays, self.simulated_disks_per_array
        )


_CHOICE = f"expected one or more of {', '.join(SOURCES)}, separated by commas"


def _names(value: str) -> list[str]:
    return list(dict.fromkeys(name.strip() for name in value.split(",") if name.strip()))
