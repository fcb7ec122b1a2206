"""Lock files: one process at a time, and the kernel lets go when it ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from spindle import locks
from spindle.errors import InUse

_OTHER = """
import pathlib, sys
from spindle import locks
held = locks.hold(pathlib.Path(sys.argv[1]), "", "")
print("held", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def other(tmp_path: Path) -> subprocess.Popen[str]:
    """A process that holds ``tmp_path/lock`` until it is killed or reads a line."""
    command = [sys.executable, "-c", _OTHER, str(tmp_path / "lock")]
    root, pipe = Path(locks.__file__).parents[1], subprocess.PIPE
    child = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=root)
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    return child


def test_the_error_names_the_process_that_holds_the_lock(
    tmp_path: Path, other: subprocess.Popen[str]
) -> None:
    for _ in range(2):  # the first look must not wipe the pid
        with pytest.raises(InUse, match=rf"^it is taken \(pid {other.pid}\); wait$"):
            locks.hold(tmp_path / "lock", "it is taken", "wait")
    other.communicate("\n", timeout=60)


def test_a_killed_holder_keeps_nothing(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    other.kill()
    other.communicate(timeout=60)
    locks.hold(tmp_path / "lock", "it is taken", "wait").close()


def test_who_waits_says_so_once_and_goes_on_when_the_other_ends(
    tmp_path: Path, other: subprocess.Popen[str]
) -> None:
    said = []

    def tell(sentence: str) -> None:
        said.append(sentence)
        other.communicate("\n", timeout=60)

    with locks.held(tmp_path / "lock", "it is taken", tell):
        assert said == ["it is taken; waiting for it"]
    with locks.held(tmp_path / "lock", "it is taken", tell):
        assert len(said) == 1


def test_a_disk_that_is_full_keeps_nobody_from_holding_a_lock() -> None:
    """``./run.sh stop`` failed there, and ``start`` did not come to say what was wrong."""
    with locks.held(Path("/dev/full"), "it is taken", print):
        pass
