"""``./run.sh`` as a user types it: a copy of this checkout, without Docker, on ports of its own."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nats
import nats.errors
import psutil
import pytest
from nats.aio.client import Client

from local.installation import RUNTIME, Venv
from local.layout import INSTANCE_VARIABLE, ROOT
from tests.servers import free_port

PORTS = (
    *("NATS_PORT", "NATS_MONITOR_PORT", "DAEMON_HTTP_PORT", "WRITER_HTTP_PORT"),
    *("READER_HTTP_PORT", "CLIENT_HTTP_PORT", "GATEWAY_HTTP_PORT"),
)
WAIT_SECONDS = 90.0
pytestmark = pytest.mark.timeout(300)  # a dozen processes on a machine that may be busy
REFUSED = "not.of.spindle"  # a subject that no service may publish on


@dataclass
class Checkout:
    """A copy of the checkout, and the environment its user has."""

    folder: Path
    environment: dict[str, str]

    def run(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """``./run.sh words...``."""
        return subprocess.run(
            ["./run.sh", *words],
            cwd=self.folder,
            env={**self.environment, **more},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    def query(self, *words: str) -> Any:
        """The data of an answer."""
        done = self.run("query", *words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["data"]

    def status(self) -> dict[str, dict[str, Any]]:
        """By service."""
        report = json.loads(self.run("status", "--json").stdout)
        return {row["service"]: row for row in report["services"]}

    def processes(self) -> list[psutil.Process]:
        """Everything that was started for this copy and still lives."""
        return [process for process in psutil.process_iter() if self._owns(process)]

    def _owns(self, process: psutil.Process) -> bool:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            return process.environ().get(INSTANCE_VARIABLE) == str(self.folder / ".spindle")
        except psutil.Error:
            return False

    def end(self) -> None:
        """Whatever a failed test left."""
        self.run("stop")
        for process in self.processes():
            process.kill()


def _copy(folder: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in os.fsdecode(listed.stdout).split("\0"):
        source = ROOT / name
        if name and source.is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, folder / name)


def _checkout(folder: Path) -> Checkout:
    if Venv(Path(sys.prefix)).lacks(RUNTIME):  # it is not ours to change under those who use it
        pytest.fail("what is installed is not what is pinned; ./run.sh test installs it")
    _copy(folder)
    own = {name: value for name, value in os.environ.items() if not _is_setting(name)}
    own |= {name: str(free_port()) for name in PORTS}
    own |= {
        "SPINDLE_MODE": "local",
        "SPINDLE_VENV": sys.prefix,
        "SIMULATED_FAULTS": "overheat:array1-disk2:after=1",
        "CLIENT_POLL_SECONDS": "1",
    }
    return Checkout(folder, own)


def _is_setting(name: str) -> bool:
    """What the developer's own environment may say of Spindle."""
    line = f"\n#{name}="
    return line in (ROOT / ".env.example").read_text()


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    """Its path is long and has a space and a percent sign, as users' paths do."""
    made = _checkout(tmp_path / "my checkout, 100 % mine")
    yield made
    made.end()


def _until(what: str, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not within {WAIT_SECONDS:g} s"
        time.sleep(0.3)


def test_from_start_to_answers_through_a_kill_to_a_clean_stop(checkout: Checkout) -> None:
    """What the README promises a newcomer, in one sitting."""
    started = checkout.run("start")
    assert started.returncode == 0, started.stdout + started.stderr
    assert f"nats://127.0.0.1:{checkout.environment['NATS_PORT']}" in started.stdout
    assert "./run.sh query devices" in started.stdout

    _devices_and_their_health(checkout)
    _starting_twice_changes_nothing(checkout)
    _another_checkout_disturbs_nothing(checkout)
    _a_killed_service_is_back_by_itself(checkout)
    _logs_and_metrics(checkout)
    _incident_is_reported(checkout)

    before = {row["device_id"]: row["last_seen"] for row in checkout.query("devices")}
    stopped = checkout.run("stop")
    assert stopped.returncode == 0, stopped.stderr
    assert checkout.processes() == []
    assert "nothing runs here" in checkout.run("stop").stdout
    nothing = checkout.run("status")
    assert nothing.returncode == 3
    assert "nothing runs here; ./run.sh start starts it" in nothing.stdout

    # Yesterday's readings are there, and only those: the daemon reads nothing new.
    again = checkout.run("restart", GENERATION_INTERVAL_SECONDS="86400")
    assert again.returncode == 0, again.stdout + again.stderr
    assert again.stdout.startswith("Spindle does not run here; starting all of it")
    after = {row["device_id"]: row["last_seen"] for row in checkout.query("devices")}
    assert set(before) <= set(after)


def _devices_and_their_health(checkout: Checkout) -> None:
    _until("simulated and real devices", lambda: len(checkout.query("devices")) > 10)
    devices = {row["device_id"] for row in checkout.query("devices")}
    assert "array1-disk1" in devices
    answers = [
        checkout.query("device_health", f"device_id=array1-disk{number}")["health"]
        for number in (1, 2, 3)
    ]
    assert "ok" in answers


def _starting_twice_changes_nothing(checkout: Checkout) -> None:
    before = {process.pid for process in checkout.processes()}
    twice = checkout.run("start")
    assert twice.returncode == 0
    assert "runs already" in twice.stdout
    moved = checkout.run("start", NATS_PORT=str(free_port()), READER_HTTP_PORT=str(free_port()))
    assert moved.returncode == 0
    first_line = moved.stdout.splitlines()[0]
    assert first_line.startswith("Spindle runs already, where it was started: NATS at nats://")
    for name in ("NATS_PORT", "READER_HTTP_PORT"):
        assert f"127.0.0.1:{checkout.environment[name]}" in first_line
    other = checkout.run("start", STORE_URL="influxdb://127.0.0.1:1/elsewhere")
    assert "where it was started: store sqlite:///" in other.stdout.splitlines()[0]
    assert {process.pid for process in checkout.processes()} == before


def _another_checkout_disturbs_nothing(checkout: Checkout) -> None:
    """A port of the first is named, with its setting; stopping the second leaves the first."""
    other = _checkout(checkout.folder.parent / "other")
    taken = other.run("start", READER_HTTP_PORT=checkout.environment["READER_HTTP_PORT"])
    assert taken.returncode == 3
    assert "set READER_HTTP_PORT" in taken.stderr
    assert other.processes() == []
    assert "nothing runs here" in other.run("stop").stdout
    assert checkout.run("status").returncode == 0


def _a_killed_service_is_back_by_itself(checkout: Checkout) -> None:
    old = checkout.status()["writer"]["pid"]
    os.kill(old, signal.SIGKILL)

    def is_back() -> bool:
        row = checkout.status()["writer"]
        return row["pid"] not in (0, old) and row["health"] == "ok"

    _until("the writer is back", is_back)
    assert checkout.run("status").returncode == 0


def _logs_and_metrics(checkout: Checkout) -> None:
    logs = checkout.run("logs", "writer-service-go", "--no-follow", "-n", "3")
    lines = [json.loads(line) for line in logs.stdout.splitlines()]
    assert {line["service"] for line in lines} == {"writer"}
    unknown = checkout.run("logs", "wat")
    assert unknown.returncode == 2
    assert "there are nats, writer" in unknown.stderr
    for name in ("DAEMON", "WRITER", "READER", "CLIENT"):
        port = checkout.environment[f"{name}_HTTP_PORT"]
        page = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30).read()
        assert f"{name.lower()}_".encode() in page


def _incident_is_reported(checkout: Checkout) -> None:
    _until("the incident's events", lambda: bool(checkout.query("alerts_critical")))
    output = checkout.folder / "client_output.log"
    _until("the client's log", lambda: output.exists() and bool(output.read_text()))


def test_what_a_killed_start_left_behind_is_taken_over(checkout: Checkout) -> None:
    """kill -9 of supervisord orphans the services: status says so, the next start mends it."""
    assert checkout.run("start").returncode == 0
    orphans = {process.pid for process in checkout.processes()}
    os.kill(int((checkout.folder / ".spindle/run/supervisord.pid").read_text()), signal.SIGKILL)
    _until("supervisord is gone", lambda: len(checkout.processes()) == len(orphans) - 1)

    status = checkout.run("status")
    assert status.returncode == 3
    assert "left processes behind" in status.stderr

    again = checkout.run("start")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "taking down" in again.stdout
    assert orphans.isdisjoint({process.pid for process in checkout.processes()})
    checkout.run("stop")
    assert checkout.processes() == []


def test_a_start_ends_when_it_is_interrupted_or_stopped_meanwhile(checkout: Checkout) -> None:
    """At once, with one line at most; what an interruption left is stopped like all else."""
    checkout.environment["STORE_URL"] = "influxdb://127.0.0.1:1/never"  # never healthy
    for end in ("interrupted", "stopped"):
        with subprocess.Popen(
            ["./run.sh", "start"],
            cwd=checkout.folder,
            env=checkout.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as start:
            _until("NATS is there", lambda: checkout.status()["nats"]["health"] == "ok")
            if end == "interrupted":
                start.send_signal(signal.SIGINT)
            stopped = checkout.run("stop") if end == "stopped" else None
            _, said = start.communicate(timeout=60)
        assert len(said.splitlines()) <= 1, said
        assert start.returncode == (130 if end == "interrupted" else 1)
        assert stopped is None or "another ./run.sh stopped it meanwhile" in said
        checkout.run("stop")
    assert checkout.processes() == []


def test_whatever_is_wrong_in_the_settings_what_runs_is_shown_and_stopped(
    checkout: Checkout,
) -> None:
    """As it was started: nothing of what was broken since counts."""
    assert checkout.run("start").returncode == 0
    one = checkout.run("restart", "client", CLIENT_POLL_SECONDS="9")
    assert one.returncode == 0, one.stdout + one.stderr
    assert "started with another CLIENT_POLL_SECONDS in its environment" in one.stderr
    checkout.environment |= {"WRITER_HTTP_PORT": "x", "NATS_SYNC": "never", "SPINDLE_MODE": "lcal"}
    checkout.environment |= {"READER_HTTP_PORT": "1", "SPINDLE_HOME": "run.sh"}
    status = checkout.run("status")
    assert status.returncode == 0, status.stdout + status.stderr
    for name in ("SPINDLE_MODE", "WRITER_HTTP_PORT", "NATS_SYNC", "SPINDLE_HOME"):
        assert f"  {name}: " in status.stderr
    assert checkout.run("logs", "writer", "-n", "1", "--no-follow").stdout
    assert checkout.run("restart").returncode == 2
    stopped = checkout.run("stop")
    assert stopped.returncode == 0, stopped.stderr
    assert "stopped; the data is kept" in stopped.stdout
    assert "NATS_SYNC: given 'never', expected 'always' or 'interval'" in stopped.stderr
    assert checkout.processes() == []


def test_users_and_permissions_are_enough_for_every_service(checkout: Checkout) -> None:
    """All is healthy and nothing of ours is denied, but strangers are."""
    started = checkout.run("start")
    assert started.returncode == 0, started.stdout + started.stderr
    passwords = json.loads((checkout.folder / ".spindle/nats-users.json").read_text())
    asyncio.run(_publishing(checkout, passwords))
    _until("the event is told", lambda: bool(checkout.query("alerts_critical")))
    output = checkout.folder / "client_output.log"
    _until("the event is written down", lambda: output.exists() and "e-1" in output.read_text())
    assert checkout.run("status").returncode == 0

    logs = "".join(path.read_text() for path in (checkout.folder / ".spindle/logs").iterdir())
    violations = [line for line in logs.splitlines() if "violation" in line.lower()]
    assert [line for line in violations if REFUSED not in line] == []
    assert violations  # so the check above would have seen others
    assert not any(password in logs for password in passwords.values())


async def _publishing(checkout: Checkout, passwords: dict[str, str]) -> None:
    """An event by a guest; one by who may not; and nobody with a wrong password."""
    refused = asyncio.Event()

    async def on_error(error: Exception) -> None:
        if "permissions violation" in str(error).lower():
            refused.set()

    async def sign_in(user: str | None, password: str | None) -> Client:
        address = f"nats://127.0.0.1:{checkout.environment['NATS_PORT']}"
        return await nats.connect(
            address, user=user, password=password, error_cb=on_error, allow_reconnect=False
        )

    now = datetime.now(UTC).isoformat()
    event = {"id": "e-1", "criticality": 9, "timestamp": now, "sourceDevice": "DiskUnit"}
    guest = await sign_in(None, None)  # publishers and questions of others go on as they are
    await guest.publish("events.event", json.dumps(event | {"eventType": "DriveFailure"}).encode())
    question = {"query_type": "device_health", "params": {"source_device": "DiskUnit"}}
    answer = await guest.request("reader.query", json.dumps(question).encode(), timeout=60)
    assert json.loads(answer.data)["status"] == "success"
    await guest.drain()

    reader = await sign_in("reader", passwords["reader"])
    await reader.publish(REFUSED, b"{}")
    async with asyncio.timeout(60):
        await refused.wait()
    await reader.close()

    with pytest.raises(nats.errors.Error, match="Authorization"):
        await sign_in("daemon", "guessed")


def test_where_nothing_ever_ran_each_command_says_so(checkout: Checkout) -> None:
    """And makes no folder."""
    for words, code, sentence in (
        (("status",), 3, "nothing runs here; ./run.sh start starts it"),
        (("stop",), 0, "nothing runs here"),
        (("logs",), 1, "there are no logs yet; ./run.sh start makes some"),
        (("logs", "nosuch"), 2, 'there is no service "nosuch"; there are nats, writer'),
        (("restart", "nosuch"), 2, 'there is no service "nosuch"; there are nats, writer'),
    ):
        done = checkout.run(*words)
        assert done.returncode == code, done.stdout + done.stderr
        assert sentence in done.stdout + done.stderr
    assert not (checkout.folder / ".spindle").exists()


def test_every_mistake_in_the_settings_is_told_before_anything_starts(checkout: Checkout) -> None:
    done = checkout.run("start", LOG_LEVEL="loud", NATS_PORT="x", WRITER_HTTP_PORT="-1")
    assert done.returncode == 2
    for name in ("LOG_LEVEL", "NATS_PORT", "WRITER_HTTP_PORT"):
        assert f"{name}: given" in done.stderr
    assert not (checkout.folder / ".spindle").exists()
    assert checkout.processes() == []
