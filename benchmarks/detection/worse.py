"""A second fault within an anomaly that lasts: is it told, and is the first alone told once?

All series are generated. Seeds below ``REPORTED`` are for choosing.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from itertools import product
from statistics import median

import numpy as np

from benchmarks.detection.parts import console
from benchmarks.series.processes import DAY
from benchmarks.series.storage_series import healthy
from reader.detection.detector import Detector
from reader.detection.episodes import Episodes

REPORTED = 1000
LEADS = (90, 600, 2400)  # minutes from the first fault to the second
LASTS = 360  # minutes of the second, of which it is to be told in the first 60
Cell = tuple[str, int, bool, int]


def begun(cell: Cell) -> list[int]:
    """When something was told, in minutes after the second fault began or would have."""
    metric, lead, with_second, seed = cell
    first, second = 4 * DAY, 4 * DAY + lead
    rng = np.random.default_rng([seed, lead, len(metric)])
    values = healthy(metric, rng, second + LASTS)
    within = slice(second, None if with_second else second)
    if metric == "Latency":
        values[first:] *= 4.0
        values[within] *= 3.0
    else:
        values[first:] += 8.0
        values[within] += 10.0
    detector, episodes, found = Detector(), Episodes(metric), []
    for minute, value in enumerate(values.tolist()):
        detector.update(60.0 * minute, value)
        if episodes.take(60.0 * minute, value, detector)[0] is not None:
            found.append(minute - second)
    return found


def worse(seeds: int = 10) -> None:
    """Latency x 4, then x 12; a temperature 8 degC too high, then 18."""
    reported = range(REPORTED, REPORTED + seeds)
    cells = list(product(("Latency", "DiskTemp"), LEADS, (True, False), reported))
    with ProcessPoolExecutor() as pool:
        found = dict(zip(cells, pool.map(begun, cells, chunksize=4), strict=True))
    for metric in ("Latency", "DiskTemp"):
        both = [told for cell, told in found.items() if cell[0] == metric and cell[2]]
        alone = [cell for cell in cells if cell[0] == metric and not cell[2]]
        delays = [min(m for m in told if m >= 0) for told in both if any(0 <= m < 60 for m in told)]
        again = sum(sum(m >= 30 - cell[1] for m in found[cell]) for cell in alone)
        console.print(
            f"{metric}: the second told {len(delays)} of {len(both)}, after {median(delays):g} min "
            f"in the median; of {len(alone)} with the first alone, told again {again} times"
        )
