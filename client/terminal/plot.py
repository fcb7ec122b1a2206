"""``plot``: a picture of one series, in characters on the terminal or as a PNG file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from client.terminal.plotted_series import PlottedSeries
from spindle.errors import InvalidInput

_COLOURS = {"warning": "yellow", "critical": "red"}


_TALLEST = 1e300  #: beyond it a scale's steps are no numbers any more


def as_text(series: PlottedSeries, width: int, height: int, *, colours: bool) -> str:
    """The picture in braille characters: mean, band, limits, anomalies and forecast.

    :raises InvalidInput: its values are too large to be drawn.
    """
    _require_a_scale(series)
    import plotille  # noqa: PLC0415 - only where it is needed

    figure = plotille.Figure()
    figure.color_mode = "names"
    figure.with_colors = colours
    figure.width, figure.height = max(20, width - 26), max(8, height)  # beside it stands the scale
    figure.x_label, figure.y_label = "UTC", series.unit or "value"
    times, least, mean, most = series.band
    if most != least:
        figure.plot(times, most, lc="blue", label="most")
        figure.plot(times, least, lc="blue", label="least")
    figure.plot(times, mean, lc="cyan", label="mean")
    ahead, low, middle, high = series.forecast
    if ahead:
        figure.plot(ahead, low, lc="blue", label="forecast, least of 4 in 5 futures")
        figure.plot(ahead, high, lc="blue", label="forecast, most of them")
        figure.plot(ahead, middle, lc="magenta", label="forecast")
    last = (ahead or times)[-1]
    for level, name in _near(series):
        figure.plot([times[0], last], [level, level], lc=_COLOURS[name], label=f"{name} {level:g}")
    odd = [at for at in range(len(times)) if _is_odd(series, at)]
    if odd:
        figure.scatter(
            [times[at] for at in odd], [mean[at] for at in odd], lc="red", marker="!",
            label="anomaly",
        )  # fmt: skip
    figure.register_label_formatter(float, _number)
    figure.register_label_formatter(type(times[0]), _clock(times[0], last))
    return f"{series.title}\n{figure.show(legend=True)}\n" + "\n".join(series.words)


def _require_a_scale(series: PlottedSeries) -> None:
    _, least, _, most = series.band
    if max(abs(min(least)), abs(max(most))) > _TALLEST:
        raise InvalidInput(
            f"values from {min(least):.3g} to {max(most):.3g} cannot be drawn; the series has them"
        )


def _near(series: PlottedSeries) -> list[tuple[float, str]]:
    """The limits near the readings; one far above them would flatten the picture."""
    _, least, _, most = series.band
    low, high = min(least), max(most)
    room = max(high - low, abs(high) * 0.1, 1e-9)
    return [each for each in series.limits if low - 2 * room <= each[0] <= high + 2 * room]


def _is_odd(series: PlottedSeries, at: int) -> bool:
    times = series.band[0]
    end = times[at + 1] if at + 1 < len(times) else times[at]
    return any(start <= end and times[at] <= stop for start, stop, _ in series.anomalies)


def _number(value: Any, chars: int, *_: Any, **__: Any) -> str:
    return f"{value:.4g}".rjust(chars)[:chars]


def _clock(first: Any, last: Any) -> Any:
    seconds = (last - first).total_seconds()
    pattern = "%H:%M:%S" if seconds < 1200 else "%H:%M" if seconds < 2 * 86_400 else "%m-%d %H"

    def label(value: Any, chars: int, *_: Any, **__: Any) -> str:
        return str(value.strftime(pattern)).rjust(chars)[:chars]

    return label


def as_file(series: PlottedSeries, path: Path) -> None:
    """Write the picture to a PNG file.

    :raises InvalidInput: matplotlib is not installed, the file cannot be written, or its values are
        too large to be drawn.
    """
    _require_a_scale(series)
    try:
        from matplotlib import dates  # noqa: PLC0415
        from matplotlib.figure import Figure  # noqa: PLC0415 - heavy, and optional
    except ImportError as error:
        raise InvalidInput("-o needs matplotlib: pip install matplotlib.") from error
    figure = Figure(figsize=(12, 5), layout="constrained")
    axes: Any = figure.subplots()  # its types know no datetime
    times, least, mean, most = series.band
    axes.fill_between(times, least, most, alpha=0.25, linewidth=0, label="least to most")
    axes.plot(times, mean, linewidth=1.2, label="mean")
    ahead, low, middle, high = series.forecast
    if ahead:
        axes.fill_between(ahead, low, high, alpha=0.2, color="purple", linewidth=0)
        axes.plot(ahead, middle, "--", color="purple", label="forecast, 4 of 5 futures in the band")
    for level, name in _near(series):
        colour = {"warning": "darkorange", "critical": "crimson"}[name]
        axes.axhline(level, color=colour, linewidth=1, label=f"{name} from {level:g}")
    for number, (start, end, _) in enumerate(series.anomalies):
        label = "anomaly" if not number else None
        axes.axvspan(start, max(start, end), color="crimson", alpha=0.2, label=label)
    axes.set_title(series.title)
    axes.set_ylabel("°C" if series.unit == "degC" else series.unit)
    axes.set_xlabel("UTC")
    figure.legend(loc="outside lower center", ncols=4, fontsize="small")  # hides no reading
    axes.grid(alpha=0.3)
    ticks: Any = dates.AutoDateLocator()  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(ticks)
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(ticks))  # type: ignore[no-untyped-call]
    try:
        figure.savefig(path, dpi=110, format="png")
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror}.") from error
