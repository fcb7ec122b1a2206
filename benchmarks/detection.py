"""The detector's evidence: ``python -m benchmarks.detection [public|faults|healthy|cost ...]``.

* public: the public half of the Numenta benchmark, by its scorer; ablation, held-out figures
* faults: seeded storage faults at the default alarm threshold
* healthy: false alarms of a seeded healthy fleet
* cost: microseconds a point, and a day of 1,000 devices with 4 metrics each
* repeats, long, peers: see ``benchmarks.detection_states``; live: ``benchmarks.simulated_watch``

Results and their reading: docs/detection.md.
"""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.detection_states import long, peers, repeats
from benchmarks.simulated_watch import live
from benchmarks.storage_series import DAY, FAULTS, METRICS, Floats, healthy
from reader.detection.detector import ALARM, NOVELTY, WARM_UP, Detector
from reader.detection.episodes import Episodes
from reader.detection.novelty import Novelty
from reader.detection.rhythm import Rhythm
from reader.detection.stuck import Stuck
from reader.detection.surge import Surge
from tools.score import scores

NAB = Path(__file__).resolve().parents[2] / "shared" / "nab"
MIDNIGHT = 1_750_032_000.0
QUIET = 60  # minutes after which an alarm is a new one
GRACE = 30  # minutes after a fault in which an alarm still belongs to it
SPLITS = 100
VIEWS = ("novelty", "rhythm", "surge", "stuck")

Scores = dict[str, Floats]
console = Console(width=110)


def scorer() -> ModuleType:
    """The benchmark's own scorer, from beside its data."""
    spec = importlib.util.spec_from_file_location("nab_score", NAB / "nab_score.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError(NAB)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def views(times: list[float], values: list[float]) -> dict[str, Floats]:
    """Each view's own scores of a series; their maximum is the detector's (gaps apart)."""
    novelty, rhythm, surge, stuck = Novelty(), Rhythm(), Surge(), Stuck()
    surge.restart(values[0])
    rows = []
    for i, (moment, value) in enumerate(zip(times, values, strict=True)):
        warm = i >= WARM_UP
        far = NOVELTY * novelty.update(value) * warm
        unlike = rhythm.update(moment, value)
        rows.append((far, unlike, surge.update(value, warm), stuck.update(value, warm)))
    return dict(zip(VIEWS, np.array(rows).T, strict=True))


def public() -> None:
    """The public half: the detector, what each view adds, and thresholds from other files."""
    if not NAB.is_dir():
        console.print(f"The public half is not at {NAB}; this part is left out.")
        return
    nab = scorer()
    corpus = nab.Corpus(NAB / "data", NAB / "windows.json")
    series: dict[str, tuple[list[float], list[float]]] = {}
    for name, file in corpus.files.items():
        with (NAB / "data" / name).open(newline="") as lines:
            values = [float(row["value"]) for row in csv.DictReader(lines)]
        series[name] = ((file.times.astype("int64") / 1e6).tolist(), values)
    began = time.process_time()
    whole: Scores = {name: np.array(scores(*s)) for name, s in series.items()}
    spent = time.process_time() - began
    parts = {name: views(*s) for name, s in series.items()}

    table = Table("views", "standard", "low FP", "low FN", "half/half", "by category")
    _row(table, "all (the detector)", nab, corpus, whole)
    for left_out in VIEWS:
        rest = [view for view in VIEWS if view != left_out]
        _row(table, f"without {left_out}", nab, corpus, _largest(parts, rest))
    for view in VIEWS:
        _row(table, f"{view} alone", nab, corpus, _largest(parts, [view]))
    console.print(table)
    points = sum(len(times) for times, _ in series.values())
    console.print(f"{points} points, {spent / points * 1e6:.1f} microseconds a point")
    _at_alarm(corpus, whole)


def _largest(parts: dict[str, dict[str, Floats]], chosen: list[str]) -> Scores:
    return {n: np.max([p[view] for view in chosen], axis=0) for n, p in parts.items()}


def _row(table: Table, label: str, nab: ModuleType, corpus: Any, found: Scores) -> None:
    """Scores with the threshold optimised on all files, and with one from other files."""
    whole = [corpus.score(found, p) for p in nab.PROFILES.values()]
    halves, categories = held_out(nab, corpus, found)
    table.add_row(label, *(f"{x:.2f}" for x in (*whole, halves, categories)))


def held_out(nab: ModuleType, corpus: Any, found: Scores) -> tuple[float, float]:
    """Standard score with the threshold of one half of the files, on the other half (mean of
    random halves); and of the other categories, on each category (pooled)."""
    profile, names = nab.PROFILES["standard"], sorted(found)
    files = corpus.files
    events = [nab.events(files[n], found[n], profile) for n in names]
    grid = np.unique(np.concatenate([e.score for e in events]))[::-1][:4000]
    grid = np.append(np.inf, grid)
    gains = []  # of each file, at each threshold
    for event in events:
        order = np.argsort(-event.score, kind="stable")
        sums = np.append(0.0, np.cumsum(event.delta[order]))
        gains.append(sums[np.searchsorted(-event.score[order], -grid, side="right")])
    gain, worth = np.array(gains), np.array([2.0 * files[n].windows for n in names])
    rng, halves = np.random.default_rng(7), []
    for _ in range(SPLITS):
        mixed = rng.permutation(len(names))
        for tuned, scored in pairwise((mixed[:14], mixed[14:], mixed[:14])):
            at = gain[tuned].sum(axis=0).argmax()
            halves.append(100.0 * gain[scored, at].sum() / worth[scored].sum())
    pooled = 0.0
    category = np.array([n.split("/")[0] for n in names])
    for one in np.unique(category):
        at = gain[category != one].sum(axis=0).argmax()
        pooled += gain[category == one, at].sum()
    return float(np.mean(halves)), float(100.0 * pooled / worth.sum())


def _at_alarm(corpus: Any, found: Scores) -> None:
    hit = windows = outside = 0
    for name, file in corpus.files.items():
        alarm = (found[name] >= ALARM) & file.scored
        windows += file.windows
        hit += sum(bool((alarm & (file.window == w)).any()) for w in range(file.windows))
        outside += int((alarm & (file.window < 0)).sum())
    console.print(f"At {ALARM}: {hit} of {windows} windows, {outside} alarm rows outside a window")


def told(metric: str, values: Floats) -> list[int]:
    """Minute of each anomaly that begins in a series."""
    detector, episodes, found = Detector(), Episodes(metric), []
    for minute, value in enumerate(values.tolist()):
        detector.update(MIDNIGHT + 60.0 * minute, value)
        began, _ = episodes.take(MIDNIGHT + 60.0 * minute, value, detector)
        if began is not None:
            found.append(minute)
    return found


def one_fault(task: tuple[str, int]) -> tuple[str, int | None, int]:
    """A device with one fault: delay of its alarm in minutes (None: missed), other alarms."""
    name, number = task
    metric, fault, length = FAULTS[name]
    rng = np.random.default_rng([9, number, list(FAULTS).index(name)])
    values = healthy(metric, rng, 3 * DAY)
    start = int(rng.integers(3 * DAY // 2, 5 * DAY // 2))
    values[start : start + length] = fault(values[start : start + length], rng)
    found = told(metric, values)
    meant = [m for m in found if start <= m < start + length + GRACE]
    return name, meant[0] - start if meant else None, groups(sorted({*found} - {*meant}))


def groups(minutes: list[int]) -> int:
    """Alarms, those within an hour of each other counted once."""
    return sum(b - a > QUIET for a, b in pairwise((-DAY, *minutes)))


def faults(each: int = 100) -> None:
    """Recall, precision and delay of each labelled fault."""
    table = Table("fault", "recall", "precision", "median delay", "90 % within")
    tasks = [(name, number) for name in FAULTS for number in range(each)]
    with ProcessPoolExecutor() as pool:
        results = list(pool.map(one_fault, tasks, chunksize=10))
    pooled: list[tuple[str, int | None, int]] = []
    for name in FAULTS:
        rows = [r for r in results if r[0] == name]
        _fault_row(table, name, rows)
        pooled += rows if name != "fail_slow" else []
    _fault_row(table, "all but fail_slow", pooled)
    console.print(table)


def _fault_row(table: Table, name: str, rows: list[tuple[str, int | None, int]]) -> None:
    delays = [delay for _, delay, _ in rows if delay is not None]
    others = sum(other for _, _, other in rows)
    precision = len(delays) / (len(delays) + others) if delays else 0.0
    median, late = np.percentile(delays, [50, 90]) if delays else (np.nan, np.nan)
    cells = (len(delays) / len(rows), precision)
    table.add_row(name, *(f"{c:.3f}" for c in cells), f"{median:.0f}", f"{late:.0f}")


def false_alarms(task: tuple[str, int, int]) -> tuple[str, int]:
    metric, number, days = task
    rng = np.random.default_rng([21, number, METRICS.index(metric)])
    return metric, groups(told(metric, healthy(metric, rng, days * DAY)))


def healthy_fleet(devices: int = 150, days: int = 7) -> None:
    """False alarms of a healthy fleet; a device has four metrics."""
    tasks = [(metric, number, days) for metric in METRICS for number in range(devices)]
    with ProcessPoolExecutor() as pool:
        results = list(pool.map(false_alarms, tasks, chunksize=10))
    counts = {metric: sum(n for m, n in results if m == metric) for metric in METRICS}
    console.print(f"{devices * days} device-days, false alarms: {json.dumps(counts)}")
    console.print(f"{sum(counts.values()) / (devices * days) * 1000:.2f} in 1,000 device-days")


def _score_many(values: list[list[float]]) -> float:
    times = [MIDNIGHT + 60.0 * minute for minute in range(DAY)]
    return sum(max(scores(times, series)) for series in values)


def cost() -> None:
    """Microseconds a point of each metric, and a day of 1,000 devices x 4 metrics."""
    rng = np.random.default_rng(3)
    for metric in METRICS:
        values = healthy(metric, rng, 14 * DAY).tolist()
        times = [MIDNIGHT + 60.0 * minute for minute in range(14 * DAY)]
        began = time.process_time()
        scores(times, values)
        spent = (time.process_time() - began) / len(values)
        console.print(f"{metric}: {spent * 1e6:.1f} microseconds a point (CPU time)")
    fleet = [healthy(METRICS[i % 4], rng, DAY).tolist() for i in range(40)]
    began = time.perf_counter()
    with ProcessPoolExecutor() as pool:
        list(pool.map(_score_many, [fleet] * 100))
    spent = time.perf_counter() - began
    cores = os.cpu_count()
    console.print(f"4,000 series x {DAY} points: {spent:.1f} s in {cores} processes")


PARTS = {
    "public": public,
    "faults": faults,
    "healthy": healthy_fleet,
    "cost": cost,
    "repeats": repeats,
    "long": long,
    "peers": peers,
    "live": live,
}

if __name__ == "__main__":
    for part in sys.argv[1:] or PARTS:
        if part not in PARTS:
            sys.exit(f"There is no part {part}; there are {', '.join(PARTS)}.")
        console.rule(part)
        PARTS[part]()
