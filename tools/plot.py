"""A PNG of a scored series; the only place that needs matplotlib, imported when asked for."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from reader.detection.detector import ALARM
from spindle.errors import InvalidInput

Scored = tuple[list[float], list[float], list[float]]
"""Times in seconds since the epoch, values, scores."""


def draw(path: Path, title: str, scored: Scored) -> None:
    """Values above, scores below, alarms in red.

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
