"""``python -m client inject`` on a running daemon, as a user types it; the truth in its stream."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nats
import orjson
import pytest
from nats.aio.msg import Msg

from client.__main__ import app
from client.verbs import inject as verb
from tests import servers
from tests.servers import ROOT, Server, free_port
from tests.services import ServiceProcess
from tests.waiting import until


@pytest.fixture(scope="module")
def nats_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Where NATS answers, with a daemon that simulates a fleet without faults."""
    folder = tmp_path_factory.mktemp("inject")
    with servers.running(servers.nats_server(folder / "nats")) as nats_server:
        process = ServiceProcess(
            "daemon",
            folder,
            nats_url=f"nats://127.0.0.1:{nats_server.port}",
            daemon_sources="simulator",
            simulated_incident_seconds=0,
            generation_interval_seconds=0.1,
        )
        process.start()
        yield nats_server.port
        process.stop()


def inject(folder: Path, port: int, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "client", "inject", *words],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "NATS_URL": f"nats://127.0.0.1:{port}",
        },
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def test_a_fault_is_begun_and_stopped_and_its_truth_is_kept(
    nats_port: int, tmp_path: Path
) -> None:
    done = inject(tmp_path, nats_port, "silent", "device_id=array1-disk3", "for=5m")
    assert done.returncode == 0, done.stderr
    begun = json.loads(done.stdout)
    assert (begun["fault"], begun["device_id"]) == ("silent", "array1-disk3")
    again = inject(tmp_path, nats_port, "silent", "device_id=array1-disk3")
    assert again.returncode == 1
    assert "stop that one first" in again.stderr
    beside = inject(tmp_path, nats_port, "overheat", "device_id=array1-disk3")
    second = json.loads(beside.stdout)
    stopped = inject(tmp_path, nats_port, "stop", "device_id=array1-disk3", "only=silent")
    assert json.loads(stopped.stdout)["also"] == []
    assert inject(tmp_path, nats_port, "stop", "device_id=array1-disk3").returncode == 0

    client = await nats.connect(f"nats://127.0.0.1:{nats_port}")
    told: list[dict[str, Any]] = []

    async def tell(message: Msg) -> None:
        told.append(orjson.loads(message.data))

    await client.jetstream().subscribe("simulation.truth", ordered_consumer=True, cb=tell)
    await until(lambda: len(told) == 4)
    assert [(each["id"], each["phase"]) for each in told] == [
        (begun["id"], "start"),
        (second["id"], "start"),
        (begun["id"], "end"),
        (second["id"], "end"),
    ]
    assert told[0]["to"] == begun["to"] > told[2]["to"] > begun["from"]
    await client.close()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["fish", "device_id=array1"], 1, "no fault is called 'fish': expected one of overheat,"),
        (["silent", "device_id=sda"], 1, "no simulated device is called 'sda' (real ones cannot"),
        (["silent", "device_id=array1", "for=long"], 1, "expected a duration of 1 s to 30 days"),
        (["silent"], 2, "on which device? expected device_id=..."),
        (["silent", "device=array1"], 2, "there is no device: expected device_id=..."),
        (["stop", "device_id=array2"], 1, "array2 has no fault that could be stopped"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    nats_port: int, tmp_path: Path, words: list[str], code: int, said: str
) -> None:
    done = inject(tmp_path, nats_port, *words)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert "\n\n" not in done.stderr


def test_without_a_daemon_it_says_so(nats_server: Server, tmp_path: Path) -> None:
    done = inject(tmp_path, nats_server.port, "silent", "device_id=array1")
    assert (done.returncode, done.stderr) == (69, "no daemon answers; is it started?\n")


def test_without_nats_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NATS_URL", f"nats://127.0.0.1:{free_port()}")
    monkeypatch.setattr(verb, "WAIT_SECONDS", 1.0)
    with pytest.raises(SystemExit) as ended:
        app(["inject", "silent", "device_id=array1"])
    assert ended.value.code == 69
    assert "is it started?\n" in capsys.readouterr().err
