"""The simulator without NATS and without a clock: whole fleets as arrays, and their truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray

from daemon.simulator.fault_requests import KINDS
from daemon.simulator.source import Simulator, SimulatorSettings
from daemon.simulator.units import DECIMALS, METRICS, Unit, units
from spindle.settings import load

START = 1_792_800_000  # a Monday, 00:00 UTC
STEP = 60  # seconds from one reading to the next
DAY = 86_400 // STEP  # readings
DISKS = 8  # in each array


@dataclass(frozen=True, slots=True)
class Truth:
    """A fault on one unit.

    :ivar begins: the first reading that it may show in.
    :ivar ends: the first reading after it.
    """

    fault: str
    unit: int
    begins: int
    ends: int


@dataclass(frozen=True, slots=True)
class History:
    """What a fleet said.

    :ivar values: readings x units x metrics as published (rounded); NaN where a unit was silent.
    """

    units: Sequence[Unit]
    values: NDArray[np.float64]
    truths: Sequence[Truth]

    def times(self) -> list[float]:
        """Of the readings, seconds since the epoch."""
        return [float(START + STEP * number) for number in range(len(self.values))]


def healthy(arrays: int, days: int, seed: int) -> History:
    """A fleet in which nothing happens."""
    return _run(arrays, days * DAY, seed, [])


def ill(fault: str, arrays: int, days: float, seed: int, hours: tuple[float, float]) -> History:
    """One fault in each array, on a unit by chance, in the last day; it lasts ``hours`` (from, to).

    The faults begin between two readings, as they do in life.
    """
    random, specs, truths = Random(f"{seed}/{fault}"), [], []
    total = round(days * DAY)
    for array in range(1, arrays + 1):
        disk = 0 if fault == "intrusion" else random.randint(1, DISKS)
        device = f"array{array}" if disk == 0 else f"array{array}-disk{disk}"
        seconds = round(3600 * random.uniform(*hours))
        latest = (total - DAY // 24) * STEP - seconds
        after = random.randint(latest - 12 * 3600, latest)
        specs.append(f"{fault}:{device}:after={after}:for={seconds}")
        unit = (array - 1) * (DISKS + 1) + disk
        truths.append(Truth(fault, unit, -(-after // STEP), -(-(after + seconds) // STEP)))
    history = _run(arrays, total, seed, specs)
    return History(history.units, history.values, truths)


def _run(arrays: int, readings: int, seed: int, specs: Sequence[str]) -> History:
    settings = load(
        SimulatorSettings,
        simulated_arrays=arrays,
        simulated_disks_per_array=DISKS,
        simulated_incident_seconds=0,
        simulated_faults=",".join(specs),
        event_probability=0,
    )
    simulator, fleet = Simulator(settings, seed), units(arrays, DISKS)
    values = np.empty((readings, len(fleet), len(METRICS)))
    for number in range(readings):
        moment = simulator.step((START + STEP * number) * 10**9)
        values[number] = moment.values
        values[number, list(moment.silent)] = np.nan
    for column, decimals in enumerate(DECIMALS.values()):
        values[:, :, column] = values[:, :, column].round(decimals)
    return History(fleet, values, [])


#: How long each kind of fault lasts in the evidence, in hours.
HOURS: dict[str, tuple[float, float]] = {
    **dict.fromkeys(KINDS, (0.5, 6.0)),
    "fail_slow": (2.0, 10.0),
}
