"""The public half of the Numenta benchmark: the detector by its scorer, ablation, held-out."""

from __future__ import annotations

import csv
import importlib.util
import sys
import time
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from rich.table import Table

from benchmarks.detection.parts import console
from benchmarks.series.storage_series import Floats
from reader.detection.detector import ALARM, NOVELTY, WARM_UP
from reader.detection.novelty import Novelty
from reader.detection.rhythm import Rhythm
from reader.detection.scoring import scores
from reader.detection.stuck import Stuck
from reader.detection.surge import Surge

NAB = Path(__file__).resolve().parents[3] / "shared" / "nab"
SPLITS = 100
VIEWS = ("novelty", "rhythm", "surge", "stuck")

Scores = dict[str, Floats]


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
