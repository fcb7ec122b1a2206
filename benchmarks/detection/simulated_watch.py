"""The reader's watch over the simulated fleet, on simulated time: hours in seconds.

One reading a second of each metric, as a running pipeline has them, in the watch's own steps; no
NATS, no store and no clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from statistics import median

from rich.console import Console
from rich.table import Table

from daemon.simulator.source import Simulator, SimulatorSettings
from daemon.simulator.units import DECIMALS, METRICS, units
from reader.detection.anomaly import STEP_SECONDS, Anomaly
from reader.watching.series import FollowedSeries
from reader.watching.share import Share
from spindle.settings import load
from spindle.store.base import SeriesKey
from spindle.timestamps import NS

START = 1_792_800_000  # a Monday, 00:00 UTC
REPORTED = 1000  # seeds below are for choosing
LATE = 2  # seconds after its end at which a step is scored though no later reading came
PEER_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Injection:
    """A fault that a person asks for; seconds from the first reading."""

    fault: str
    device_id: str
    after: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Told:
    """An anomaly as it began, and how many seconds after the first reading it was known."""

    second: int
    anomaly: Anomaly


def watch(
    seconds: int,
    injections: Sequence[Injection] = (),
    *,
    arrays: int = 1,
    disks: int = 6,
    seed: int = 1,
    hour: int = 9,
) -> list[Told]:
    """What is told of a fleet that nobody knew before, in so many seconds.

    :param hour: of the day at which the first reading comes, UTC.
    """
    settings = load(
        SimulatorSettings,
        simulated_arrays=arrays,
        simulated_disks_per_array=disks,
        simulated_incident_seconds=0,
        event_probability=0,
    )
    simulator, share = Simulator(settings, seed), Share(0, STEP_SECONDS)
    followed = [
        [
            share.series.setdefault(key, FollowedSeries(key, STEP_SECONDS))
            for key in (SeriesKey(u.source_device, m, u.device_id, u.array_id) for m in METRICS)
        ]
        for u in units(arrays, disks)
    ]
    told: dict[tuple[object, int], Told] = {}
    for second in range(seconds):
        now = START + 3600 * hour + second
        moment = simulator.step(now * NS)
        for each in injections:
            if each.after == second:
                simulator.inject(each.fault, each.device_id, each.seconds, now * NS)
        for unit, row in enumerate(moment.values.tolist()):
            if unit not in moment.silent:
                for series, value, decimals in zip(
                    followed[unit], row, DECIMALS.values(), strict=True
                ):
                    share.take(series, now, round(value, decimals))
        share.flush(now - LATE)
        if second % PEER_SECONDS == PEER_SECONDS - 1:
            share.compare_peers(now)
        for anomaly in share.lasting.values():
            told.setdefault((anomaly.slot, anomaly.start_ns), Told(second, anomaly))
    return list(told.values())


LEARNT = 1500  # seconds in health first: a pipeline that somebody started 25 minutes ago
FAULTS = {
    "overheat": 120,
    "slow_disk": 300,
    "latency_spikes": 300,
    "iops_collapse": 300,
    "capacity_leak": 600,
    "stuck_sensor": 600,
    "fail_slow": 2400,
}
PAUSES = (300, 23 * 60)  # seconds from the end of a fault to the next
DISK = "array1-disk3"


def thrice(task: tuple[str, int]) -> list[int | None]:
    """Seconds to the first word of the same fault, three times on one disk; None for never."""
    fault, seed = task
    lasts = FAULTS[fault]
    begins = [LEARNT]
    for pause in PAUSES:
        begins.append(begins[-1] + lasts + pause)
    injections = [Injection(fault, DISK, begin, lasts) for begin in begins]
    ill = [
        each.second
        for each in watch(begins[-1] + lasts, injections, seed=seed)
        if each.anomaly.key.device_id == DISK and each.anomaly.severity != "ok"
    ]
    return [
        min((at - begin for at in ill if begin <= at < begin + lasts), default=None)
        for begin in begins
    ]


def _hour(seed: int) -> list[str]:
    """What is told of 77 devices in health in the first hour that anybody looks."""
    told = watch(3600, arrays=11, seed=seed, hour=6 * (seed % 4))
    return [f"{each.anomaly.severity}: {each.anomaly.episode.text}" for each in told]


def live(seeds: int = 10, hours: int = 16) -> None:
    """Faults told each time, and a fleet of 77 that is silent, at a reading a second."""
    console, reported = Console(width=110), range(REPORTED, REPORTED + seeds)
    table = Table("fault", "told", "2nd", "3rd", "median seconds", "2nd", "3rd")
    tasks = [(fault, seed) for fault in FAULTS for seed in reported]
    with ProcessPoolExecutor() as pool:
        found = dict(zip(tasks, pool.map(thrice, tasks), strict=True))
        fleets = list(pool.map(_hour, range(REPORTED, REPORTED + hours)))
    for fault in FAULTS:
        times = zip(*(found[fault, seed] for seed in reported), strict=True)
        heard = [[each for each in time if each is not None] for time in times]
        shares = [f"{len(each)} of {seeds}" for each in heard]
        table.add_row(fault, *shares, *(f"{median(each):g}" if each else "-" for each in heard))
    console.print(table)
    counts = [len(each) for each in fleets]
    console.print(f"{hours} fleets of 77 in their first hour: {counts} told")
    console.print(*(text for each in fleets for text in each), sep="\n")
