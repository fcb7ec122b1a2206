"""The whole pipeline as NATS's users: nothing of what a service does is refused it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from reader.questions.registry import QUERIES
from tests.guarded_nats import Broker, guarded
from tests.http_calls import call
from tests.servers import ROOT
from tests.services import ServiceProcess
from tests.waiting import until

NAMES = ("writer", "daemon", "reader", "client", "gateway")
VISIT = {
    "vehicle_plate": "B1",
    "entry_date_time": "2026-01-01T00:00:00Z",
    "exit_date_time": "2026-01-01T01:00:00Z",
}
READING = {
    "timestamp": "2026-01-01T00:00:00Z",
    "sourceDevice": "DiskUnit",
    "deviceId": "d1",
    "metricType": "DiskTemp",
    "value": 40.0,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("guarded")


@pytest.fixture(scope="module")
def broker(folder: Path) -> Iterator[Broker]:
    with guarded(folder) as running:
        yield running


def _signed_in(broker: Broker, folder: Path, user: str) -> dict[str, str]:
    return {
        "nats_url": broker.url,
        "nats_user": user,
        "nats_password": broker.passwords[user],
        "store_url": f"sqlite:///{folder}/spindle.db",
    }


@pytest.fixture(scope="module")
def services(broker: Broker, folder: Path) -> Iterator[dict[str, ServiceProcess]]:
    made = {
        name: ServiceProcess(name, folder, **_signed_in(broker, folder, name)) for name in NAMES
    }
    try:
        for service in made.values():
            service.start(wait=False)
        for service in made.values():
            service.wait_healthy()
        yield made
    finally:
        for service in reversed(made.values()):
            service.stop()


def _run(broker: Broker, folder: Path, user: str, module: str, *words: str) -> str:
    """A program of a service's, signed in as ``./run.sh`` does it."""
    signed_in = {key.upper(): value for key, value in _signed_in(broker, folder, user).items()}
    done = subprocess.run(
        [sys.executable, "-m", module, *words],
        cwd=folder,
        env=os.environ | signed_in | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def test_nothing_that_services_do_is_refused(
    broker: Broker, folder: Path, services: dict[str, ServiceProcess]
) -> None:
    gateway = f"http://127.0.0.1:{services['gateway'].port}"
    await until(lambda: "matched_events" in call(f"{gateway}/metrics").body.decode())
    for name in QUERIES:
        assert call(f"{gateway}/api/v1/{name}").status in {200, 400, 405}, name
    for _ in range(2):
        saved = call(f"{gateway}/save_summary", VISIT, idempotency_key="k1")
        assert saved.status == 202, saved.body
    device = {"device_id": "array1-disk1"}
    for word in ("acknowledge", "retire"):
        call(f"{gateway}/api/v1/{word}", device)

    async with broker.as_user("client") as (client, refused):
        asked = json.dumps({"fault": "overheat", **device}).encode()
        await client.request("simulation.inject", asked, timeout=10)
        assert refused == []
    past = folder / "past.jsonl"
    past.write_text(json.dumps(READING) + "\n")
    _run(broker, folder, "daemon", "daemon.replay", str(past), "--shift-to-now")
    _run(broker, folder, "writer", "writer.repair")

    said = (folder / "nats.log").read_text()
    assert [line for line in said.splitlines() if "Violation" in line] == []
