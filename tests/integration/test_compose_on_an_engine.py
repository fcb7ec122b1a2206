"""``docker-compose.yml`` on a real engine, as a user runs it: ``./run.sh test --containers``.

Everything lies in a clone of its own, made with umask 077, under a project of its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from local.layout import ROOT
from local.nats.users import USERS
from tests.servers import free_port

PORTS = (
    *("NATS_PORT", "NATS_MONITOR_PORT", "INFLUXDB_PORT", "GRAFANA_PORT", "PROMETHEUS_PORT"),
    *("DAEMON_HTTP_PORT", "WRITER_HTTP_PORT", "READER_HTTP_PORT", "CLIENT_HTTP_PORT"),
    "GATEWAY_HTTP_PORT",
)
pytestmark = pytest.mark.timeout(1800)


@pytest.fixture(autouse=True)
def _engine(request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("--containers"):
        pytest.skip("needs a Docker engine: ./run.sh test --containers")


@dataclass
class Clone:
    """A checkout, and what its user's shell has set."""

    folder: Path
    environment: dict[str, str]

    def run(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """``./run.sh words...``, with what is installed for these tests."""
        return self._do([sys.executable, "-m", "local", *words], more)

    def docker(self, *words: str) -> str:
        """What ``docker compose words...`` says."""
        done = self._do(["docker", "compose", *words], {})
        assert done.returncode == 0, done.stderr
        return done.stdout

    def inside(self, service: str) -> dict[str, str]:
        """The environment that a service has."""
        lines = self.docker("exec", "-T", service, "env").splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def _do(self, command: list[str], more: dict[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**self.environment, **more},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=1200,
            check=False,
        )


def _clone(folder: Path) -> Clone:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    before = os.umask(0o077)
    try:
        for name in os.fsdecode(listed.stdout).split("\0"):
            if name and (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, folder / name)
    finally:
        os.umask(before)
    environment = {**os.environ, "SPINDLE_MODE": "docker", "SPINDLE_PROJECT": folder.name}
    return Clone(folder, environment | {name: str(free_port()) for name in PORTS})


@pytest.fixture
def clones(tmp_path: Path) -> Iterator[tuple[Clone, Clone]]:
    stamp = f"{os.getpid()}-{int(time.time())}"
    made = _clone(tmp_path / f"spindle-a-{stamp}"), _clone(tmp_path / f"spindle-b-{stamp}")
    yield made
    for clone in made:
        clone.docker("down", "--volumes")


def test_two_clones_run_side_by_side_as_their_users_set_them(clones: tuple[Clone, Clone]) -> None:
    """One long sitting, since a start takes a minute."""
    one, other = clones
    for clone in clones:
        started = clone.run("start")
        assert started.returncode == 0, started.stdout + started.stderr

    _each_has_its_own_secrets(one)
    _nothing_is_written_but_volumes(one)
    _dead_letters_are_the_operators(one)
    _a_picture_lies_where_it_was_asked_for(one)
    _a_secret_is_given_once(one)
    _settings_of_now_apply(one)
    _a_loop_of_crashes_is_explained(one)

    assert other.run("stop").returncode == 0
    assert one.run("status").returncode == 0
    marked = one.folder / "writer" / "main.py"
    marked.write_text(marked.read_text() + "# changed\n")
    with _busy(15):
        again = one.run("start", INFLUXDB_BUCKET="mine")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "# changed" in one.docker("exec", "-T", "writer", "cat", "/app/writer/main.py")
    for service in ("writer", "reader"):
        assert one.inside(service)["INFLUXDB_BUCKET"] == "mine"
    assert one.inside("grafana")["SPINDLE_INFLUXDB_BUCKET"] == "mine"
    _what_stores_is_stopped_last(one)


def _each_has_its_own_secrets(clone: Clone) -> None:
    known = json.loads((clone.folder / ".spindle" / "nats-users.json").read_text())
    for user in USERS:
        for service in ("daemon", "writer", "reader", "client", "gateway"):
            held = known[user.name] in clone.inside(service).values()
            assert held == (user.name == service)
    assert not any("spindle-loopback-token" in each for each in clone.inside("gateway").values())


def _nothing_is_written_but_volumes(clone: Clone) -> None:
    refused = subprocess.run(
        ["docker", "compose", "exec", "-T", "writer", "touch", "/app/x"],
        cwd=clone.folder,
        env=clone.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode != 0
    assert "Read-only file system" in refused.stderr


def _dead_letters_are_the_operators(clone: Clone) -> None:
    purged = clone.run("deadletters", "purge", "--all")
    assert purged.returncode == 0, purged.stdout + purged.stderr


def _a_picture_lies_where_it_was_asked_for(clone: Clone) -> None:
    folder = clone.folder / "of mine"
    folder.mkdir()
    series = ("device_id=array1-disk1", "metric_type=DiskTemp", "source_device=DiskUnit")
    drawn = clone.run("plot", *series, "-o", "p.png", SPINDLE_CALLED_FROM=str(folder))
    assert drawn.returncode == 0, drawn.stdout + drawn.stderr
    assert (folder / "p.png").read_bytes().startswith(b"\x89PNG")


def _a_secret_is_given_once(clone: Clone) -> None:
    both = {"GATEWAY_TOKEN": "t", "GATEWAY_TOKEN_FILE": "token"}
    refused = clone.run("restart", "gateway", **both)
    assert refused.returncode != 0
    assert "GATEWAY_TOKEN is set too" in refused.stdout + refused.stderr
    assert clone.run("restart", "gateway").returncode == 0


@contextlib.contextmanager
def _busy(processes: int) -> Iterator[None]:
    """That many processes that take what they can, for ten minutes at most."""
    loop = "import time\nuntil = time.monotonic() + 600\nwhile time.monotonic() < until: pass"
    busy = [subprocess.Popen([sys.executable, "-c", loop]) for _ in range(processes)]
    try:
        yield
    finally:
        for each in busy:
            each.kill()
            each.wait()


def _settings_of_now_apply(clone: Clone) -> None:
    lines = ("LOG_LEVEL=debug", "GATEWAY_TOKEN=abc$def", "CLIENT_OUTPUT=client_output.log")
    (clone.folder / ".env").write_text("\n".join(lines))
    for service in ("writer", "gateway", "client"):
        again = clone.run("restart", service)
        assert again.returncode == 0, again.stdout + again.stderr
    assert clone.inside("writer")["LOG_LEVEL"] == "debug"
    assert clone.inside("gateway")["GATEWAY_TOKEN"] == "abc$def"
    assert clone.inside("writer")["GATEWAY_TOKEN"] == ""


def _a_loop_of_crashes_is_explained(clone: Clone) -> None:
    failed = clone.run("restart", "reader", LOG_LEVEL="loud")
    assert failed.returncode != 0
    assert "LOG_LEVEL: given 'loud'" in failed.stdout + failed.stderr
    assert clone.run("restart", "reader").returncode == 0


def _what_stores_is_stopped_last(clone: Clone) -> None:
    stopped = clone.run("stop")
    assert stopped.returncode == 0
    ends = [
        line.split()[1].removeprefix(f"{clone.folder.name}-").removesuffix("-1")
        for line in (stopped.stdout + stopped.stderr).splitlines()
        if line.split()[0:1] == ["Container"] and line.split()[-1] == "Stopped"
    ]
    for service in ("daemon", "gateway", "client", "reader", "writer"):
        assert ends.index(service) < ends.index("nats")
    for service in ("reader", "writer"):
        assert ends.index(service) < ends.index("influxdb")
    assert ends.index("daemon") < ends.index("writer")
