"""The public half of the Numenta benchmark, and files generated like it, by its scorer.

* public: the detector, what each view adds, thresholds from other files
* carried: the same with the public half's threshold on generated files (``labelled_files``), of
  which seeds below ``REPORTED`` are for choosing
"""

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
from benchmarks.series.labelled_files import BEYOND, WITHIN, LabelledFile
from benchmarks.series.labelled_files import corpus as generated
from benchmarks.series.storage_series import Floats
from reader.detection.detector import NOVELTY, WARM_UP, Detector
from reader.detection.explanation import ALARM
from reader.detection.scoring import scores

NAB = Path(__file__).resolve().parents[3] / "shared" / "nab"
SPLITS = 100
VIEWS = ("novelty", "rhythm", "news", "surge", "stuck")
REPORTED = 1000

ABLATION: dict[str, list[str]] = {
    **{f"without {one}": [view for view in VIEWS if view != one] for one in VIEWS},
    **{f"{one} alone": [one] for one in VIEWS},
}

Scores = dict[str, Floats]
Series = dict[str, tuple[list[float], list[float]]]


def scorer() -> ModuleType:
    """The benchmark's own scorer, from beside its data."""
    spec = importlib.util.spec_from_file_location("nab_score", NAB / "nab_score.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError(NAB)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


class _Heard:
    """A view of a detector, and what it said of the last point."""

    def __init__(self, view: Any) -> None:
        self.view, self.said = view, 0.0

    def update(self, *given: Any) -> float:
        self.said = self.view.update(*given)
        return self.said

    def __getattr__(self, name: str) -> Any:
        return getattr(self.view, name)


def views(times: list[float], values: list[float]) -> dict[str, Floats]:
    """Each view's own scores of a series; their maximum is the detector's."""
    detector = Detector()
    heard = {name: _Heard(getattr(detector, name)) for name in VIEWS}
    for name, view in heard.items():
        setattr(detector, name, view)
    rows = np.zeros((len(values), len(VIEWS)))
    for row, moment, value in zip(rows, times, values, strict=True):
        heard["news"].said = 0.0  # it is not asked at every point
        detector.update(moment, value)
        row[:] = [view.said for view in heard.values()]
    found = dict(zip(VIEWS, rows.T, strict=True))
    found["novelty"] *= NOVELTY
    found["novelty"][:WARM_UP] = 0.0
    return found


def public() -> None:
    """The public half: the detector, what each view adds, and thresholds from other files."""
    if not NAB.is_dir():
        console.print(f"The public half is not at {NAB}; this part is left out.")
        return
    nab = scorer()
    corpus, series = _public_half(nab)
    began = time.process_time()
    whole: Scores = {name: np.array(scores(*s)) for name, s in series.items()}
    spent = time.process_time() - began
    parts = {name: views(*s) for name, s in series.items()}

    table = Table("views", "standard", "low FP", "low FN", "half/half", "by category")
    _row(table, "all (the detector)", nab, corpus, whole)
    for label, chosen in ABLATION.items():
        _row(table, label, nab, corpus, _largest(parts, chosen))
    console.print(table)
    points = sum(len(times) for times, _ in series.values())
    console.print(f"{points} points, {spent / points * 1e6:.1f} microseconds a point")
    _at_alarm(corpus, whole)


def _public_half(nab: ModuleType) -> tuple[Any, Series]:
    corpus, series = nab.Corpus(NAB / "data", NAB / "windows.json"), Series()
    for name, file in corpus.files.items():
        with (NAB / "data" / name).open(newline="") as lines:
            values = [float(row["value"]) for row in csv.DictReader(lines)]
        series[name] = ((file.times.astype("int64") / 1e6).tolist(), values)
    return corpus, series


def made(nab: ModuleType, files: list[LabelledFile]) -> tuple[Any, Series]:
    """Generated files as the scorer takes them: it finds a window by the times of its edges, which
    are row numbers here."""
    corpus = nab.Corpus(NAB / "data", NAB / "windows.json", [])
    for file in files:
        rows = np.arange(file.values.size).astype("datetime64[us]")
        edges = [[str(rows[first]), str(rows[last])] for first, last in file.windows]
        corpus.files[file.name] = nab.label(rows, edges)
    return corpus, {file.name: (file.times.tolist(), file.values.tolist()) for file in files}


def carried(seeds: int = 12) -> None:
    """Thresholds carried over: to the public half's other files, and from it to generated files."""
    if not NAB.is_dir():
        console.print(f"The public half is not at {NAB}; this part is left out.")
        return
    nab, files = scorer(), generated(range(REPORTED, REPORTED + seeds))
    (public_half, ours), (corpus, theirs) = _public_half(nab), made(nab, files)
    known = {name: views(*s) for name, s in ours.items()}
    unseen = {name: views(*s) for name, s in theirs.items()}
    table = Table(
        "views", "public", "half/half", "by category", "generated, carried", "generated, own"
    )
    profile = nab.PROFILES["standard"]
    for label, chosen in {"all (the detector)": [*VIEWS], **ABLATION}.items():
        found, other = _largest(known, chosen), _largest(unseen, chosen)
        threshold = public_half.best_threshold(found, profile)
        figures = (
            *(public_half.score(found, profile), *held_out(nab, public_half, found)),
            *(corpus.score(other, profile, threshold), corpus.score(other, profile)),
        )
        table.add_row(label, *(f"{x:.2f}" for x in figures))
    console.print(table)
    whole = [*VIEWS]
    threshold = public_half.best_threshold(_largest(known, whole), profile)
    _by_fault(corpus, files, _largest(unseen, whole), threshold)


def _by_fault(corpus: Any, files: list[LabelledFile], found: Scores, threshold: float) -> None:
    """The share of each fault's windows with an alarm in them."""
    hits: dict[str, list[bool]] = {fault: [] for fault in (*BEYOND, *WITHIN)}
    outside = 0
    for file in files:
        labels = corpus.files[file.name]
        alarm = (found[file.name] >= threshold) & labels.scored
        outside += int((alarm & (labels.window < 0)).sum())
        for number, fault in enumerate(file.faults):
            hits[fault].append(bool((alarm & (labels.window == number)).any()))
    cells = (f"{fault} {np.mean(each):.2f} of {len(each)}" for fault, each in hits.items() if each)
    console.print(f"At the threshold carried over: {', '.join(cells)}; {outside} rows outside")


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
