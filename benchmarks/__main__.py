"""``./run.sh bench [writer|...]``: measure, with a progress bar; a table, or JSON lines."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Annotated, Any, Protocol, TypeVar

import typer
from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import drive_files
from benchmarks import drives as drives_bench
from benchmarks import sources as sources_bench
from benchmarks.detection import faults as faults_bench
from benchmarks.direct_gets import speed as direct_gets_bench
from benchmarks.forecast import back_test as forecast_bench
from benchmarks.forecast import rows as forecast_rows
from benchmarks.forecast import samples as samples_bench
from benchmarks.pipeline import broker as broker_bench
from benchmarks.pipeline import latency as latency_bench
from benchmarks.pipeline import telegraf as telegraf_bench
from benchmarks.pipeline import writer as writer_bench
from benchmarks.reader import questions as reader_bench
from benchmarks.series import drive_years
from spindle.errors import InvalidInput
from spindle.service import logs
from spindle.service.program import called_from

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
Json = Annotated[bool, typer.Option("--json", help="One JSON line per store instead of a table.")]
Stores = Annotated[
    list[str] | None, typer.Option("--store", help="influxdb or sqlite; both by default.")
]
STORES = ("influxdb", "sqlite")


def progress_bar() -> Progress:
    """On standard error, so that a pipe gets the numbers only."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=Console(stderr=True), transient=True)


@app.callback(invoke_without_command=True)
def bare(context: typer.Context) -> None:
    """Measurements as ratios in one run. Without a name: writer."""
    logs.configure("bench", "error")
    if context.invoked_subcommand is None:
        writer()


@app.command()
def writer(
    as_json: Json = False,
    store: Stores = None,
    repeats: Annotated[int, typer.Option(min=1, help="Medians of so many runs.")] = 3,
    points: Annotated[
        int, typer.Option(min=10_000, help="Points of the larger measurements.")
    ] = 400_000,
) -> None:
    """The writer beside the database's and NATS's ceilings, and the old way."""
    stores = _stores(store)
    singles = max(10_000, points * 3 // 8)
    sizes = writer_bench.Sizes(points, points, singles, repeats)
    with progress_bar() as progress:
        results = _measure(writer_bench.run(stores, sizes, progress))
    _print(results, Group(writer_bench.table(results), writer_bench.costs(results)), as_json)


@app.command()
def telegraf(
    as_json: Json = False,
    url: Annotated[
        list[str] | None,
        typer.Option(
            help="A database server that runs, such as influxdb://:TOKEN@127.0.0.1:8086; more than "
            "once: each; else an influxd of our own.",
            show_default=False,
        ),
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Medians of so many runs.")] = 3,
    points: Annotated[int, typer.Option(min=1000, help="Points of each run.")] = 400_000,
) -> None:
    """The writer beside Telegraf's JetStream consumer, where `telegraf` is on PATH."""
    for one in url or ():
        if not telegraf_bench.address_is_plain(one):
            print(f"--url {one}: expected a server without a database's name", file=sys.stderr)
            raise typer.Exit(2)
    with progress_bar() as progress:
        pairs = _measure(telegraf_bench.run(points, repeats, url or (), progress))
    _print(pairs, telegraf_bench.table(pairs), as_json)


@app.command()
def latency(
    as_json: Json = False,
    store: Stores = None,
    seconds: Annotated[float, typer.Option(min=2, help="How long the load lasts.")] = 20.0,
) -> None:
    """From publishing a point until a query finds it; and what an idle writer costs."""
    stores = _stores(store)
    with progress_bar() as progress:
        results = _measure(latency_bench.run(stores, seconds, progress))
    _print(results, latency_bench.table(results), as_json)


@app.command()
def broker(as_json: Json = False) -> None:
    """What it costs that NATS syncs every message to the disk, single and in envelopes."""
    with progress_bar() as progress:
        results = _measure(broker_bench.run(progress))
    _print(results, broker_bench.table(results), as_json)


@app.command()
def direct_gets(
    as_json: Json = False,
    repeats: Annotated[int, typer.Option(min=1, help="Medians of so many runs.")] = 3,
) -> None:
    """A trial: batched direct gets and purges beside a consumer that acknowledges each message."""
    with progress_bar() as progress:
        ways = _measure(direct_gets_bench.run(repeats, progress))
    _print(ways, direct_gets_bench.table(ways), as_json)


@app.command()
def sources(as_json: Json = False) -> None:
    """CPU time per drive of what reads real drives: host and smart."""
    costs = sources_bench.run()
    _print(costs, sources_bench.table(costs), as_json)


@app.command()
def faults(
    as_json: Json = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the simulated fleets.")] = 20_260,
    arrays: Annotated[int, typer.Option(min=1, help="Faults of each kind, one in an array.")] = 40,
    days: Annotated[int, typer.Option(min=0, help="Of each device that is well; 0: none.")] = 14,
    kind: Annotated[list[str] | None, typer.Option("--fault", help="Only these.")] = None,
) -> None:
    """Which simulated faults are detected, how fast, and how often a healthy fleet alarms."""
    for name in kind or ():
        if name not in faults_bench.kinds():
            print(f"no fault is called {name!r}", file=sys.stderr)
            raise typer.Exit(2)
    with progress_bar() as progress:

        def begin(name: str, steps: int) -> Callable[[], None]:
            task = progress.add_task(name, total=steps)
            return lambda: progress.advance(task)

        tallies = faults_bench.run(seed, arrays, days, kind or faults_bench.kinds(), begin)
    _print(tallies, faults_bench.table(tallies), as_json)


@app.command()
def forecast(
    as_json: Json = False,
    series: Annotated[int, typer.Option(min=2, help="Of each kind and length of past.")] = 60,
    seed: Annotated[int, typer.Option(min=0, help="Of the simulated ones.")] = forecast_bench.SEED,
) -> None:
    """Do the forecasts' 80 % intervals hold 80 % of what comes? And how long do they take?"""
    with progress_bar() as progress:
        task = progress.add_task("forecast", total=None)
        results, notes = forecast_bench.run(series, lambda: progress.advance(task), seed)
    for note in notes:
        print(note, file=sys.stderr)
    _print(results, Group(*forecast_rows.tables(results)), as_json)


@app.command()
def forecast_samples(
    as_json: Json = False,
    store: Stores = None,
    series: Annotated[int, typer.Option(min=1, help="Of each kind and length of past.")] = 20,
    devices: Annotated[int, typer.Option(min=1, help="With a week of readings.")] = 200,
) -> None:
    """One reading of each step beside the mean of all: forecasts as good, and how much faster?"""
    stores = _stores(store)
    with progress_bar() as progress:
        task = progress.add_task("forecasts", total=None)
        good = list(samples_bench.quality(series, lambda: progress.advance(task)))
        fill = progress.add_task("filling", total=devices * len(stores))
        took = _measure(samples_bench.speed(stores, devices, lambda: progress.advance(fill)))
    _print([*good, *took], samples_bench.tables(good, took), as_json)


@app.command()
def reader(
    as_json: Json = False,
    store: Stores = None,
    devices: Annotated[int, typer.Option(min=10, help="Devices with a week of data.")] = 1000,
    every: Annotated[
        int, typer.Option(min=60, help="Seconds between their readings; in the last hour: 60.")
    ] = 600,
    fleet: Annotated[int, typer.Option(min=10, help="Devices of fleet_health.")] = 10_000,
    clients: Annotated[int, typer.Option(min=1, help="That ask at the same time.")] = 100,
    seconds: Annotated[float, typer.Option(min=1, help="How long they ask.")] = 15.0,
) -> None:
    """Questions about health, of a device and of the fleet, beside the bare store query."""
    stores = _stores(store)
    sizes = reader_bench.Sizes(devices, every, fleet, clients, seconds)
    with progress_bar() as progress:
        results = _measure(reader_bench.run(stores, sizes, progress))
    _print(results, reader_bench.table(results), as_json)


@app.command()
def drives(
    folder: Annotated[Path, typer.Argument(help="With Backblaze's daily CSV files.")],
    as_json: Json = False,
    make: Annotated[
        int, typer.Option(min=0, help="First write a year of so many invented drives there.")
    ] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Of the invented ones.")] = 1,
) -> None:
    """Do the verdicts of check-drive foretell failures? Recall, precision, lead time."""
    folder = called_from() / folder
    try:
        with progress_bar() as progress:
            if make:
                days = progress.add_task("writing days", total=drives_bench.YEAR)
                failures = max(1, make * 120 // 22_892)  # as often as in the year of the issue
                drive_years.write(
                    *(folder, make, drives_bench.YEAR, failures, seed),
                    lambda: progress.advance(days),
                )
            task = progress.add_task("reading", total=drive_files.size(folder))
            found, fleet = drives_bench.run(folder, lambda size: progress.advance(task, size))
    except (InvalidInput, OSError) as error:
        print(error, file=sys.stderr)
        raise typer.Exit(2) from None
    _print(found, drives_bench.table(found, fleet), as_json)


class _Line(Protocol):
    def line(self) -> str: ...


R = TypeVar("R")


def _measure(work: Coroutine[Any, Any, R]) -> R:
    try:
        return asyncio.run(work)
    except (FileNotFoundError, RuntimeError) as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None


def _print(results: Sequence[_Line], view: RenderableType, as_json: bool) -> None:
    if as_json:
        for result in results:
            print(result.line())
    else:
        Console().print(view)


def _stores(given: list[str] | None) -> list[str]:
    stores = given or list(STORES)
    for name in stores:
        if name not in STORES:
            print(f"store {name!r}: expected influxdb or sqlite", file=sys.stderr)
            raise typer.Exit(2)
    return stores


if __name__ == "__main__":
    app(prog_name="bench")
