"""The simulator's settings."""

from __future__ import annotations

from pydantic import Field, ValidationInfo, field_validator

from daemon.simulator.fault_requests import KINDS, FaultSpec, parse_specs
from daemon.source import SourceSettings
from spindle.errors import InvalidInput

MOST_UNITS = 1_000_000


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
