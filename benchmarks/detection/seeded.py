"""Seeded series of storage metrics: faults found, false alarms of the healthy, cost of a point."""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise

import numpy as np
from rich.table import Table

from benchmarks.detection.parts import console
from benchmarks.series.storage_series import DAY, FAULTS, METRICS, Floats, healthy
from reader.detection.detector import Detector
from reader.detection.episodes import Episodes
from reader.detection.scoring import scores

MIDNIGHT = 1_750_032_000.0
QUIET = 60  # minutes after which an alarm is a new one
GRACE = 30  # minutes after a fault in which an alarm still belongs to it


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
