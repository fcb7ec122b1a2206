"""Do the 80 % intervals hold 80 % of what comes? Back-tests on simulated and public series.

Each case is a series cut off at an origin: the forecast sees what was before it, and is held
against what came after. Nothing of a case is used to set anything.
"""

from __future__ import annotations

import csv
import importlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.table import Table

from benchmarks.growth_series import PER_DAY, PROCESSES, with_deletion
from benchmarks.storage_series import Floats
from reader.forecast import Forecast, forecasts
from reader.forecasting.history import DAY, REACH

NAB = Path(__file__).resolve().parents[1].parent / "shared" / "nab"
PASTS = (7, 14, 28, 90)  # days
HORIZONS = (7.0, 30.0, 90.0)
NOW = 1_800_000_000.0
SEED = 91_003  # not one of those looked at while the models were set
_SERIES = 60  # of a process and length of past, in one call
_SPEED = 1000  # devices of the measurement of time


@dataclass(frozen=True, slots=True)
class Case:
    """A series around an origin.

    :ivar times: seconds, with ``values`` before the origin ``now`` and after it.
    """

    times: Floats
    values: Floats
    now: float
    horizons: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One value foretold and seen; ``slope`` and ``line`` are what simple ways foretold."""

    horizon: float
    inside: bool
    width: float
    change: float
    error: float
    slope: float
    line: float
    still: float


@dataclass(frozen=True, slots=True)
class Dated:
    """One level whose day was foretold; ``inside`` when it came in the interval."""

    inside: bool


@dataclass(frozen=True, slots=True)
class Result:
    """One row: cases of one kind. Errors are means in parts of the mean change."""

    group: str
    kind: str
    past: str
    horizon: str
    cases: int
    coverage: float
    width: float
    error: float
    last_week: float
    least_squares: float
    no_growth: float

    def line(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class Days:
    """Coverage of the days until a level, where a day was named."""

    group: str
    kind: str
    cases: int
    coverage: float

    def line(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class Speed:
    """Seconds for the forecasts of so many devices, and how long a processor was busy with them."""

    devices: int
    seconds: float
    processor: float

    def line(self) -> str:
        return json.dumps(asdict(self))


Line = Result | Days | Speed
Tick = Callable[[], None]


def run(series: int, tick: Tick = lambda: None) -> tuple[list[Line], list[str]]:
    """Every back-test; and why one was left out.

    :param series: of each simulated kind and length of past.
    """
    lines: list[Line] = []
    notes: list[str] = []
    for kind in (*PROCESSES, "deletion"):
        lines += _judged("simulated", kind, simulated(kind, series), tick)
    for group, cases, note in (("public", public(), MISSING), ("statsmodels", installed(), ABSENT)):
        if cases:
            for kind, some in cases.items():
                lines += _judged(group, kind, {"any": some}, tick)
        else:
            notes.append(note)
    lines += _all(lines)
    lines.append(speed())
    return lines, notes


def simulated(kind: str, series: int) -> dict[str, list[Case]]:
    """Cases of one process by length of past."""
    found: dict[str, list[Case]] = {}
    names = [*PROCESSES, "deletion"]
    for past in PASTS:
        horizons = tuple(h for h in HORIZONS if h <= REACH * past)
        points, known = int((past + 90) * PER_DAY) + 1, past * PER_DAY
        times = NOW + (np.arange(points) - known + 0.5) * DAY / PER_DAY
        cases = []
        for number in range(series):
            rng = np.random.default_rng([SEED, names.index(kind), past, number])
            growth = PROCESSES["linear" if kind == "deletion" else kind]
            values = growth(rng, points)
            if kind == "deletion":
                values = with_deletion(values, known, rng)
            cases.append(Case(times, values, NOW, horizons))
        found[f"{past} d"] = cases
    return found


MISSING = f"The public series are not at {NAB.name} beside this folder; that part is left out."
ABSENT = "statsmodels is not installed, whose data sets are a further check; that part is left out."

#: Rates whose sums are counters: bytes, messages, passengers, requests.
RATES = (
    "realAWSCloudwatch/ec2_disk_write_bytes_c0d644",
    "realAWSCloudwatch/ec2_network_in_5abac7",
    "realAWSCloudwatch/grok_asg_anomaly",
    "realAWSCloudwatch/rds_cpu_utilization_cc0c53",
    "realAdExchange/exchange-2_cpc_results",
    "realAdExchange/exchange-3_cpc_results",
    "realAdExchange/exchange-4_cpc_results",
    "realKnownCause/nyc_taxi",
    "realKnownCause/ec2_request_latency_system_failure",
    "realTraffic/occupancy_t4013",
    "realTweets/Twitter_volume_AAPL",
    "realTweets/Twitter_volume_CRM",
    "realTweets/Twitter_volume_FB",
    "realTweets/Twitter_volume_IBM",
    "realTweets/Twitter_volume_PFE",
)


def public() -> dict[str, list[Case]]:
    """Counters made of public rates; empty where they are not."""
    found: dict[str, list[Case]] = {}
    if not NAB.is_dir():
        return found
    for name in RATES:
        with (NAB / "data" / f"{name}.csv").open(newline="") as lines:
            rows = list(csv.DictReader(lines))
        stamps = np.array([row["timestamp"] for row in rows], dtype="datetime64[s]")
        rates = np.array([float(row["value"]) for row in rows])
        times, first = np.unique(stamps.astype(np.int64), return_index=True)
        found[name.split("/")[1]] = list(rolling(times.astype(np.float64), np.cumsum(rates[first])))
    return found


def rolling(times: Floats, values: Floats) -> Iterator[Case]:
    """Origins a day apart; as far ahead as a quarter, a half and the whole of the past."""
    days = int((times[-1] - times[0]) / DAY)
    for past in range(3, days):
        now = float(times[0]) + past * DAY
        horizons = tuple(past * part for part in (0.25, 0.5, 1.0) if past * (1 + part) < days)
        if horizons:
            yield Case(times, values, now, horizons)


def installed() -> dict[str, list[Case]]:
    """Data sets of statsmodels, a step taken for a day: time has no unit for the forecast."""
    try:
        sets = importlib.import_module("statsmodels.datasets")
    except ImportError:
        return {}
    co2 = sets.co2.load_pandas().data["co2"].interpolate().to_numpy(float)
    counters = {
        "co2 (level)": co2,
        "nile (sum)": np.cumsum(sets.nile.load_pandas().data["volume"].to_numpy(float)),
        "sunspots (sum)": np.cumsum(
            sets.sunspots.load_pandas().data["SUNACTIVITY"].to_numpy(float)
        ),
        "macrodata (gdp)": sets.macrodata.load_pandas().data["realgdp"].to_numpy(float),
        "macrodata (cpi)": sets.macrodata.load_pandas().data["cpi"].to_numpy(float),
    }
    return {name: list(_stepwise(values)) for name, values in counters.items()}


def _stepwise(values: Floats) -> Iterator[Case]:
    times: Floats = NOW + (np.arange(values.size, dtype=np.float64) + 0.5) * DAY
    for past in (30, 60, 90):
        for origin in range(past, values.size - 30, 15):
            horizons = tuple(h for h in (7.0, 30.0, 90.0) if origin + h < values.size)
            part = slice(origin - past, origin + 91)
            yield Case(times[part], values[part], NOW + origin * DAY, horizons)


def _judged(group: str, kind: str, pasts: dict[str, list[Case]], tick: Tick) -> Iterator[Line]:
    dated: list[Dated] = []
    for past, cases in pasts.items():
        outcomes: list[Outcome] = []
        for start in range(0, len(cases), _SERIES):
            some, days = judge(cases[start : start + _SERIES])
            outcomes += some
            dated += days
        tick()
        if group == "simulated":
            for horizon in dict.fromkeys(each.horizon for each in outcomes):
                those = [each for each in outcomes if each.horizon == horizon]
                yield _result(group, kind, past, f"{horizon:g} d", those)
        elif outcomes:
            yield _result(group, kind, past, "any", outcomes)
    if dated:
        inside = [each.inside for each in dated]
        yield Days(group, kind, len(inside), float(np.mean(inside)))


def judge(cases: Sequence[Case]) -> tuple[list[Outcome], list[Dated]]:
    """Forecast every case, and hold it against what came."""
    outcomes: list[Outcome] = []
    dated: list[Dated] = []
    for case in cases:
        before = case.times <= case.now
        times, values = case.times[before], case.values[before]
        far = max(case.horizons)
        span = float(values[-1] - values[len(values) // 2])
        levels = [values[-1] + span * part for part in (0.25, 0.5, 1.0)] if span > 0.0 else []
        (found,) = forecasts([(times, values)], case.now, levels, far, case.horizons)
        outcomes += _values(case, found, times, values)
        dated += _dates(case, found, far)
    return outcomes, dated


def _values(case: Case, found: Forecast, times: Floats, values: Floats) -> Iterator[Outcome]:
    week = times > case.now - min(7.0 * DAY, (case.now - times[0]) / 2)
    slope, _ = np.polyfit(times[week] - case.now, values[week], 1)
    line = np.polyfit(times - case.now, values, 1)
    for ahead in found.ahead:
        after = case.now + ahead.days * DAY
        half = (found.every or 0.0) / 2  # what is foretold is the mean of a step
        there = np.abs(case.times - after) <= half
        actual = float(
            case.values[there].mean() if there.any() else np.interp(after, case.times, case.values)
        )
        yield Outcome(
            ahead.days,
            ahead.low <= actual <= ahead.high,
            ahead.high - ahead.low,
            abs(actual - values[-1]),
            abs(actual - ahead.value),
            abs(actual - values[-1] - slope * (after - case.now)),
            abs(actual - float(np.polyval(line, after - case.now))),
            abs(actual - values[-1]),
        )


def _dates(case: Case, found: Forecast, far: float) -> Iterator[Dated]:
    """Levels of which the forecast names a day."""
    smooth = running_median(case.times, case.values)
    coming = (case.times > case.now) & (case.times <= case.now + far * DAY)
    for crossing in found.crossings:
        if not crossing.days or crossing.earliest is None:
            continue
        above = np.flatnonzero(smooth[coming] >= crossing.level)
        came = np.inf
        if len(above):
            came = (case.times[coming][above[0]] - case.now) / DAY
        step = float(np.median(np.diff(case.times[coming]))) / DAY  # as exact as it can be told
        latest = np.inf if crossing.latest is None else crossing.latest
        yield Dated(crossing.earliest - step <= came <= latest + step)


def running_median(times: Floats, values: Floats) -> Floats:
    """Over a week: what rises all the time it leaves as it is, and noise it takes out."""
    step = float(np.median(np.diff(times)))
    half = min(max(1, int(3.5 * DAY / step)), values.size // 4)
    padded = np.pad(values, half, mode="reflect", reflect_type="odd")
    return np.asarray(
        np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1), axis=1)
    )


def _result(group: str, kind: str, past: str, horizon: str, those: Sequence[Outcome]) -> Result:
    change = max(float(np.mean([each.change for each in those])), 1e-12)

    def part(name: str) -> float:
        typical = np.median if name == "width" else np.mean  # a few intervals are without end
        return round(float(typical([getattr(each, name) for each in those])) / change, 3)

    inside = float(np.mean([each.inside for each in those]))
    return Result(
        group, kind, past, horizon, len(those), round(inside, 4),
        part("width"), part("error"), part("slope"), part("line"), part("still"),
    )  # fmt: skip


def _all(lines: Sequence[Line]) -> Iterator[Line]:
    """Means over kinds, each counting the same."""
    for group in ("simulated", "public", "statsmodels"):
        rows = [each for each in lines if isinstance(each, Result) and each.group == group]
        for horizon in dict.fromkeys(row.horizon for row in rows):
            yield _mean(group, [row for row in rows if row.horizon == horizon], horizon)
        if len({row.horizon for row in rows}) > 1:
            yield _mean(group, rows, "all")
        days = [each for each in lines if isinstance(each, Days) and each.group == group]
        if days:
            covered = float(np.mean([each.coverage for each in days]))
            yield Days(group, "mean", sum(each.cases for each in days), covered)


def _mean(group: str, rows: Sequence[Result], horizon: str) -> Result:
    names = ("coverage", "width", "error", "last_week", "least_squares", "no_growth")
    means = [round(float(np.mean([getattr(row, name) for row in rows])), 4) for name in names]
    return Result(group, "mean", "all", horizon, sum(row.cases for row in rows), *means)


def speed() -> Speed:
    """A week of half-hours of a fleet."""
    times = NOW - np.arange(0.0, 7 * DAY, 1800.0)[::-1]
    fleet = []
    for number in range(_SPEED):
        rng = np.random.default_rng([SEED, number])
        fleet.append((times, 20.0 + np.cumsum(rng.gamma(0.3, 0.02, times.size))))
    began, busy = time.perf_counter(), time.process_time()
    forecasts(fleet, NOW)
    spent, worked = time.perf_counter() - began, time.process_time() - busy
    return Speed(_SPEED, round(spent, 2), round(worked, 2))


def tables(lines: Sequence[Line]) -> list[Table]:
    """For people: values foretold, days foretold, time."""
    names = ("", "kind", "past", "ahead", "cases", "in 80 %", "width", "error")
    simple = ("last week", "least squares", "no growth")
    values = Table(*names, *simple, title="Values; errors in parts of the change")
    days = Table("", "kind", "cases", "in 80 %", title="Days until a level")
    took = Table("devices", "seconds", "of a processor", title="Time")
    for each in lines:
        if isinstance(each, Result):
            values.add_row(
                each.group, each.kind, each.past, each.horizon, str(each.cases),
                f"{100 * each.coverage:.1f}", f"{each.width:.2f}", f"{each.error:.2f}",
                f"{each.last_week:.2f}", f"{each.least_squares:.2f}", f"{each.no_growth:.2f}",
            )  # fmt: skip
        elif isinstance(each, Days):
            days.add_row(each.group, each.kind, str(each.cases), f"{100 * each.coverage:.1f}")
        else:
            took.add_row(str(each.devices), f"{each.seconds:.2f}", f"{each.processor:.2f}")
    return [values, days, took]
