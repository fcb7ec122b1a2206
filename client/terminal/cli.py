"""The verbs of a terminal: ``health``, ``top``, ``tap``, ``plot``."""

from __future__ import annotations

import asyncio
import logging
import shutil
import sys
import textwrap
import time
from collections.abc import Coroutine
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console

from client.settings import ClientSettings
from client.terminal import health as plugin
from client.terminal import plot as drawing
from client.terminal import plotted_series
from client.terminal import tap as tapping
from client.verbs import asking
from spindle import durations
from spindle.errors import InvalidInput, SpindleError
from spindle.service.program import called_from, commands, tell
from spindle.settings import load

app = commands()

T = TypeVar("T")

_PLOTTED = ("device_id", "metric_type", "source_device", "array_id", "since_minutes")

Wait = Annotated[float, typer.Option(min=0, max=3600, help="Seconds to wait for NATS.")]


class Format(StrEnum):
    """The forms in which ``health`` prints its report."""

    TEXT, NAGIOS, JSON = "text", "nagios", "json"


def _run(work: Coroutine[Any, Any, T]) -> T:
    with asking.ends_in_a_sentence():
        return asyncio.run(work)


@app.command()
def health(
    device: Annotated[
        str, typer.Argument(help="a device's id; without one, the fleet", show_default=False)
    ] = "",
    array: Annotated[str, typer.Option("--array", help="The array or host it belongs to.")] = "",
    how: Annotated[Format, typer.Option("--format", help="nagios adds performance data.")] = (
        Format.TEXT
    ),
    wait: Wait = 5.0,
) -> None:
    """Is all well? As a monitoring plug-in tells it, such as: health array1-disk3 --format nagios

    Exit codes: 0 ok, 1 warning, 2 critical, 3 unknown, or nobody answers.
    """

    async def work() -> plugin.Report:
        async with asking.opened(load(ClientSettings), wait) as asker:
            if device:
                return await plugin.of_device(asker, device, array or None)
            return await plugin.of_fleet(asker, array or None)

    logging.getLogger("spindle").setLevel(logging.CRITICAL)  # what matters is told here
    try:
        report = asyncio.run(work())
    except SpindleError as error:  # of wrong settings every mistake
        report = plugin.Report("unknown", "; ".join(str(error).splitlines()))
    if how is Format.JSON:
        asking.print_json(plugin.as_object(report))
    else:
        print(plugin.nagios(report) if how is Format.NAGIOS else plugin.plain(report))
    raise typer.Exit(report.exit_code)


@app.command()
def top(
    every: Annotated[float, typer.Option(min=0.5, max=3600, help="Seconds between two looks.")] = 2,
    times: Annotated[
        int | None, typer.Option("-n", min=1, help="Print so many looks as lines, and end.")
    ] = None,
    most: Annotated[int, typer.Option(min=1, help="Devices in lines, at most.")] = 20,
    wait: Wait = 10.0,
) -> None:
    """The fleet, live, the worst first; ? shows the keys. Lines where there is no terminal."""
    on_terminal = sys.stdout.isatty() and sys.stdin.isatty() and times is None

    async def work() -> None:
        async with asking.opened(load(ClientSettings), wait) as asker:
            from client.terminal import top as screen  # noqa: PLC0415 - heavy

            if on_terminal:
                await screen.Top(asker, every).run_async()
            else:
                await screen.lines(asker, every, times, _line, most)

    _run(work())


def _line(text: str) -> None:
    if sys.stdout.isatty():  # a terminal breaks lines within words
        width = shutil.get_terminal_size().columns
        text = textwrap.fill(text, width, subsequent_indent="            ")
    print(text, flush=True)


@app.command()
def tap(
    subject: Annotated[
        list[str] | None,
        typer.Argument(help="Such as events.metrics.DiskUnit.*", show_default=False),
    ] = None,
    seconds: Annotated[
        str, typer.Option("--for", help="How long, such as 30s or 5m; else until Ctrl-C.")
    ] = "",
    most: Annotated[int | None, typer.Option("-n", min=1, help="End after so many lines.")] = None,
    every: Annotated[int, typer.Option(min=1, help="Show one row in so many.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    wait: Wait = 10.0,
) -> None:
    """What flows over NATS, decoded, such as: tap 'events.metrics.>' --for 10s --every 10"""
    began = time.monotonic()

    async def work() -> tapping.Counts:
        return await tapping.listen(
            load(ClientSettings),
            tuple(tapping.subject(each) for each in subject or tapping.SUBJECTS),
            tapping.Wanted(
                durations.parse(seconds) if seconds else None, most, every, as_json=as_json
            ),
            _line,
            wait,
        )

    counts = _run(work())
    tell(counts.told(time.monotonic() - began))


@app.command()
def plot(
    words: Annotated[
        list[str] | None,
        typer.Argument(help="Such as device_id=sda metric_type=DiskTemp", metavar="KEY=VALUE..."),
    ] = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="A PNG file instead.")] = None,
    wait: Wait = 10.0,
) -> None:
    """A series with its band, limits, anomalies and forecast.

    Such as: plot device_id=array1-disk3 metric_type=DiskTemp since_minutes=60 -o temp.png
    """

    async def work() -> plotted_series.PlottedSeries:
        given = asking.parse_params(words or [])
        minutes = _plotted(given)
        who = {name: given.get(name) for name in ("device_id", "source_device", "array_id")}
        async with asking.opened(load(ClientSettings), wait) as asker:
            return await plotted_series.gather(asker, who, given["metric_type"], minutes)

    plotted = _run(work())
    if out:
        with asking.ends_in_a_sentence():
            drawing.as_file(plotted, called_from() / out)
        print(out)
        return
    console = Console()
    text = drawing.as_text(
        plotted, console.width, console.height - 12, colours=console.color_system is not None
    )
    print(text)


def _plotted(given: dict[str, str]) -> float:
    """The minutes of the picture, once what was given is right.

    :raises InvalidInput: something is missing, unknown, or no number.
    """
    if unknown := sorted(set(given) - set(_PLOTTED)):
        raise InvalidInput(f"plot takes no {unknown[0]}; it takes {', '.join(_PLOTTED)}")
    for name in ("device_id", "metric_type"):
        if name not in given:
            raise InvalidInput(f"plot needs {name}, such as device_id=sda metric_type=DiskTemp")
    try:
        minutes = float(given.get("since_minutes", "60"))
    except ValueError:
        minutes = 0.0
    if not 1 <= minutes <= 5_256_000:
        raise InvalidInput(
            f"since_minutes: given {given['since_minutes']}, expected 1 to 5256000 minutes"
        )
    return minutes
