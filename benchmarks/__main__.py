"""``./run.sh bench [writer|...]``: measure, with a progress bar; a table, or JSON lines."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import writer as writer_bench
from spindle import logs

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
Json = Annotated[bool, typer.Option("--json", help="One JSON line per store instead of a table.")]
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
    store: Annotated[
        list[str] | None, typer.Option(help="influxdb or sqlite; both by default.")
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Medians of so many runs.")] = 3,
    points: Annotated[
        int, typer.Option(min=10_000, help="Points of the larger measurements.")
    ] = 400_000,
) -> None:
    """The writer beside the database's and NATS's ceilings, and the old way."""
    stores = store or list(STORES)
    wrong = [name for name in stores if name not in STORES]
    if wrong:
        print(f"store {wrong[0]!r}: expected influxdb or sqlite", file=sys.stderr)
        raise typer.Exit(2)
    singles = max(10_000, points * 3 // 8)
    sizes = writer_bench.Sizes(points, points, singles, repeats)
    try:
        with progress_bar() as progress:
            results = asyncio.run(writer_bench.run(stores, sizes, progress))
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None
    if as_json:
        for result in results:
            print(result.line())
    else:
        Console().print(writer_bench.table(results))


if __name__ == "__main__":
    app(prog_name="bench")
