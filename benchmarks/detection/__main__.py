"""The detector's evidence: ``python -m benchmarks.detection [public|faults|healthy|cost ...]``.

* public: the public half of the Numenta benchmark, by its scorer; ablation, held-out figures
* carried: its threshold on generated files, ablation, side by side
* faults: seeded storage faults at the default alarm threshold
* healthy: false alarms of a seeded healthy fleet
* cost: microseconds a point, and a day of 1,000 devices with 4 metrics each
* repeats, long, recordings, brief, peers: see ``states``
* live: ``simulated_watch``; worse: ``worse``

Results and their reading: docs/detection-measured.md.
"""

from __future__ import annotations

from benchmarks.detection.nab import carried, public
from benchmarks.detection.parts import run
from benchmarks.detection.seeded import cost, faults, healthy_fleet
from benchmarks.detection.simulated_watch import live
from benchmarks.detection.states import brief, long, peers, recorded, repeats
from benchmarks.detection.worse import worse

PARTS = {
    "public": public,
    "carried": carried,
    "faults": faults,
    "healthy": healthy_fleet,
    "cost": cost,
    "repeats": repeats,
    "long": long,
    "recordings": recorded,
    "brief": brief,
    "peers": peers,
    "live": live,
    "worse": worse,
}

if __name__ == "__main__":
    run(PARTS)
