"""A new source is one file and its entry in the registry, as CONTRIBUTING.md shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.repo_copy import repo_copy, run, shown_in_contributing

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
    """What is in git, to add the example of CONTRIBUTING.md to."""
    return repo_copy(tmp_path)


def add(folder: Path) -> list[Path]:
    """Follow CONTRIBUTING.md; the files touched."""
    source, entry = shown_in_contributing("Add a source")[:2]
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
    assert "expected one or more of simulator, host, smart, parking, weather" in wrong.stderr
