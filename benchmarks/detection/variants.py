"""How the detector does on what it was not made on: ``python -m benchmarks.detection.variants``.

* variants: the public half of the Numenta benchmark, changed so that its labels still hold:
  every second or third point, pairs averaged, the start or the end left off, noise added,
  values rounded, on other scales
* odd: months of made series with a daily and weekly rhythm and a few odd days in them

Results and their reading: docs/detection-measured.md.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.table import Table

from benchmarks.detection.nab import NAB, scorer
from benchmarks.detection.parts import console, run
from benchmarks.series.storage_series import Floats, Random, correlated
from reader.detection.explanation import ALARM
from reader.detection.rhythm import BINS, DAY, Rhythm
from reader.detection.scoring import scores

Ints = npt.NDArray[np.int64]
Rows = Callable[[int], Ints]
Change = Callable[[Floats, Random], Floats]

START = 1_750_032_000.0  # a Monday, 00:00 UTC
THIRD = 3  # every so many points are kept by the sparsest variant
HEARD = 0.001  # above the threshold that is best for the public half


def _all(points: int) -> Ints:
    return np.arange(points)


def _keep(values: Floats, _: Random) -> Floats:
    return values


def _spread(values: Floats) -> float:
    """Of the middle half; of all where that is a single value."""
    low, high = np.percentile(values, [25, 75])
    return float(high - low) or float(values.std()) or 1.0


def _noisy(share: float) -> Change:
    return lambda v, rng: v + share * _spread(v) * rng.standard_normal(v.size)


def _rounded(share: float) -> Change:
    def rounded(values: Floats, _: Random) -> Floats:
        grain = share * float(np.ptp(values)) or 1.0
        return np.asarray(np.round(values / grain) * grain)

    return rounded


def _averaged(values: Floats, _: Random) -> Floats:
    """Each point with the one before it."""
    return np.asarray((values + np.append(values[:1], values[:-1])) / 2)


VARIANTS: Mapping[str, tuple[Rows, Change]] = {
    "as it is": (_all, _keep),
    "even points": (lambda n: np.arange(0, n, 2), _keep),
    "odd points": (lambda n: np.arange(1, n, 2), _keep),
    "pairs averaged": (lambda n: np.arange(1, n, 2), _averaged),
    "every third point": (lambda n: np.arange(0, n, THIRD), _keep),
    "first 10 % left off": (lambda n: np.arange(n // 10, n), _keep),
    "first 20 % left off": (lambda n: np.arange(n // 5, n), _keep),
    "last 20 % left off": (lambda n: np.arange(n * 4 // 5), _keep),
    "last 40 % left off": (lambda n: np.arange(n * 3 // 5), _keep),
    "noise, 0.5 %": (_all, _noisy(0.005)),
    "noise, 2 %": (_all, _noisy(0.02)),
    "rounded to 0.03 %": (_all, _rounded(0.0003)),
    "rounded to 0.1 %": (_all, _rounded(0.001)),
    "logarithm": (_all, lambda v, _: np.log1p((v - v.min()) / _spread(v))),
    "square root": (_all, lambda v, _: np.sqrt(v - v.min())),
    "square": (_all, lambda v, _: (v - v.min()) ** 2),
}


def variants() -> None:
    """Each variant's score with the threshold best for it, and with that of the unchanged."""
    if not NAB.is_dir():
        console.print(f"The public half is not at {NAB}; this part is left out.")
        return
    nab = scorer()
    corpus = nab.Corpus(NAB / "data", NAB / "windows.json")
    profile = nab.PROFILES["standard"]
    table, threshold, rows = Table("variant", "windows", "own threshold", "carried over"), None, []
    for name, (pick, change) in VARIANTS.items():
        found = _changed(nab, corpus, pick, change)
        if threshold is None:
            threshold = corpus.best_threshold(found, profile)
        figures = corpus.score(found, profile), corpus.score(found, profile, threshold)
        windows = sum(file.windows for file in corpus.files.values())
        table.add_row(name, str(windows), *(f"{figure:.2f}" for figure in figures))
        rows.append(figures)
    table.add_section()
    table.add_row("mean of the changed", "", *(f"{x:.2f}" for x in np.mean(rows[1:], axis=0)))
    console.print(table)


def _changed(nab: ModuleType, corpus: Any, pick: Rows, change: Change) -> dict[str, Floats]:
    """Scores of the changed files; the corpus takes on their labels."""
    found: dict[str, Floats] = {}
    fresh = nab.Corpus(NAB / "data", NAB / "windows.json")
    for number, (name, file) in enumerate(fresh.files.items()):
        with (NAB / "data" / name).open(newline="") as lines:
            values = np.array([float(row["value"]) for row in csv.DictReader(lines)])
        rows = pick(values.size)
        values = change(values, np.random.default_rng([5, number]))[rows]
        times = (file.times.astype("int64") / 1e6)[rows]
        found[name] = np.array(scores(times.tolist(), values.tolist()))
        corpus.files[name] = nab.label(*_relabel(file.window, rows))
    return found


def _relabel(window: Ints, rows: Ints) -> tuple[npt.NDArray[Any], list[list[str]]]:
    """Times and windows of the rows kept, numbered as microseconds: the scorer finds a window by
    the times of its edges. A window that lost an end with the rows left off is none any more."""
    times, edges = np.arange(rows.size).astype("datetime64[us]"), []
    kept = window[rows]
    for number in range(int(window.max(initial=-1)) + 1):
        whole, left = np.flatnonzero(window == number), np.flatnonzero(kept == number)
        if whole[0] >= rows[0] and whole[-1] < rows[-1] + THIRD:
            edges.append([str(times[left[0]]), str(times[left[-1]])])
    return times, edges


def odd_days(rng: Random, days: int) -> tuple[Floats, list[int]]:
    """Half hours with a daily and weekly rhythm, and the days on which it is broken."""
    points = days * BINS
    hour, day = np.arange(points) % BINS / BINS, np.arange(points) // BINS
    values = np.exp(rng.uniform(0.3, 1.2) * np.sin(2 * np.pi * (hour + rng.uniform())))
    values += rng.uniform(0, 0.5) * np.exp(-(((hour - 0.5) / 0.08) ** 2))
    weekend = values * rng.uniform(0.5, 1.0) + rng.uniform(0, 0.3)
    values = np.where(day % 7 >= 5, weekend, values)
    values *= 1.0 + correlated(rng, points, 0.97, rng.uniform(0.02, 0.08))
    values *= np.exp(rng.normal(0, rng.uniform(0.02, 0.1), points))
    odd = sorted(rng.choice(np.arange(10, days - 1), max(2, days // 30), replace=False).tolist())
    for one in odd:
        _break(values[one * BINS : (one + 1) * BINS], rng)
    if rng.random() < 0.5:  # something odd in the first week, when nobody knows what is odd
        values[4 * BINS : 5 * BINS] *= rng.uniform(0.4, 2.0)
    return values, odd


def _break(day: Floats, rng: Random) -> None:
    kind = rng.integers(4)
    if kind == 0:
        day *= rng.uniform(0.5, 0.75)  # a holiday
    elif kind == 1:
        day[:] = day.mean() + 0.3 * (day - day.mean())  # flat
    elif kind == 2:
        start = rng.integers(0, BINS // 2)
        day[start : start + BINS // 2] *= rng.uniform(1.3, 1.8)  # twelve busy hours
    else:
        day[:] = np.roll(day, rng.integers(8, 40))  # at other hours


def odd(each: int = 40) -> None:
    """Odd days heard by the rhythm view, and days that were not odd."""
    table = Table("days", "odd days", "heard", "precision", "false, 100 days", "alarms", "false")
    for days in (14, 60, 120, 215):
        rng = np.random.default_rng([77, days])
        made = [odd_days(rng, days) for _ in range(each)]
        labelled = sum(len(labels) for _, labels in made)
        cells = []
        for least in (HEARD, ALARM):
            counts = [_heard(values, labels, least) for values, labels in made]
            right, wrong = (sum(count[i] for count in counts) for i in (0, 1))
            cells.append((right, wrong))
        (right, wrong), (alarms, false) = cells
        table.add_row(
            str(days),
            str(labelled),
            f"{right / labelled:.2f}",
            f"{right / max(1, right + wrong):.2f}",
            f"{100 * wrong / (days * each):.2f}",
            f"{alarms / labelled:.2f}",
            str(false),
        )
    console.print(table)


def _heard(values: Floats, labels: list[int], least: float) -> tuple[int, int]:
    """Odd days heard on the day or the next, and other days heard after the first week."""
    update = Rhythm().update
    found = [update(START + DAY / BINS * i, value) for i, value in enumerate(values.tolist())]
    days = set((np.flatnonzero(np.array(found) >= least) // BINS).tolist())
    right = {label for label in labels if {label, label + 1} & days}
    near = {day for label in labels for day in (label, label + 1)}
    return len(right), sum(day >= 7 for day in days - near)


PARTS = {"variants": variants, "odd": odd}

if __name__ == "__main__":
    run(PARTS)
