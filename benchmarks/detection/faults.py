"""Detection scored against the simulator's own truth, and false alarms on fleets that are well.

What raises an alarm: an anomaly of any series of a device that begins, as the watch tells it, its
peers (``reader.peers``), and silence (``SILENT`` readings missing, as the reader calls a device
stale). Alarms of one device less than ``QUIET`` readings apart are one episode. An episode is right
if it touches a fault of that device or the time shortly after it (its end is a change too), else
it is false. A fault is found if an alarm of its device lies in it.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from benchmarks.series.fault_series import DAY, DISKS, HOURS, STEP, History, Truth, healthy, ill
from daemon.simulator.fault_requests import KINDS
from daemon.simulator.units import METRICS
from reader.detection import peers
from reader.detection.detector import Detector
from reader.detection.episodes import Episodes

SILENT = 3  # readings missing in a row
QUIET = 60  # readings between two episodes
AFTERMATH = 30  # readings after a fault in which its end may be noticed
MOVED = 1.0  # % of the capacity freed from one reading to the next, on a disk or as its array says
ILL_DAYS = 4.0  # three in health first

Done = Callable[[], None]


@dataclass(frozen=True, slots=True, order=True)
class Alarm:
    """One alarm: the reading at which it was raised, and by what."""

    reading: int
    by: str


@dataclass(slots=True)
class Tally:
    """What was found of one kind of fault, or on fleets that are well.

    :ivar delays: readings from each found fault's first to its first alarm.
    :ivar by: what raised the first alarm of each found fault.
    :ivar wrong: what raised the first alarm of each false episode.
    :ivar moves: devices with an alarm because most of their data was moved away, which the
        simulator does where 75 % are reached: neither right nor wrong.
    """

    fault: str
    faults: int = 0
    delays: list[int] = field(default_factory=list)
    by: list[str] = field(default_factory=list)
    right: int = 0
    wrong: list[str] = field(default_factory=list)
    moves: int = 0
    device_days: float = 0.0

    def line(self) -> str:
        """Everything, as JSON."""
        return json.dumps(asdict(self))


def run(
    seed: int, arrays: int, days: int, kinds: Sequence[str], progress: Callable[[str, int], Done]
) -> list[Tally]:
    """A tally per kind of fault with ``arrays`` faults each, and one of healthy fleets.

    :param days: of each device of the healthy fleets, of which there are ``arrays`` arrays too.
    :param progress: takes a name and a number of steps, gives back what to call at each.
    """
    tallies = []
    for number, kind in enumerate(kinds):
        done = progress(kind, arrays)
        history = ill(kind, arrays, ILL_DAYS, seed + 1 + number, HOURS[kind])
        tallies.append(_faults(kind, history, done))
    if days:
        tallies.append(_healthy(healthy(arrays, days, seed), progress("healthy", arrays)))
    return tallies


def _faults(kind: str, history: History, done: Done) -> Tally:
    """Each ailing device and one well neighbour of it."""
    tally = Tally(kind)
    for truth in history.truths:
        first = truth.unit - truth.unit % (DISKS + 1)
        neighbour = first + 1 + (truth.unit - first) % DISKS
        beside = _peers(history, first)
        for unit in (truth.unit, neighbour):
            alarms = [*_alarms(history, unit), *beside.get(unit, ())]
            alarms = _without_moves(tally, alarms, history, unit)
            _count(tally, alarms, truth if unit == truth.unit else None)
            tally.device_days += len(history.values) / DAY
        done()
    return tally


def _healthy(history: History, done: Done) -> Tally:
    tally = Tally("healthy")
    for first in range(0, len(history.units), DISKS + 1):
        beside = _peers(history, first)
        for unit in range(first, first + DISKS + 1):
            alarms = [*_alarms(history, unit), *beside.get(unit, ())]
            _count(tally, _without_moves(tally, alarms, history, unit), None)
            tally.device_days += len(history.values) / DAY
        done()
    return tally


def _without_moves(
    tally: Tally, alarms: Iterable[Alarm], history: History, unit: int
) -> list[Alarm]:
    """The alarms but those on data that was moved away: right, though nothing is ill."""
    fill = history.values[:, unit, METRICS.index("CapacityUsed")]
    moves = np.flatnonzero(np.diff(fill) < -MOVED) + 1
    kept, moved = [], False
    for alarm in alarms:
        close = any(0 <= alarm.reading - move < QUIET for move in moves)
        if close and alarm.by.startswith("CapacityUsed"):
            moved = True
        else:
            kept.append(alarm)
    tally.moves += moved
    return kept


def _count(tally: Tally, alarms: Iterable[Alarm], truth: Truth | None) -> None:
    ordered = sorted(alarms)
    for episode in episodes(ordered):
        if (
            truth
            and episode[0].reading < truth.ends + AFTERMATH
            and (episode[-1].reading >= truth.begins)
        ):
            tally.right += 1
        else:
            tally.wrong.append(episode[0].by)
    if truth is None:
        return
    tally.faults += 1
    found = [alarm for alarm in ordered if truth.begins <= alarm.reading < truth.ends]
    if found:
        tally.delays.append(found[0].reading - truth.begins)
        tally.by.append(found[0].by)


def episodes(alarms: Sequence[Alarm]) -> list[list[Alarm]]:
    """Alarms in order of time, those close together as one."""
    found: list[list[Alarm]] = []
    for alarm in alarms:
        if found and alarm.reading - found[-1][-1].reading < QUIET:
            found[-1].append(alarm)
        else:
            found.append([alarm])
    return found


def _alarms(history: History, unit: int) -> list[Alarm]:
    """Of the detector on each series of a unit, and of its silence."""
    times, alarms = history.times(), []
    for column, name in enumerate(METRICS):
        detector, episodes_ = Detector(), Episodes(name)
        series = history.values[:, unit, column].tolist()
        for reading, value in enumerate(series):
            if math.isnan(value):
                continue
            detector.update(times[reading], value)
            began, _ = episodes_.take(times[reading], value, detector)
            if began is not None:
                alarms.append(Alarm(reading, f"{name} {began.kind}"))
    missing = np.isnan(history.values[:, unit, 0])
    run = np.convolve(missing, np.ones(SILENT), "valid") == SILENT
    starts = np.flatnonzero(run[1:] & ~run[:-1]) + SILENT
    return alarms + [Alarm(int(start), "silence") for start in starts]


def _peers(history: History, first: int) -> dict[int, list[Alarm]]:
    """By unit, where its disk begins to stand out among those of its array."""
    found: dict[int, list[Alarm]] = {}
    members = range(first + 1, first + 1 + DISKS)
    loads = history.values[:, :, METRICS.index("IOPs")]
    for name in peers.FACTORS:
        group, before = peers.PeerGroup(name), set[str]()
        readings = history.values[:, :, METRICS.index(name)]
        for reading, time in enumerate(history.times()):
            values, load = _row(readings[reading], members), _row(loads[reading], members)
            now = set(group.update(time, values, load if name == "Latency" else None))
            for unit in now - before:
                found.setdefault(int(unit), []).append(Alarm(reading, f"{name} peers"))
            before = now
    return found


def _row(values: NDArray[np.float64], members: range) -> dict[str, float]:
    said = values[members.start : members.stop].tolist()
    pairs = zip(members, said, strict=True)
    return {str(unit): value for unit, value in pairs if not math.isnan(value)}


def table(tallies: Sequence[Tally]) -> Table:
    """Per kind and in total."""
    made = Table(
        "fault", "faults", "found", "recall", "precision", "delay", "90 %", "first seen by"
    )
    for tally in tallies:
        if tally.faults:
            made.add_row(*_cells(tally.fault, [tally]))
    if ill_ones := [tally for tally in tallies if tally.faults]:
        made.add_section()
        made.add_row(*_cells("together", ill_ones))
    for tally in tallies:
        if not tally.faults:
            made.caption = (
                f"healthy: {len(tally.wrong)} alarms in {tally.device_days:,.0f} device-days, "
                f"{1000 * len(tally.wrong) / tally.device_days:.2f} in 1,000 {_most(tally.wrong)}; "
                f"{tally.moves} more told of data moved away\n"
                f"delays in readings of {STEP} s: median and 90th percentile of the faults found"
            )
    return made


def _cells(name: str, tallies: Sequence[Tally]) -> list[str]:
    delays = sorted(delay for tally in tallies for delay in tally.delays)
    faults = sum(tally.faults for tally in tallies)
    right = sum(tally.right for tally in tallies)
    wrong = sum(len(tally.wrong) for tally in tallies)
    return [
        name,
        str(faults),
        str(len(delays)),
        f"{len(delays) / faults:.3f}",
        f"{right / (right + wrong):.3f}" if right + wrong else "-",
        f"{statistics.median(delays):g}" if delays else "-",
        str(delays[int(0.9 * (len(delays) - 1))]) if delays else "-",
        _most([by for tally in tallies for by in tally.by]) if len(tallies) == 1 else "",
    ]


def _most(names: Sequence[str]) -> str:
    counted = sorted({name: names.count(name) for name in names}.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {count}" for name, count in counted[:3])


def kinds() -> tuple[str, ...]:
    """Every kind of fault that can be asked for."""
    return tuple(KINDS)
