"""A forecast reads one reading of each step: as good as the mean of all, and how much faster?"""

from __future__ import annotations

import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Group
from rich.table import Table

from benchmarks.forecast.back_test import SEED, judge
from benchmarks.forecast.cases import KINDS, Case, simulated
from benchmarks.series.storage_series import Floats, correlated
from reader.forecasting.capacity import Samples, readings
from reader.lookups.stored.capacity_past import Stretch, stretches
from spindle.settings import Settings, load
from spindle.store.base import Bucket, Latest, Selection, Series, Store
from spindle.store.registry import open_store
from spindle.timestamps import NS
from tests import servers

PASTS = ("7 d", "28 d", "90 d")
MINUTES = 10  # between two readings of the back-test
WEEK, MINUTE = 7 * 86_400, 60  # of the measurement of time, in seconds
_NAME = ("DiskUnit", "Growth", "disk", "array")  # not in per cent: it goes on past 100
Tick = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Quality:
    """How forecasts of one length of past hold, by what they saw of each step."""

    past: str
    seen: str
    values: int
    in_80: float
    width: float
    error: float
    days: int
    days_in_80: float

    def line(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds to read a week of a fleet, median of three."""

    store: str
    devices: int
    readings: int
    samples: float
    means: float

    def line(self) -> str:
        return json.dumps(asdict(self))


def quality(series: int, tick: Tick) -> Iterator[Quality]:
    """Every process, ``series`` of each and of each length of past."""
    found: dict[tuple[str, str], tuple[list[float], ...]] = {}
    for kind in KINDS:
        by_past = simulated(kind, series, SEED)
        for past in PASTS:
            cases = [_dense(case, number) for number, case in enumerate(by_past[past])]
            for seen, see in (("sample", _sampled), ("mean", _averaged)):
                outcomes, dated = judge(cases, see)
                inside, width, error, days = found.setdefault((past, seen), ([], [], [], []))
                change = float(np.mean([each.change for each in outcomes]))
                inside += [float(each.inside) for each in outcomes]
                width += [each.width / change for each in outcomes]
                error += [each.error / change for each in outcomes]
                days += [float(not (d.before or d.after)) for d in dated if not d.open]
            tick()
    for (past, seen), (inside, width, error, days) in found.items():
        yield Quality(
            past, seen, len(inside), round(float(np.mean(inside)), 4),
            round(float(np.median(width)), 3), round(float(np.mean(error)), 3),
            len(days), round(float(np.mean(days)), 4),
        )  # fmt: skip


def _dense(case: Case, number: int) -> Case:
    """The same growth read every ten minutes, with a day's rhythm, files that come and go within
    hours, and noise, each of up to a day's growth: what a mean takes out and a sample does not."""
    rng = np.random.default_rng([SEED, number])
    times = np.arange(case.times[0], case.times[-1], 60.0 * MINUTES)
    level = np.interp(times, case.times, case.level)
    days = (times[-1] - times[0]) / 86_400
    day, files, noise = rng.uniform(0.0, float(np.ptp(level)) / days, 3)
    values = np.interp(times, case.times, case.values)
    values += day * np.sin(2.0 * np.pi * times / 86_400 + rng.uniform(0, 6))
    values += correlated(rng, times.size, 1.0 - 1.0 / rng.uniform(6, 36), files)
    return Case(times, values + rng.normal(0.0, noise, times.size), level, case.now, case.horizons)


def _parts(case: Case) -> Iterator[tuple[Stretch, Floats, Floats]]:
    """Stretches that the reader asks for, with their readings."""
    for stretch in stretches(int(case.now * NS), int(case.times[0] * NS), 1):
        there = (case.times >= stretch.begin / NS) & (case.times < stretch.end / NS)
        if there.any():
            yield stretch, case.times[there], case.values[there]


def _sampled(case: Case) -> tuple[Floats, Floats]:
    """What the reader makes of the samples of a store."""
    spans = []
    for stretch, times, values in _parts(case):
        length = stretch.step / NS
        begins, first = np.unique(times // length * length, return_index=True)
        pairs = zip(begins.tolist(), values[first].tolist(), strict=True)
        steps = [Bucket(*_NAME, int(begin) * NS, v, v, v, 1) for begin, v in pairs]
        spans.append(Samples(steps, stretch.begin / NS, length))
    last = int(np.flatnonzero(case.times <= case.now)[-1])
    newest = Latest(*_NAME, int(case.times[last] * NS), float(case.values[last]))
    (found,) = readings([newest], spans).values()
    return found


def _averaged(case: Case) -> tuple[Floats, Floats]:
    """The mean of each step's readings, in its middle."""
    parts: list[tuple[Floats, Floats]] = []
    for stretch, times, values in _parts(case):
        length = stretch.step / NS
        begins, place = np.unique(times // length * length, return_inverse=True)
        means = np.bincount(place, values) / np.bincount(place)
        parts.append((np.minimum(begins + length / 2, case.now), means))
    return np.concatenate([at for at, _ in parts]), np.concatenate([v for _, v in parts])


async def speed(stores: list[str], devices: int, tick: Tick) -> list[Took]:
    """A fleet at one reading a minute."""
    took = []
    with tempfile.TemporaryDirectory(prefix="spindle-bench-") as scratch:
        folder = Path(scratch)
        for name in stores:
            if name == "sqlite":
                took.append(await _took(name, f"sqlite:///{folder}/week.db", devices, tick))
                continue
            with servers.running(servers.influxd(folder / "influxd")) as server:
                url = f"influxdb://127.0.0.1:{server.port}/week"
                took.append(await _took(name, url, devices, tick))
    return took


async def _took(name: str, url: str, devices: int, tick: Tick) -> Took:
    store = open_store(
        load(Settings, store_url=url, retention_hours=0, store_timeout_seconds=120), writing=True
    )
    await store.prepare()
    now = time.time_ns()
    for device in range(devices):
        series, rng = Series(*_NAME[:2], f"disk-{device}", "array"), random.Random(device)
        ages = range(0, WEEK, MINUTE)
        await store.write_points(
            [(series, now - age * NS, 50.0 - age / WEEK + rng.gauss(0.0, 0.1)) for age in ages]
        )
        tick()
    sampled, averaged = [], []
    for _ in range(3):
        sampled.append(await _seconds(store, now, sampled=True))
        averaged.append(await _seconds(store, now, sampled=False))
    await store.close()
    count = devices * WEEK // MINUTE
    middle = statistics.median
    return Took(name, devices, count, round(middle(sampled), 2), round(middle(averaged), 2))


async def _seconds(store: Store, now: int, *, sampled: bool) -> float:
    began, which = time.perf_counter(), Selection(metric_type=_NAME[1])
    await store.latest(which, now - WEEK * NS)
    for begin, end, step in stretches(now, now - WEEK * NS, 1):
        await store.series(which, begin, end, step, 1_000_000, sampled=sampled)
    return time.perf_counter() - began


def tables(good: list[Quality], took: list[Took]) -> Group:
    """For people."""
    names = ("past", "seen of a step", "values", "in 80 %", "width", "error", "days", "in 80 %")
    first = Table(*names, title="Do forecasts of samples hold?")
    for each in good:
        first.add_row(
            each.past, each.seen, str(each.values), f"{100 * each.in_80:.1f}", f"{each.width:.2f}",
            f"{each.error:.2f}", str(each.days), f"{100 * each.days_in_80:.1f}",
        )  # fmt: skip
    second = Table("store", "devices", "readings", "samples", "means", title="Seconds to read")
    for row in took:
        second.add_row(
            row.store, str(row.devices), f"{row.readings:,}", f"{row.samples:.2f}",
            f"{row.means:.2f}",
        )  # fmt: skip
    return Group(first, second)
