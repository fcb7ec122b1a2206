"""``./run.sh test``: which folders of tests to run, and how."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from local import output
from local.installation import docker_answers

#: In this order: what waits longest begins first.
FOLDERS = ("e2e", "chaos", "integration", "contract", "unit", "simulation")
#: Folders with a long form, run when they are asked for by name: what turns it on.
LONG = {
    "chaos": {"SPINDLE_TEST_LONG": "1"},
    "simulation": {"SPINDLE_SEEDS": "100000"},
}
#: How often the long form of chaos runs the test of each fault that was found once.
ROUNDS = 10
#: Folders whose tests can also run against containers.
WITH_CONTAINERS = ("contract", "integration")
CONTAINERS = "--containers"
#: Processes that share the tests, by whole files. More than cores: a test of services takes a third
#: of one, and waits the rest of its time for servers.
WORKERS = ("--numprocesses", "3", "--no-loadscope-reorder")
#: Arguments of pytest's that want one process: one's own number, a debugger, output as it comes.
ONE_PROCESS = ("-n", "--numprocesses", "--pdb", "-s", "--capture=no", CONTAINERS)


@dataclass(frozen=True, slots=True)
class Plan:
    """What pytest is called with, and the environment where the user's own says nothing."""

    arguments: Sequence[str]
    environment: Mapping[str, str]


def plan(words: Sequence[str]) -> Plan:
    """From what stands behind ``./run.sh test``: folders, --containers, arguments of pytest."""
    folders = [word for word in words if word in FOLDERS]
    others = [word for word in words if word not in FOLDERS]
    environment: dict[str, str] = {}
    for folder in folders:
        environment |= LONG.get(folder, {})
    if not folders and not any(word.startswith("tests/") for word in words):
        folders = list(WITH_CONTAINERS if CONTAINERS in words else FOLDERS)
    if folders == ["chaos"]:  # and what went wrong once, wherever its test stands
        folders = [folder for folder in FOLDERS if folder != "simulation"]
        others = ["--faults", str(ROUNDS), *others]
    alone = environment or not folders or any(word.startswith(ONE_PROCESS) for word in others)
    workers = () if alone else WORKERS
    return Plan([*(f"tests/{folder}" for folder in folders), *workers, *others], environment)


def strangers(words: Sequence[str]) -> list[str]:
    """Words that are no folder of tests, no file, no option and not what stands behind one.

    Processes that share the tests would say nothing of them, and run none.
    """
    before = ("", *words)
    return [
        word
        for option, word in zip(before, words, strict=False)
        if word not in FOLDERS
        and not word.startswith("-")
        and (not option.startswith("-") or option == CONTAINERS)
        and not Path(word.partition("::")[0]).exists()
    ]


def run(words: Sequence[str]) -> int:
    """Run pytest; its exit code."""
    if unknown := strangers(words):
        output.complain(
            f"there are no tests {', '.join(unknown)}; folders: {', '.join(sorted(FOLDERS))}"
        )
        return 2
    made = plan(words)
    if CONTAINERS in words and not docker_answers():
        output.complain("--containers needs a Docker engine, and none answers `docker info`")
        return 2
    command = [sys.executable, "-m", "pytest", *made.arguments]
    return subprocess.run(command, env={**made.environment, **os.environ}, check=False).returncode  # noqa: S603


def debian_program(name: str) -> str | None:
    """A program that run.sh unpacked from a Debian package, else the one on PATH."""
    unpacked = Path(sys.prefix) / "debian" / "usr" / "bin" / name
    return str(unpacked) if unpacked.is_file() else shutil.which(name)
