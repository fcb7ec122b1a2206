"""The detector's evidence on states that last and come again; parts of ``benchmarks.detection``.

* repeats: the same fault a second time, half an hour to seven days after the first
* long: VUS-PR on generated anomalies that last, repeat and nest, beside five other ways
* recordings: the same on recordings of machines, most of them short
* brief: the same on departures of 1 to 20 points
* peers: slow disks among their peers, healthy arrays, and arrays slow as a whole

All series are generated. Seeds below ``REPORTED`` are for choosing, those from it on for reporting.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import NamedTuple

import numpy as np
from rich.table import Table

from benchmarks.detection.parts import console
from benchmarks.series import fault_series, rivals
from benchmarks.series import peers as arrays
from benchmarks.series.brief import briefs
from benchmarks.series.departures import FORMS, Labelled, corpus
from benchmarks.series.processes import DAY, Floats
from benchmarks.series.recordings import RECORDINGS, recordings
from benchmarks.series.storage_series import healthy
from benchmarks.series.vus import vus_pr
from daemon.simulator.units import METRICS
from reader.detection.detector import Detector
from reader.detection.episodes import Episodes

REPORTED = 1000
FACTORS = (4, 12)  # times the latency
GAPS = (30, 60, 120, 360, DAY, 2 * DAY, 4 * DAY, 7 * DAY)  # minutes between the two
LENGTHS = (10, 60)  # minutes of each
GRACE = 30  # minutes after a fault in which it is still told of
Cell = tuple[bool, int, int, int, int]


def ours(values: Floats) -> Floats:
    """What the detector says of the last hour."""
    detector, found = Detector(), np.zeros(values.size)
    for minute, value in enumerate(values.tolist()):
        detector.update(60.0 * minute, value)
        found[minute] = detector.state
    return found


WAYS: Mapping[str, Callable[[Floats], Floats]] = {
    "Spindle, state": ours,
    "rolling z, a day": rivals.rolling_z,
    "isolation forest": rivals.isolation_forest,
    "left matrix profile": rivals.left_matrix_profile,
    "PCA of hours": rivals.subsequence_pca,
    "k-means of hours": rivals.nearest_mean,
}


@lru_cache(maxsize=2)
def _simulated(seed: int) -> Floats:
    """Latency of the simulator's devices over ten days."""
    return fault_series.healthy(1, 10, seed).values[:, :, METRICS.index("Latency")]


def told_twice(cell: Cell) -> tuple[int, bool, bool, int]:
    """Factor; whether the first and the second fault was told, and what was told besides."""
    simulated, factor, gap, length, seed = cell
    rng = np.random.default_rng([seed, factor, gap, length])
    first, second = 2 * DAY, 2 * DAY + length + gap
    if simulated:
        units = _simulated(seed)
        values = units[: second + length + 200, int(rng.integers(units.shape[1]))].copy()
    else:
        values = healthy("Latency", rng, second + length + 200)
    for start in (first, second):
        values[start : start + length] *= factor
    detector, episodes, begins = Detector(), Episodes("Latency"), []
    for minute, value in enumerate(values.tolist()):
        detector.update(60.0 * minute, value)
        if episodes.take(60.0 * minute, value, detector)[0] is not None:
            begins.append(minute)
    spans = [range(start, start + length + GRACE) for start in (first, second)]
    told = [any(minute in span for minute in begins) for span in spans]
    return factor, told[0], told[1], len(begins) - sum(m in s for m in begins for s in spans)


def repeats(seeds: int = 6) -> None:
    """32 cells of factor, gap and length, some seeds each."""
    seeded = range(REPORTED, REPORTED + seeds)
    cells = [
        (s, f, g, n, k) for k, s, f, g, n in product(seeded, (True, False), FACTORS, GAPS, LENGTHS)
    ]
    with ProcessPoolExecutor() as pool:
        results = list(pool.map(told_twice, cells, chunksize=8))
    table = Table(
        "latency", "minutes", "pairs", "first told", "second told", "of those both", "other"
    )
    for simulated in (True, False):
        of = "simulator" if simulated else "noisy"
        every = {c: r for c, r in zip(cells, results, strict=True) if c[0] == simulated}
        for factor, length in product(FACTORS, LENGTHS):
            rows = [r for c, r in every.items() if (c[1], c[3]) == (factor, length)]
            _repeat_row(table, f"{of}, x {factor}", str(length), rows)
        _repeat_row(table, f"{of}, all", "", [*every.values()])
        table.add_section()
    console.print(table)


def _repeat_row(
    table: Table, name: str, length: str, rows: list[tuple[int, bool, bool, int]]
) -> None:
    again = [second for _, first, second, _ in rows if first]
    table.add_row(
        *(name, length, str(len(rows))),
        f"{np.mean([first for _, first, _, _ in rows]):.3f}",
        f"{np.mean([second for _, _, second, _ in rows]):.3f}",
        f"{np.mean(again):.3f}" if again else "-",
        str(sum(other for *_, other in rows)),
    )


def _areas(labelled: Labelled) -> tuple[str, list[float]]:
    return labelled.name, [vus_pr(way(labelled.values), labelled.labels) for way in WAYS.values()]


def long(seeds: int = 1) -> None:
    """VUS-PR of ours and of five other ways, by form, kind and process."""
    _compare(corpus(range(REPORTED, REPORTED + seeds)), [form.__name__ for form in FORMS])


def recorded(seeds: int = 2) -> None:
    """The same on the recordings of machines."""
    series = recordings(range(REPORTED, REPORTED + seeds))
    _compare(series, [form.__name__ for form in RECORDINGS])


def brief(seeds: int = 2) -> None:
    """The same on departures of 1 to 20 points."""
    _compare(briefs(range(REPORTED, REPORTED + seeds)), [])


def _compare(series: list[Labelled], forms: list[str]) -> None:
    groups: defaultdict[str, list[list[float]]] = defaultdict(list)
    with ProcessPoolExecutor() as pool:
        for name, areas in pool.map(_areas, series, chunksize=4):
            for group in (*name.split(), "all"):
                groups[group].append(areas)
    table = Table(f"{len(series)} series", *WAYS)
    for group in (*forms, *sorted(set(groups) - {*forms, "all"}), "all"):
        means = np.mean(groups[group], axis=0)
        best = "" if means[0] == means.max() else " *"
        table.add_row(group + best, *(f"{area:.3f}" for area in means))
    console.print(table)
    console.print("*: another way is ahead of ours")


@dataclass(frozen=True, slots=True)
class Slowness:
    """Three disks of each array that are slow for some days of so many."""

    name: str
    kind: arrays.Kind
    lasts: tuple[float, float]
    days: int
    erratic: float = 0.0


SLOW = (
    Slowness("1 to 2 days", arrays.healthy, (1.0, 2.0), 7),
    Slowness("4 days", arrays.healthy, (4.0, 4.0), 8),
    Slowness("40 to 70 minutes", arrays.healthy, (0.03, 0.05), 4),
    Slowness("1 to 2 days, erratic", arrays.healthy, (1.0, 2.0), 7, 0.5),
    Slowness("1 to 2 days, working", arrays.working, (1.0, 2.0), 7),
    Slowness("1 to 2 days, working, erratic", arrays.working, (1.0, 2.0), 7, 0.3),
)
WELL: Mapping[str, Callable[[np.random.Generator, int], arrays.Array]] = {
    "healthy": arrays.healthy,
    "working": arrays.working,
    "working, nobody says their load": arrays.without_load,
}


class SlowDisk(NamedTuple):
    """Share of the slow minutes in which it is named; minutes until it is, and until it is not."""

    share: float
    delay: int
    tail: int


class Beside(NamedTuple):
    """Names that are false, and disk-days in health."""

    false: int
    days: float


def _slow(task: tuple[Slowness, int]) -> tuple[list[SlowDisk], Beside]:
    slow, seed = task
    rng = np.random.default_rng([41, seed])
    array = arrays.with_slow_disks(rng, slow.days, slow.lasts, slow.kind, slow.erratic)
    named, found, after = arrays.named(array), [], array.slow.copy()
    for disk in np.flatnonzero(array.slow.any(axis=0)):
        hits, last = named[array.slow[:, disk], disk], int(np.flatnonzero(array.slow[:, disk])[-1])
        delay = int(hits.argmax()) if hits.any() else hits.size
        found.append(SlowDisk(float(hits.mean()), delay, int((~named[last + 1 :, disk]).argmax())))
        after[last : last + 61, disk] = True  # an hour to be well again
    return found, Beside(_beginnings(named & ~after), float((~array.slow).sum() / DAY))


def _well(task: tuple[str, int]) -> Beside:
    kind, seed = task
    array = WELL[kind](np.random.default_rng([43, seed]), 7)
    return Beside(_beginnings(arrays.named(array)), array.values.size / DAY)


def _at_once(seed: int) -> int:
    return _beginnings(arrays.named(arrays.slow_at_once(np.random.default_rng([47, seed]))))


def _beginnings(named: np.typing.NDArray[np.bool_]) -> int:
    return int((named[1:] & ~named[:-1]).sum() + named[0].sum())


def peers(each: int = 20) -> None:
    """Arrays of 12 disks: three of each slow; 1,700 disk-days in health of each kind."""
    seeds = range(REPORTED, REPORTED + each)
    table = Table(
        *("slow for", "disks", "named", "least", ">= 0.95", "after", "90 %", "until well", "90 %"),
        "false",
    )
    with ProcessPoolExecutor() as pool:
        for slow in SLOW:
            _slow_row(table, slow.name, list(pool.map(_slow, [(slow, seed) for seed in seeds])))
        console.print(table)
        for kind in WELL:
            well = list(pool.map(_well, [(kind, seed) for seed in seeds]))
            console.print(f"{kind}: {_false(well)} disk-days")
        at_once = sum(pool.map(_at_once, seeds))
    console.print(f"{each} arrays slow as a whole: {at_once} disks blamed")


def _slow_row(table: Table, name: str, slow: list[tuple[list[SlowDisk], Beside]]) -> None:
    shares, delays, tails = np.array([disk for found, _ in slow for disk in found]).T
    table.add_row(
        *(name, str(shares.size), f"{shares.mean():.3f}", f"{shares.min():.3f}"),
        f"{np.mean(shares >= 0.95):.2f}",
        *(f"{np.percentile(times, p):.0f}" for times in (delays, tails) for p in (50, 90)),
        _false([beside for _, beside in slow]),
    )


def _false(beside: list[Beside]) -> str:
    return f"{sum(b.false for b in beside)} in {sum(b.days for b in beside):,.0f}"
