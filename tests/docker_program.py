"""A stand-in for the ``docker`` program, which notes how it is called, and run.sh's commands."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from local import cli, layout, where
from local.docker import containers
from local.layout import ROOT

DOCKER = """#!/bin/sh
echo "docker $*" >> "$CALLS"
env > "$CALLS.environment"
case "$*" in
  info) exit "${DOCKER_INFO:-0}" ;;
  "compose version") exit "${COMPOSE_MISSING:-0}" ;;
  *" -f - up "*) cat >"$CALLS.given" ;;
  "compose up "*) exit "${COMPOSE_UP:-0}" ;;
  *"ps --all --format {{"*) printf "${COMPOSE_PS:-}" ;;
  "compose config --quiet")
    if [ -n "${COMPOSE_REFUSES:-}" ]; then echo "invalid hostPort: x"; exit 15; fi
    ;;
  "compose config --services") printf 'nats\\nwriter\\nreader\\nclient\\ndaemon\\ngrafana\\n' ;;
  "compose ps --quiet") printf "${COMPOSE_RUNS:-}" ;;
  "volume ls --quiet") printf "${VOLUME_NAMES:-}" ;;
  "compose run --rm --no-deps -T --entrypoint "*)
    # Does in the folder VOLUMES what a container would do in its own root.
    program=$7
    shift 8
    case "$program $1" in
      "tar -C") folder=$VOLUMES$2; shift 2; set -- -C "$folder" "$@" ;;
      "sh -c") set -- -c "cd $VOLUMES${2#cd }" ;;
    esac
    exec "$program" "$@"
    ;;
esac
"""
#: Secrets that nobody knows, as a BIND_ADDRESS for others to reach wants them.
OWN = {
    "INFLUXDB_INIT_PASSWORD": "own-password",
    "INFLUXDB_TOKEN": "own-token",
    "GRAFANA_ADMIN_PASSWORD": "own",
}
UP = "docker compose up --build --detach --wait --wait-timeout 180"


@dataclass
class Docker:
    """What was called, and with which environment."""

    calls_file: Path
    monkeypatch: pytest.MonkeyPatch

    @property
    def calls(self) -> list[str]:
        return self.calls_file.read_text().splitlines() if self.calls_file.exists() else []

    @property
    def environment(self) -> dict[str, str]:
        lines = Path(f"{self.calls_file}.environment").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def does(self, **settings: str) -> None:
        for name, value in settings.items():
            self.monkeypatch.setenv(name, value)

    def forget(self) -> None:
        self.calls_file.unlink(missing_ok=True)


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Docker:
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(DOCKER)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setattr(layout, "ROOT", tmp_path)  # where NATS's passwords are kept
    for name in ("SPINDLE_PROJECT", "COMPOSE_PROJECT_NAME", "SPINDLE_MODE"):
        monkeypatch.delenv(name, raising=False)
    return Docker(tmp_path / "calls", monkeypatch)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the commands believe to be the checkout."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / ".env.example").write_text("## all\n#A=1\n")
    shutil.copy(ROOT / "docker-compose.yml", folder)
    for module in (cli, where, containers, layout):
        monkeypatch.setattr(module, "ROOT", folder)
    monkeypatch.chdir(folder)
    return folder


def run(*words: str) -> int:
    """``python -m local words...``; its exit code."""
    arguments, sys.argv = sys.argv, ["local", *words]
    try:
        cli.main()
    except SystemExit as ended:
        return int(ended.code or 0)
    finally:
        sys.argv = arguments
    return 0
