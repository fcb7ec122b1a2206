"""A new source is one file and its entry in the registry, as CONTRIBUTING.md shows it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import ROOT

READ = """
import asyncio
from prometheus_client import CollectorRegistry
from daemon.backlog import Backlog
from daemon.meters import Meters
from daemon.registry import SOURCES
from daemon.settings import DaemonSettings
from daemon.ticker import SourceHealth, tick
from spindle.service.health import Health
from spindle.service.run import Service
from spindle.settings import load

settings = load(DaemonSettings)
(name,) = settings.sources
health, backlog = Health("daemon"), Backlog(10**6)
service = Service("daemon", settings, health)

def put(messages):
    print(*(message.payload.decode() for message in messages))
    service.stopping.set()

asyncio.run(tick(service, SOURCES[name](settings), put, SourceHealth(health, (name,)),
                 Meters(CollectorRegistry(), backlog)))
"""

MANUAL = "from tools.env_example import env_example; print(env_example())"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of what is in git, with the example of CONTRIBUTING.md added."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "*.py"], cwd=ROOT, capture_output=True, check=True
    )
    for name in os.fsdecode(listed.stdout).split("\0"):
        if name and (ROOT / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    return tmp_path


def run(folder: Path, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(folder), **settings}
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env=env, capture_output=True, text=True, check=False
    )


def add(folder: Path) -> list[Path]:
    """Follow CONTRIBUTING.md; the files touched."""
    section = (ROOT / "CONTRIBUTING.md").read_text().partition("## Add a source")[2]
    source, entry = re.findall(r"```python\n(.*?)```", section, re.DOTALL)[:2]
    made = folder / "daemon" / "weather" / "source.py"
    made.parent.mkdir()
    made.write_text(source)
    registry = folder / "daemon" / "registry.py"
    text = registry.read_text()
    text = text.replace("\nfrom daemon.source", f"\n{entry}from daemon.source", 1)
    registry.write_text(text.replace("ParkingSource)", "ParkingSource, WeatherSource)"))
    return [made, registry]


def test_two_files_are_touched_and_the_daemon_reads_it(copy: Path) -> None:
    assert "WEATHER_FILE" not in run(copy, "-c", MANUAL).stdout
    assert len(add(copy)) == 2
    manual = run(copy, "-c", MANUAL)
    assert "#WEATHER_FILE=/run/room-temperature" in manual.stdout, manual.stderr
    assert "weather (the temperature of the room)" in manual.stdout.replace("\n## ", " ")

    (copy / "room").write_text("21.5\n")
    own = {"WEATHER_FILE": str(copy / "room"), "DAEMON_SOURCES": "weather"}
    done = run(copy, "-c", READ, **own)
    assert done.returncode == 0, done.stderr
    assert '"metricType":"RoomTemp","value":21.5' in done.stdout

    wrong = run(copy, "-c", READ, DAEMON_SOURCES="wheather")
    assert "expected one or more of simulator, host, parking, weather" in wrong.stderr
