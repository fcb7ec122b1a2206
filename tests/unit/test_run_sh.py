"""``run.sh`` itself, a door: it finds a Python, or on a Docker host does with compose alone."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from local.layout import ROOT

#: What run.sh may use of the system: nothing that macOS has not.
SYSTEM = ("bash", "chmod", "cksum", "cut", "dirname", "grep", "od", "tr")
DOCKER = """#!/bin/sh
set >"$CALLS.environment"
echo "docker $* as $SPINDLE_PROJECT" >>"$CALLS"
exit "${DOCKER_RUNS:-0}"
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A PATH with what run.sh needs, this Python, and a stand-in for docker."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in SYSTEM:
        (programs / name).symlink_to(shutil.which(name) or pytest.fail(f"no {name}"))
    (programs / "docker").write_text(DOCKER)
    (programs / "docker").chmod(0o755)
    (programs / "python3.11").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (programs / "python3.11").chmod(0o755)
    return {
        "PATH": str(programs),
        "CALLS": str(tmp_path / "calls"),
        "SPINDLE_VENV": str(tmp_path / "nothing installed"),
    }


def run(
    environment: dict[str, str], *words: str, root: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [root / "run.sh", *words],
        env=environment,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def without_python(environment: dict[str, str], code: int) -> dict[str, str]:
    """The one there is answers so when it is asked what it is."""
    python = Path(environment["PATH"]) / "python3.11"
    python.write_text(f"#!/bin/sh\nexit {code}\n")
    return environment


def calls(environment: dict[str, str]) -> list[str]:
    file = Path(environment["CALLS"])
    return file.read_text().splitlines() if file.exists() else []


def test_an_unknown_word_prints_usage_and_exits_2(environment: dict[str, str]) -> None:
    done = run(environment, "strat")
    assert done.returncode == 2
    assert 'there is no command "strat"' in done.stderr
    assert "usage: ./run.sh" in done.stderr
    assert done.stdout == ""


def test_help_shows_every_command(environment: dict[str, str]) -> None:
    done = run(environment, "help")
    assert done.returncode == 0
    for word in (
        *("init", "build", "start", "stop", "restart", "all", "status", "logs", "query"),
        *("inject", "deadletters", "repair", "score", "backup", "restore"),
        *("replace", "test", "check", "bench", "help"),
    ):
        assert f"\n  {word}" in done.stdout


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (3, "Python 3.11 or later is needed and none is on PATH"),
        (1, "python3.11 has no venv module; install it"),
    ],
)
def test_without_a_python_that_will_do_one_sentence_says_so(
    environment: dict[str, str], code: int, sentence: str
) -> None:
    done = run(without_python(environment, code) | {"DOCKER_RUNS": "1"}, "build")
    assert done.returncode == 1
    assert done.stderr.startswith(f"run.sh: {sentence}")
    assert len(done.stderr.splitlines()) == 1


def test_without_python_too_nats_asks_who_one_is(environment: dict[str, str]) -> None:
    """Unless it is said otherwise. Each user has a password of its own that nobody can guess."""
    seen = Path(f"{environment['CALLS']}.environment")
    assert run(without_python(environment, 127), "start").returncode == 0
    said = seen.read_text()
    passwords = re.findall(r"^NATS_PASSWORD_\w+='?(p[0-9a-f]{32})'?$", said, re.MULTILINE)
    assert len(set(passwords)) == 7
    assert re.search("^NATS_AUTH='?guest'?$", said, re.MULTILINE)
    given = {**without_python(environment, 127), "NATS_AUTH": "none"}
    assert run(given, "start").returncode == 0
    assert "NATS_PASSWORD" not in seen.read_text()


@pytest.mark.parametrize(
    ("words", "call"),
    [
        ((), "docker compose up --build --detach --wait --wait-timeout 180"),
        (("start",), "docker compose up --build --detach --wait --wait-timeout 180"),
        (("stop",), "docker compose down"),
        (("status",), "docker compose ps --all"),
        (("logs", "writer"), "docker compose logs --follow --tail 50 writer"),
    ],
)
def test_a_docker_host_without_python_runs_compose(
    environment: dict[str, str], words: tuple[str, ...], call: str
) -> None:
    done = run(without_python(environment, 127), *words)
    assert done.returncode == 0, done.stderr
    assert calls(environment)[-1].startswith(f"{call} as spindle-")


def test_without_python_what_there_is_is_said(environment: dict[str, str]) -> None:
    done = run(without_python(environment, 127), "query", "devices")
    assert (done.returncode, done.stderr) == (
        2,
        "run.sh: without Python there are start, stop, logs and status\n",
    )
    done = run(without_python(environment, 127) | {"SPINDLE_MODE": "local"}, "stop")
    assert done.returncode == 1


def test_two_checkouts_are_two_projects(environment: dict[str, str], tmp_path: Path) -> None:
    """So that stopping one leaves the containers of the other."""
    without_python(environment, 127)
    for name in ("one", "the other"):
        (tmp_path / name).mkdir()
        shutil.copy(ROOT / "run.sh", tmp_path / name)
        run(environment, "stop", root=tmp_path / name)
    projects = {call.rpartition(" ")[2] for call in calls(environment)}
    assert len(projects) == 2


def test_ctrl_c_at_any_moment_is_exit_code_130_and_no_traceback() -> None:
    """While bash looks for Python, while either interpreter starts, while the command works."""
    for tenth in range(0, 16, 2):
        with subprocess.Popen(
            [ROOT / "run.sh", "logs", "nosuch", "--no-follow"],
            env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "SPINDLE_MODE": "local"},
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as child:
            time.sleep(tenth / 20)
            if child.poll() is None:
                child.send_signal(signal.SIGINT)
            _, said = child.communicate(timeout=60)
        assert "Traceback" not in said
        # Ended by the signal itself, which a shell calls 130; or it was ready before.
        assert child.returncode in (130, -signal.SIGINT, 2, 1)
        assert len(said.strip().splitlines()) <= 1


def test_ctrl_c_ends_what_follows_the_logs_like_every_command(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "writer.log").write_text("one line\n")
    environment = {**os.environ, "SPINDLE_HOME": str(tmp_path), "SPINDLE_MODE": "local"}
    command = [sys.executable, "-m", "local", "logs", "writer"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "one line\n"
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=60)
    assert (child.returncode, said) == (130, "")


def test_make_help_lists_every_target_with_one_line() -> None:
    """And every target calls run.sh."""
    lines = (ROOT / "Makefile").read_text().splitlines()
    targets = [line.partition(":")[0] for line in lines if re.match(r"[a-z-]+: *## ", line)]
    phony = next(line for line in lines if line.startswith(".PHONY")).split()[1:]
    assert sorted(targets) == sorted(phony)
    if make := shutil.which("make"):
        command = [make, "-s", "--no-print-directory", "-C", str(ROOT), "help"]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert sorted(line.split()[0] for line in shown.splitlines()) == sorted(targets)
