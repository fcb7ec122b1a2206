"""The cases of the forecast's back-test: simulated and public series, each cut off at an origin."""

from __future__ import annotations

import csv
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.series.growth_series import FURTHER, PER_DAY, PROCESSES, with_deletion
from benchmarks.series.storage_series import Floats
from reader.forecasting.history import DAY, REACH

NAB = Path(__file__).resolve().parents[3] / "shared" / "nab"
KINDS = (*PROCESSES, "deletion")
PASTS = (7, 14, 28, 90)  # days
HORIZONS = (7.0, 30.0, 90.0)
NOW = 1_800_000_000.0


@dataclass(frozen=True, slots=True)
class Case:
    """A series around an origin.

    :ivar times: seconds, with ``values`` before the origin ``now`` and after it.
    :ivar level: what reaches 80 % when the day of 80 % has come: where it is simulated, the level
        without noise; else the running median, which one noisy reading does not lift.
    """

    times: Floats
    values: Floats
    level: Floats
    now: float
    horizons: tuple[float, ...]


def simulated(kind: str, series: int, seed: int) -> dict[str, list[Case]]:
    """Cases of one process by length of past."""
    found: dict[str, list[Case]] = {}
    for past in PASTS:
        horizons = tuple(h for h in HORIZONS if h <= REACH * past)
        points, known = int((past + 90) * PER_DAY) + 1, past * PER_DAY
        times = NOW + (np.arange(points) - known + 0.5) * DAY / PER_DAY
        cases = []
        for number in range(series):
            rng = np.random.default_rng([seed, (*KINDS, *FURTHER).index(kind), past, number])
            growth = {**PROCESSES, **FURTHER}["linear" if kind == "deletion" else kind]
            grown = growth(rng, points)
            if kind == "deletion":
                grown = with_deletion(grown, known, rng)
            cases.append(Case(times, *grown, NOW, horizons))
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
    days, level = int((times[-1] - times[0]) / DAY), running_median(times, values)
    for past in range(3, days):
        now = float(times[0]) + past * DAY
        horizons = tuple(past * part for part in (0.25, 0.5, 1.0) if past * (1 + part) < days)
        if horizons:
            yield Case(times, values, level, now, horizons)


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
    level = running_median(times, values)
    for past in (30, 60, 90):
        for origin in range(past, values.size - 30, 15):
            horizons = tuple(h for h in (7.0, 30.0, 90.0) if origin + h < values.size)
            part = slice(origin - past, origin + 91)
            yield Case(times[part], values[part], level[part], NOW + origin * DAY, horizons)


def running_median(times: Floats, values: Floats) -> Floats:
    """Over a week: what rises all the time it leaves as it is, and noise it takes out."""
    step = float(np.median(np.diff(times)))
    half = min(max(1, int(3.5 * DAY / step)), values.size // 4)
    padded = np.pad(values, half, mode="reflect", reflect_type="odd")
    return np.asarray(
        np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1), axis=1)
    )
