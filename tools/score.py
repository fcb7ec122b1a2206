"""``score FILE.csv``: the streaming detector over a file of ``timestamp,value``, offline.

Writes ``timestamp,value,anomaly_score``: every input row in its order, the input's own text of
timestamp and value, scores with all their digits. A folder is mirrored, each file on its own
detector; a bad file costs one sentence and exit code 1, and the others are still done.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from math import nan
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from daemon.replay.files import bounded
from reader.detection.explanation import ALARM
from reader.detection.scoring import View, scores
from spindle.errors import InvalidInput
from spindle.service.program import bar

HEADER = ("timestamp", "value", "anomaly_score")
LATEST = 253_402_300_800.0  # the year 10000, in seconds since 1970
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}  # that people use for commas

app = typer.Typer(add_completion=False)


@dataclass(frozen=True, slots=True)
class Table:
    """One input file.

    :ivar texts: timestamp and value of each row as they were written.
    :ivar times: seconds since the epoch; a time without an offset is taken as UTC.
    :ivar values: NaN where the value was left empty.
    """

    texts: list[tuple[str, str]]
    times: list[float]
    values: list[float]


def read(path: Path) -> Table:
    """The rows of a CSV file.

    :raises InvalidInput: one sentence: unreadable, empty, a column missing, or a bad row.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return _parse(str(path), csv.reader(bounded(file)))
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not UTF-8 text.") from error
    except csv.Error as error:
        raise InvalidInput(f"{path} is not a CSV file: {error}.") from error


def _parse(name: str, lines: Iterator[list[str]]) -> Table:
    header = next(lines, None)
    if header is None:
        raise InvalidInput(f"{name} is empty; it needs the columns timestamp and value.")
    columns = [column.strip().lower() for column in header]
    missing = [column for column in HEADER[:2] if column not in columns]
    if missing:
        other = next((mark for mark in SEPARATORS if mark in ",".join(header)), None)
        if other is not None:
            raise InvalidInput(
                f"{name}: its columns are separated by {SEPARATORS[other]}, expected commas."
            )
        raise InvalidInput(f"{name} has no column {' and no column '.join(missing)}.")
    table, at = Table([], [], []), (columns.index("timestamp"), columns.index("value"))
    for number, row in enumerate(lines, start=2):
        if not row:
            continue  # a blank line is no row
        try:
            timestamp, value = row[at[0]], row[at[1]]
            table.times.append(_seconds(timestamp))
            table.values.append(float(value) if value.strip() else nan)
        except (IndexError, ValueError) as error:
            raise InvalidInput(_complaint(name, number, row, error)) from error
        table.texts.append((timestamp, value))
    if not table.texts:
        raise InvalidInput(f"{name} has a header but no rows.")
    return table


def _complaint(name: str, number: int, row: list[str], error: Exception) -> str:
    if isinstance(error, IndexError):
        return f"{name}, line {number}: too few columns ({len(row)})."
    shown = ",".join(row)[:60]
    return (
        f"{name}, line {number}: {shown!r} is not a timestamp (ISO 8601, or seconds since "
        "1970) and a number."
    )


def _seconds(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        seconds = float(text)
        if not abs(seconds) < LATEST:  # NaN fails too
            raise
        return seconds
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def render(table: Table, found: list[float]) -> str:
    """The output file's text."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows((*texts, repr(score)) for texts, score in zip(table.texts, found, strict=True))
    return text.getvalue()


def write(path: Path, text: str) -> None:
    """Write whole or not at all.

    :raises InvalidInput: the place cannot be written.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8", newline="")
        part.replace(path)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror}.") from error


def plan(
    source: Path, out: Path | None, plot: Path | None = None
) -> list[tuple[Path, Path | None]]:
    """Pairs of input and output files.

    :raises InvalidInput: nothing there, or the output would fall on the input.
    """
    if source.is_dir():
        if out is None:
            raise InvalidInput("A folder needs a folder for the results: score DIR -o DIR.")
        if plot is not None:
            raise InvalidInput("--plot draws one file, not a folder.")
        if out.resolve().is_relative_to(source.resolve()):
            raise InvalidInput(f"The results' folder {out} must lie outside {source}.")
        found = sorted(p for p in source.rglob("*.csv") if p.is_file())
        if not found:
            raise InvalidInput(f"There is no .csv file in {source}.")
        return [(path, out / path.relative_to(source)) for path in found]
    if not source.exists():
        raise InvalidInput(f"There is no file {source}.")
    if out is not None and out.is_dir():
        out = out / source.name
    if out is not None and _same(out, source):
        raise InvalidInput("The result would overwrite the input; name another file.")
    if plot is not None:
        _refuse_plot(plot, source, out)
    return [(source, out)]


def _refuse_plot(plot: Path, source: Path, out: Path | None) -> None:
    for other, what in ((source, "input"), (out, "result")):
        if other is not None and _same(plot, other):
            raise InvalidInput(f"The picture would overwrite the {what}; name another file.")
    if plot.is_dir():
        raise InvalidInput(f"{plot} is a folder; name a file for the picture.")


def _same(one: Path, other: Path) -> bool:
    """Whether both are one file, by whatever names."""
    if one.resolve() == other.resolve():
        return True
    return one.exists() and other.exists() and one.samefile(other)


def _one(
    source: Path, out: Path | None, picture: Path | None, view: View, progress: Progress
) -> None:
    table = read(source)
    task = progress.add_task(source.name, total=len(table.texts))
    found = scores(table.times, table.values, lambda rows: progress.advance(task, rows), view)
    text = render(table, found)
    if out is None:
        sys.stdout.write(text)
    else:
        write(out, text)
    if picture is not None:
        draw(picture, source.name, (table.times, table.values, found))
    progress.remove_task(task)


@app.command()
def main(
    source: Annotated[Path, typer.Argument(metavar="FILE|DIR", help="CSV of timestamp,value.")],
    out: Annotated[
        Path | None, typer.Option("-o", "--output", help="Result; a file's default is stdout.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw a PNG too (one file only).")] = None,
    view: Annotated[
        View, typer.Option(help="score: what begins; state: how unusual the last hour is.")
    ] = View.SCORE,
) -> None:
    """Score each row of a CSV file, or of every CSV file of a folder, for how unusual it is."""
    mistakes = []
    try:
        pairs = plan(source, out, plot)
    except InvalidInput as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    with bar() as shown:
        whole = shown.add_task("files", total=len(pairs), visible=len(pairs) > 1)
        for path, result in pairs:
            try:
                _one(path, result, plot, view, shown)
            except InvalidInput as error:
                mistakes.append(str(error))
            shown.advance(whole)
    for mistake in mistakes:
        typer.echo(mistake, err=True)
    if mistakes:
        raise typer.Exit(1)


if __name__ == "__main__":
    app()


def draw(path: Path, title: str, scored: tuple[list[float], list[float], list[float]]) -> None:
    """A PNG: values above, scores below, alarms in red.

    :param scored: times in seconds since the epoch, values, scores.
    :raises InvalidInput: matplotlib is not installed, or the file cannot be written.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415  # heavy, and optional
    except ImportError as error:
        raise InvalidInput("--plot needs matplotlib: pip install matplotlib.") from error
    seconds, values, scores = scored
    times = [datetime.fromtimestamp(t, UTC) for t in seconds]
    figure = Figure(figsize=(14, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot(times, values, linewidth=0.7)
    alarms = [i for i, score in enumerate(scores) if score >= ALARM]
    above.plot(
        [times[i] for i in alarms],
        [values[i] for i in alarms],
        "o",
        color="crimson",
        label=f"alarm ({len(alarms)})",
    )
    above.set_title(title)
    above.legend(loc="upper left")
    below.vlines(times, 0.0, scores, linewidth=0.9)
    below.axhline(ALARM, color="crimson", linewidth=0.7, linestyle="--")
    below.set_ylim(0.0, 1.0)
    below.set_ylabel("anomaly score")
    try:
        figure.savefig(path, dpi=110, format="png")
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror}.") from error
