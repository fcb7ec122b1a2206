"""``local/bootstrap.py``: verbs, help, and which interpreter goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from local import bootstrap, straight
from local.installation import ROOT, Venv


class Become(Exception):
    """The program that it would go on as."""

    def __init__(self, python: Path, arguments: Sequence[str]) -> None:
        self.python, self.arguments = python, list(arguments)


@pytest.fixture
def ensured(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What would have been installed."""
    found: list[list[str]] = []

    def become(python: Path, arguments: Sequence[str]) -> None:
        raise Become(python, arguments)

    monkeypatch.setattr(bootstrap, "_become", become)
    monkeypatch.setattr(Venv, "ensure", lambda _, wanted: found.append(list(wanted)))
    monkeypatch.setattr(bootstrap, "debian_package", lambda *_: None)
    monkeypatch.setattr(bootstrap, "docker_answers", lambda: False)
    monkeypatch.setattr(bootstrap, "_all_processes", lambda: "")
    return found


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A virtual environment that services were installed into."""
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / "venv" / ".spindle-local").touch()
    return tmp_path / "venv"


def run(*words: str, venv: Path | str = "/nowhere") -> tuple[str, list[str]]:
    with pytest.raises(Become) as became:
        bootstrap.main(words, {"SPINDLE_VENV": str(venv)})
    return str(became.value.python), became.value.arguments


def ends(*words: str, venv: Path | str = "/nowhere") -> object:
    with pytest.raises(SystemExit) as ended:
        bootstrap.main(words, {"SPINDLE_VENV": str(venv)})
    return ended.value.code


def test_every_verb_of_the_usage_is_one_and_the_other_way_round() -> None:
    shown = {line[2:].split()[0] for line in bootstrap.USAGE.splitlines() if line[:3].strip()}
    for verb in (*bootstrap.LOCAL, *bootstrap.TOOLS):
        assert verb in shown or verb in ("env-example", "reference")
        assert bootstrap.excerpt(verb).startswith("usage: ./run.sh ")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("strat", "start"), ("stauts", "status"), ("Log", "logs"), ("qeury", "query")],
)
def test_a_wrong_verb_gets_the_nearest_right_one(
    typed: str, meant: str, ensured: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert ends(typed) == 2
    said = capsys.readouterr().err
    assert f'there is no command "{typed}"; did you mean ./run.sh {meant}?' in said
    assert "usage: ./run.sh" in said


def test_the_usage_fits_80_columns_and_a_wrong_word_is_what_is_read_last(
    ensured: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert max(map(len, bootstrap.USAGE.splitlines())) < 80
    assert ends("strat") == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("run.sh: there is no command")


def test_a_word_like_none_gets_no_guess() -> None:
    assert bootstrap.unknown("xyzzy") == 'run.sh: there is no command "xyzzy"'


@pytest.mark.parametrize("verb", ["status", "logs", "query", "stop", "deadletters"])
@pytest.mark.fault("h15")
def test_what_only_looks_never_installs(
    verb: str, ensured: list[list[str]], installed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not even where the environment is old or marked as interrupted; nor where none is."""
    (installed / ".installing").write_text("1\n")
    python, arguments = run(verb, "x", venv=installed)
    assert (python, arguments) == (str(installed / "bin/python"), ["-m", "local", verb, "x"])
    code = ends(verb)
    assert code == {"status": 3, "logs": 1, "query": 69, "stop": 0, "deadletters": 69}[verb]
    said = capsys.readouterr()
    assert "nothing runs here, and nothing is installed; ./run.sh start" in said.out + said.err
    assert ensured == []


def test_what_runs_is_stopped_with_the_interpreter_that_it_was_started_with(
    ensured: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """SPINDLE_VENV may be mistyped since."""
    line = (
        f"{sys.executable} -m supervisor.supervisord -c supervisord.conf A=b SPINDLE_ROOT={{}} C=d"
    )
    other, ours = line.format("/other"), line.format(ROOT)
    monkeypatch.setattr(bootstrap, "_all_processes", lambda: f"init\n{other}\n{ours}\n")
    assert run("stop") == (sys.executable, ["-m", "local", "stop"])
    assert "there is nothing installed in /nowhere; what runs uses" in capsys.readouterr().err
    assert bootstrap.running_python(other) is None


@pytest.mark.parametrize(
    ("words", "wanted", "module"),
    [
        ((), ["local", "nats"], ["local", "start"]),
        (("restart", "writer"), ["local", "nats"], ["local", "restart", "writer"]),
        (("test", "unit"), ["local", "nats", "dev"], ["tools", "test", "unit"]),
        (("check",), ["local", "nats", "dev"], ["tools", "check"]),
        (("score", "x.csv"), ["local", "nats"], ["tools", "score", "x.csv"]),
        (
            ("score", "x.csv", "--plot", "x.png"),
            ["local", "nats", "plot"],
            ["tools", "score", "x.csv", "--plot", "x.png"],
        ),
    ],
)
def test_each_verb_installs_what_it_needs(
    words: tuple[str, ...], wanted: list[str], module: list[str], ensured: list[list[str]]
) -> None:
    python, arguments = run(*words)
    assert (python, arguments) == ("/nowhere/bin/python", ["-m", *module])
    assert ensured == [wanted]


def test_replace_needs_nothing_that_is_installed(ensured: list[list[str]]) -> None:
    python, arguments = run("replace", "a", "b", "--dry-run")
    assert python == sys.executable
    assert arguments[1:] == [str(ROOT / "tools/replace.py"), "a", "b", "--dry-run"]
    assert ensured == []


def test_help_of_a_verb_installs_nothing(
    ensured: list[list[str]], installed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ends("start", "--help") == 0
    said = capsys.readouterr().out
    assert (
        said == "usage: ./run.sh start [--real|--demo] start everything, wait until it is healthy; "
        "from now on\n                        with real drives alone, or with the simulated fleet "
        "too\n"
    )
    _, arguments = run("start", "--help", venv=installed)
    assert arguments == ["-m", "local", "start", "--help"]
    assert ensured == []


@pytest.mark.parametrize(("verb", "program"), [("query", "local"), ("completion", "tools")])
def test_what_only_looks_goes_straight_on_where_all_is_installed(
    verb: str, program: str, installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def become(python: str, arguments: list[str]) -> None:
        raise Become(Path(python), arguments)

    monkeypatch.setattr(straight, "become", become)
    known = {"SPINDLE_VENV": str(installed)}
    with pytest.raises(Become) as became:
        straight.go_on([verb, "x"], known)
    assert became.value.python == installed / "bin" / "python"
    assert became.value.arguments == ["-m", program, verb, "x"]
    straight.go_on(["start"], known)  # may have to install something
    straight.go_on([], known)
    (installed / ".spindle-local").unlink()
    straight.go_on([verb], known)


def test_it_loads_nothing_for_that() -> None:
    asked = f"import sys; sys.path.append({str(ROOT)!r}); import local.straight\n"
    asked += "print(*{'pathlib', 're', 'signal', 'subprocess', 'typing'} & set(sys.modules))"
    command = [sys.executable, "-I", "-S", "-c", asked]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_next_program_takes_ctrl_c_when_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until then it is blocked: an interpreter that starts would answer with a traceback."""
    seen: list[object] = []
    cwd = Path.cwd()

    def execve(path: Path, arguments: list[str], environment: dict[str, str]) -> None:
        seen.append(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ()))
        seen.extend([environment[straight.CALLED_FROM], Path.cwd()])

    monkeypatch.setattr(os, "execve", execve)
    monkeypatch.delenv(straight.CALLED_FROM, raising=False)  # run.sh has set it for the tests
    try:
        straight.become(Path(sys.executable), ["-m", "local"])
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        os.chdir(cwd)
    assert seen == [True, str(cwd), ROOT]


def test_ctrl_c_while_the_interpreter_starts_ends_without_a_word(installed: Path) -> None:
    """Sent here before it runs its first line, which is when it would show a traceback."""
    python = installed / "bin" / "python"
    python.unlink()
    python.write_text(
        '#!/bin/sh\ncase "$*" in *bootstrap.py*) kill -INT $$ ;; esac\n'
        f'exec {sys.executable} "$@"\n'
    )
    python.chmod(0o755)
    done = subprocess.run(
        [ROOT / "run.sh", "help"],
        env={"PATH": os.environ["PATH"], "SPINDLE_VENV": str(installed)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_a_link_to_run_sh_is_as_good_as_itself(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "there").symlink_to(ROOT / "run.sh")
    link = tmp_path / "bin" / "spindle"
    link.symlink_to("../there")
    done = subprocess.run([link, "--help"], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: ./run.sh ")


@pytest.mark.parametrize(
    ("to", "code", "said"),
    [
        (">/dev/full", 1, "run.sh: the output: No space left on device\n"),
        (">&-", 0, ""),
        ("<&- >&- 2>&-", 0, ""),
    ],
)
def test_output_that_cannot_be_written_is_a_sentence(to: str, code: int, said: str) -> None:
    command = f"{ROOT}/run.sh check-drive {ROOT}/tests/golden/drives/disk-well/smartctl.json {to}"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr.splitlines()[-1:]) == (code, said.splitlines())
