"""A new metric is one line of the catalogue, as CONTRIBUTING.md shows it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tests.repo_copy import repo_copy, run
from tests.servers import ROOT

LOOK = """
import json
from grafana.dashboard import text
from reader.detection.peers import FACTORS
from reader.health import verdict
from reader.health.evidence import Evidence, Rules
from reader.health.limits import Thresholds
from spindle.catalog import unit
from spindle.store.base import Bucket, EventRow, Latest
from spindle.timestamps import NS
from tools.reference import reference

NOW = 1_800_000_000 * NS
FAN = ("HostFan", "FanSpeed", "fan-1", "")
RULES = Rules(Thresholds(), stale_ns=300 * NS, event_ns=900 * NS)

def judged(values, *events):
    start = NOW - len(values) * NS
    buckets = [Bucket(*FAN, start + i * NS, v, v, v, 1) for i, v in enumerate(values)]
    evidence = Evidence(
        readings=[Latest(*FAN, buckets[-1].time_ns, values[-1])],
        events=events,
        buckets={buckets[0].device: {"FanSpeed": buckets}},
    )
    (unit,) = verdict.judge(evidence, RULES, NOW)
    return {"state": unit.state, "why": unit.reasons[0].message if unit.reasons else ""}

def failed(ago):
    return EventRow(NOW - ago * NS, "e-1", "HostFan", "FanFailure", "fan-1", "", 9, "")

limits = Thresholds().limits_of("FanSpeed", "HostFan", "fan-1")
print(json.dumps({
    "unit": unit("FanSpeed"),
    "limits": limits and [limits.bad, limits.warning.enter, limits.critical.enter],
    "peers": FACTORS.get("FanSpeed"),
    "short": judged([5000.0] * 60 + [900.0] * 5),
    "long": judged([5000.0] * 60 + [900.0] * 15),
    "hovering": judged([900.0] * 30 + [1100.0] * 60),
    "stalled": judged([5000.0] * 60 + [900.0] * 15 + [5000.0] * 20, failed(35)),
    "recovered": judged([5000.0] * 60 + [900.0] * 15 + [5000.0] * 35, failed(50)),
    "panel": [p["fieldConfig"]["defaults"]["unit"] for p in json.loads(text("device"))["panels"]
              if p["title"] == "FanSpeed"],
    "reference": [line for line in reference().splitlines() if line.startswith("| `FanSpeed`")],
}))
"""


def look(folder: Path) -> dict[str, Any]:
    """What the product in a folder makes of a fan's speed."""
    done = run(folder, "-c", LOOK)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def touched(folder: Path) -> list[str]:
    """The Python files that differ from the repository's."""
    files = (path.relative_to(folder) for path in folder.rglob("*.py"))
    return [
        str(path) for path in files if (folder / path).read_bytes() != (ROOT / path).read_bytes()
    ]


def test_one_line_gives_limits_hysteresis_unit_peers_panel_and_reference(tmp_path: Path) -> None:
    folder = repo_copy(tmp_path)
    before = look(folder)
    assert (before["unit"], before["limits"], before["peers"]) == ("", None, None)
    assert (before["long"]["state"], before["panel"], before["reference"]) == ("ok", [], [])

    section = (ROOT / "CONTRIBUTING.md").read_text().partition("## Add a metric")[2]
    (line,) = re.findall(r"```\n(.*?)```", section.partition("\n## ")[0], re.DOTALL)
    catalog = folder / "spindle" / "catalog.py"
    text = catalog.read_text()
    catalog.write_text(re.sub(r'( *Metric\("Utilisation".*\n)', lambda m: m[1] + line, text))

    assert touched(folder) == ["spindle/catalog.py"]
    after = look(folder)
    assert (after["unit"], after["limits"], after["peers"]) == ("rpm", ["low", 2000, 1000], 0.7)
    assert after["short"]["state"] == "ok"  # not yet for enter_seconds
    assert after["long"]["state"] == "critical"
    assert after["long"]["why"].startswith("FanSpeed 900 rpm, at or below 1000 rpm (critical)")
    assert after["hovering"]["state"] == "critical"  # within leave_by of the limit
    assert after["stalled"]["state"] == "critical"  # not yet calm for settles_seconds
    assert after["recovered"]["state"] == "ok"
    assert after["panel"] == ["suffix: rpm"]
    (row,) = after["reference"]
    for part in ("| rpm |", "| down from 2000, over above 2200 |", "| 10 s / 30 s | 30 s |"):
        assert part in row
