"""The detector's evidence on states that last and come again; parts of ``benchmarks.detection``.

* repeats: the same fault a second time, half an hour to seven days after the first
* long: VUS-PR on generated anomalies that last, repeat and nest, beside five other ways
* recordings: the same on recordings of machines, most of them short
* peers: slow disks among their peers, healthy arrays, and arrays slow as a whole

All series are generated. Seeds below ``REPORTED`` are for choosing, those from it on for reporting.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from itertools import product

import numpy as np
from rich.table import Table

from benchmarks.detection.parts import console
from benchmarks.series import fault_series, rivals
from benchmarks.series import peers as arrays
from benchmarks.series.departures import FORMS, Labelled, corpus
from benchmarks.series.processes import DAY, Floats
from benchmarks.series.recordings import RECORDINGS, recordings
from benchmarks.series.storage_series import healthy
from benchmarks.series.vus import vus_pr
from daemon.simulator.fleet import METRICS
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


LASTS = {(1.0, 2.0): 7, (4.0, 4.0): 8}  # days for which a disk is slow, and of the whole
Slow = tuple[list[tuple[float, int]], int, float]


def _slow(task: tuple[tuple[float, float], int]) -> Slow:
    """Of each slow disk the share of minutes it is named in, and minutes until it is; false names;
    disk-days in health."""
    lasts, seed = task
    array = arrays.with_slow_disks(np.random.default_rng([41, seed]), LASTS[lasts], lasts)
    named, found = arrays.named(array), []
    for disk in np.flatnonzero(array.slow.any(axis=0)):
        hits = named[array.slow[:, disk], disk]
        found.append((float(hits.mean()), int(hits.argmax()) if hits.any() else hits.size))
    after = np.roll(array.slow, 60, axis=0) | array.slow  # an hour to be well again
    false = named & ~after
    return found, _beginnings(false), float((~array.slow).sum() / DAY)


def _well(seed: int) -> tuple[int, float]:
    array = arrays.healthy(np.random.default_rng([43, seed]), 7)
    return _beginnings(arrays.named(array)), array.values.size / DAY


def _at_once(seed: int) -> int:
    return _beginnings(arrays.named(arrays.slow_at_once(np.random.default_rng([47, seed]))))


def _beginnings(named: np.typing.NDArray[np.bool_]) -> int:
    return int((named[1:] & ~named[:-1]).sum() + named[0].sum())


def peers(each: int = 20) -> None:
    """Arrays of 12 disks: three of each slow for days; 1,700 disk-days in health."""
    seeds = range(REPORTED, REPORTED + each)
    with ProcessPoolExecutor() as pool:
        for lasts in LASTS:
            _print_slow(lasts, list(pool.map(_slow, [(lasts, seed) for seed in seeds])))
        well, at_once = list(pool.map(_well, seeds)), sum(pool.map(_at_once, seeds))
    console.print(
        f"healthy: {sum(n for n, _ in well)} false in {sum(d for _, d in well):.0f} disk-days"
    )
    console.print(f"{each} arrays slow as a whole: {at_once} disks blamed")


def _print_slow(lasts: tuple[float, float], slow: list[Slow]) -> None:
    disks = [disk for found, _, _ in slow for disk in found]
    shares, delays = np.array([share for share, _ in disks]), [delay for _, delay in disks]
    console.print(
        f"{len(disks)} disks slow for {lasts[0]:g} to {lasts[1]:g} days: named in "
        f"{shares.mean():.3f} of the minutes (least "
        f"{shares.min():.3f}, {np.mean(shares >= 0.95):.2f} of them in 0.95 or more), after "
        f"{np.median(delays):.0f} min (90 % within {np.percentile(delays, 90):.0f}); beside them "
        f"{sum(false for _, false, _ in slow)} false names in "
        f"{sum(days for _, _, days in slow):.0f} disk-days"
    )
