"""``./run.sh test``: which folders of tests to run, and how."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from local import show

FOLDERS = ("unit", "contract", "integration", "e2e", "chaos", "simulation")
#: Folders whose tests have a long form, run when the folder is asked for by name.
LONG = ("chaos", "simulation")
#: Folders whose tests can run against containers.
WITH_CONTAINERS = ("contract", "integration")

LONG_VARIABLE = "SPINDLE_TEST_LONG"
CONTAINERS_VARIABLE = "SPINDLE_TEST_CONTAINERS"


@dataclass(frozen=True, slots=True)
class Plan:
    """What pytest is called with, and the environment beside the user's own."""

    arguments: Sequence[str]
    environment: Mapping[str, str]


def plan(words: Sequence[str]) -> Plan:
    """From what stands behind ``./run.sh test``: folders, --containers, arguments of pytest."""
    containers = "--containers" in words
    rest = [word for word in words if word != "--containers"]
    folders = [word for word in rest if word in FOLDERS]
    paths = any(word.startswith("tests/") for word in rest)
    others = [word for word in rest if word not in FOLDERS]
    environment = {}
    if containers:
        environment[CONTAINERS_VARIABLE] = "1"
    if any(folder in LONG for folder in folders):
        environment[LONG_VARIABLE] = "1"
    if not folders and not paths:
        folders = list(WITH_CONTAINERS if containers else FOLDERS)
    return Plan([*(f"tests/{folder}" for folder in folders), *others], environment)


def run(words: Sequence[str]) -> int:
    """Run pytest; its exit code."""
    made = plan(words)
    if CONTAINERS_VARIABLE in made.environment and not _docker_answers():
        show.complain("--containers needs a Docker engine, and none answers `docker info`")
        return 2
    command = [sys.executable, "-m", "pytest", *made.arguments]
    return subprocess.run(command, env={**os.environ, **made.environment}, check=False).returncode  # noqa: S603


def _docker_answers() -> bool:
    try:
        done = subprocess.run(
            ["docker", "info"],  # noqa: S607 - the user's own docker
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        return False
    return done.returncode == 0
