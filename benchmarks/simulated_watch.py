"""The reader's watch over the simulated fleet, on simulated time: hours in seconds.

One reading a second of each metric, as a running pipeline has them, in the watch's own steps; no
NATS, no store and no clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from daemon.simulator.fleet import DECIMALS, METRICS, units
from daemon.simulator.settings import SimulatorSettings
from daemon.simulator.source import Simulator
from reader.detection.anomaly import STEP_SECONDS, Anomaly
from reader.watching.series import FollowedSeries
from reader.watching.share import Share
from spindle.settings import load
from spindle.store.base import SeriesKey
from spindle.timestamps import NS

START = 1_792_800_000  # a Monday, 00:00 UTC
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
