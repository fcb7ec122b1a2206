"""What hangs is named, once, and holds nothing else up."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from prometheus_client import CollectorRegistry

from daemon.backlog import Backlog
from daemon.deadlines import Watched
from daemon.drives import Drives
from daemon.host.probe import FileSystem, PsutilProbe
from daemon.messages import Message
from daemon.meters import Meters
from daemon.source import Source, SourceSettings
from daemon.ticker import SourceHealth, tick
from spindle.service.health import Health
from spindle.service.run import Service
from spindle.settings import load
from tests.servers import ROOT, Server
from tests.services import ServiceProcess
from tests.waiting import until, wait_until

#: Much longer than whatever does not hang may take on a busy machine.
DEADLINE_SECONDS = 1.0


class Reader(Source):
    """A source whose reading hangs while ``blocked``."""

    name = "reader"
    about = "nothing"
    deadline_seconds = DEADLINE_SECONDS

    def __init__(self) -> None:
        super().__init__(load(SourceSettings, generation_interval_seconds=0.05))
        self.free = threading.Event()
        self.free.set()
        self.reads = 0

    def read(self, now_ns: int) -> list[Message]:
        self.reads += 1
        self.free.wait()
        return []

    def farewell(self, now_ns: int) -> list[Message]:
        return [Message("EVENTS", "events.event", b"farewell")]


class Other(Reader):
    name = "other"


async def test_a_source_that_hangs_is_named_once_its_neighbour_goes_on_and_a_stop_does_not_wait(
    caplog: pytest.LogCaptureFixture,
) -> None:
    health, taken = Health("daemon"), list[Message]()
    service = Service("daemon", load(SourceSettings), health)
    hung, well = Reader(), Other()
    states = SourceHealth(health, ("reader", "other"))
    meters = Meters(CollectorRegistry(), Backlog(1))
    both = asyncio.gather(
        *(tick(service, each, taken.extend, states, meters) for each in (hung, well))
    )
    await until(lambda: hung.reads and well.reads > 2 and health.healthy)
    hung.free.clear()
    await until(lambda: not health.healthy)
    assert health.report()["parts"] == {"sources": "reader has not answered for 1 s"}
    reads, others = hung.reads, well.reads
    await until(lambda: well.reads > others + 5)
    assert hung.reads == reads  # nobody asks it a second time

    hung.free.set()
    await until(lambda: health.healthy)
    hung.free.clear()
    await until(lambda: not health.healthy)
    service.stopping.set()
    async with asyncio.timeout(60):  # it hangs for good
        await both
    assert [message.payload for message in taken] == [b"farewell"]  # of the one that is well
    hung.free.set()
    assert len([text for text in caplog.messages if "has not answered" in text]) == 2


def test_a_call_that_hangs_is_not_made_again_and_its_late_answer_is_dropped() -> None:
    free, calls = threading.Event(), list[str]()

    def hangs() -> str:
        calls.append("hangs")
        free.wait()
        return "late"

    watched = Watched[str](DEADLINE_SECONDS)
    asked = {"ill": hangs, "well": lambda: "here"}
    for _ in range(3):
        assert watched.results(asked) == {"well": "here"}
        assert watched.stuck == {"ill": "has not answered for 1 s"}
    assert calls == ["hangs"]
    free.set()
    answers: list[dict[str, str]] = []
    while len(calls) < 2:
        answers.append(watched.results(asked))
    assert answers.pop() == {"ill": "late", "well": "here"}  # asked anew
    assert answers
    assert all(answer == {"well": "here"} for answer in answers)
    assert calls == ["hangs"] * 2
    assert watched.stuck == {}


def test_a_mistake_of_ours_in_a_watched_call_is_not_hidden() -> None:
    def fails() -> str:
        raise TypeError("ours")

    with pytest.raises(TypeError, match="ours"):
        Watched[str](1).results({"x": fails})


def test_a_file_system_that_hangs_is_named_and_the_others_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = threading.Event()
    mounts = [
        SimpleNamespace(device=f"/dev/sd{letter}1", mountpoint=f"/{letter}", fstype="ext4", opts="")
        for letter in "abc"
    ]

    def usage(path: str) -> SimpleNamespace:
        if path == "/b":
            free.wait()
        return SimpleNamespace(used=1, free=3)

    monkeypatch.setattr(psutil, "disk_partitions", lambda all: mounts)
    monkeypatch.setattr(psutil, "disk_usage", usage)
    probe = PsutilProbe(Drives(tmp_path), deadline=DEADLINE_SECONDS)
    assert probe.file_systems() == [FileSystem("sda1", 25), FileSystem("sdc1", 25)]
    assert probe.stuck == {"file system sdb1 on /b": "has not answered for 1 s"}
    free.set()
    wait_until(lambda: FileSystem("sdb1", 25) in probe.file_systems())
    assert probe.stuck == {}


def test_a_sensor_that_hangs_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    for name in ("sda", "sdb"):
        (tmp_path / name / "device/hwmon/hwmon1").mkdir(parents=True)
    os.mkfifo(tmp_path / "sda/device/hwmon/hwmon1/temp1_input")  # whose reader waits for ever
    (tmp_path / "sdb/device/hwmon/hwmon1/temp1_input").write_text("33000\n")
    probe = PsutilProbe(Drives(tmp_path), deadline=DEADLINE_SECONDS)
    assert probe.temperatures() == {"sdb": 33.0}
    assert probe.stuck == {"temperature sensor of sda": "has not answered for 1 s"}


HANGING = """
import threading, time, psutil
usage, mounts = psutil.disk_usage, psutil.disk_partitions(all=False)
Mount = type("Mount", (), {"device": "/dev/sdx1", "mountpoint": "/dying", "fstype": "", "opts": ""})
psutil.disk_partitions = lambda all: [*mounts, Mount]
psutil.disk_usage = lambda path: threading.Event().wait() if path == "/dying" else usage(path)
import runpy
runpy.run_module("daemon", run_name="__main__")
"""


@pytest.mark.fault("9")
def test_a_hanging_statfs_stops_neither_the_daemons_readings_nor_its_end(
    tmp_path: Path, nats_server: Server
) -> None:
    service = ServiceProcess(
        *("daemon", tmp_path),
        daemon_sources="host,simulator",
        generation_interval_seconds="0.5",
        nats_url=nats_server.url,
    )
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **service.settings}
    with service.log.open("ab") as log:
        service.process = subprocess.Popen(
            [sys.executable, "-c", HANGING], cwd=tmp_path, env=env, stdout=log, stderr=log
        )
    try:
        expected = "host: file system sdx1 on /dying has not answered for 2 s"
        deadline = time.monotonic() + 60
        while expected not in str(service.health()) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert expected in str(service.health()), service.said()
        before = service.total("daemon_tick_seconds_count")
        deadline = time.monotonic() + 60  # two sources, twice a second
        while service.total("daemon_tick_seconds_count") < before + 4:
            assert time.monotonic() < deadline, "the readings stopped"
            time.sleep(0.2)
        assert service.said().count("sdx1 on /dying has not answered") == 1
    finally:
        service.send(signal.SIGTERM)
        assert service.process.wait(60) == 0, service.said()
