"""The detector on the public half of the Numenta benchmark, where it lies beside the checkout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.detection import nab as detection
from reader.detection.scoring import scores

FILES = ("realTraffic/speed_7578.csv", "realAdExchange/exchange-3_cpc_results.csv")


@pytest.mark.skipif(
    not detection.NAB.is_dir(),
    reason="the public half is not there: put it at ../shared/nab beside the checkout",
)
def test_the_scorer_accepts_our_scores_and_finds_the_labelled_windows() -> None:
    nab, where = detection.scorer(), Path(detection.NAB)
    corpus = nab.Corpus(where / "data", where / "windows.json", FILES)
    found = {}
    for name, file in corpus.files.items():
        rows = (where / "data" / name).read_text().splitlines()[1:]
        values = [float(row.split(",")[1]) for row in rows]
        found[name] = np.array(scores((file.times.astype("int64") / 1e6).tolist(), values))
    assert corpus.score(found, nab.PROFILES["standard"]) > 80.0
