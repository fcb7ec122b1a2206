"""The provisioned dashboards; ``python -m grafana.dashboard`` writes ``dashboards/*.json``.

Units and limits come from the catalogue, names from ``spindle.subjects``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana import car_park, device, fleet, happenings, pipeline
from grafana.panels import Make

FOLDER = Path(__file__).parent / "dashboards"
#: File -> what makes it. The first is what Grafana opens with.
DASHBOARDS: Mapping[str, Make] = {
    "spindle": fleet.dashboard,
    "device": device.dashboard,
    "events": happenings.dashboard,
    "parking": car_park.dashboard,
    "pipeline": pipeline.dashboard,
}


def text(name: str) -> str:
    """A file's content."""
    made = DASHBOARDS[name]()
    return json.dumps(made, cls=JSONEncoder, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for each in DASHBOARDS:
        (FOLDER / f"{each}.json").write_text(text(each))
