"""``run.sh`` itself: words, modes, the virtual environment; docker and python are stand-ins."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from local.layout import ROOT

#: What run.sh may use of the system: nothing that macOS has not.
SYSTEM = (
    *("bash", "cat", "cmp", "cp", "cut", "date", "dirname", "grep", "id", "mkdir", "mktemp", "mv"),
    *("ps", "rm", "sed", "sleep", "sort", "tail", "tr"),
)

DOCKER = """#!/bin/sh
echo "docker $*" >> "$CALLS"
case "$*" in
  info) exit "${DOCKER_INFO:-0}" ;;
  "compose up "*) exit "${COMPOSE_UP:-0}" ;;
  "compose ps --all --format {{"*) printf "${COMPOSE_PS:-}" ;;
  "compose config "*) [ -z "${COMPOSE_REFUSES:-}" ] || { echo "invalid hostPort: x"; exit 15; } ;;
esac
case "$*" in
  "compose config --services") printf 'nats\\nwriter\\nreader\\nclient\\ndaemon\\ngrafana\\n' ;;
  "compose ps --quiet") printf "${COMPOSE_RUNS:-}" ;;
  "compose run --rm --no-deps -T --entrypoint "*)
    # Does in the folder VOLUMES what a container would do in its own root.
    program=$7 PATH=$REAL_PATH
    shift 8
    case "$program $1" in
      "tar -C") folder=$VOLUMES$2; shift 2; set -- -C "$folder" "$@" ;;
      "sh -c") set -- -c "cd $VOLUMES${2#cd }" ;;
    esac
    exec "$program" "$@"
    ;;
esac
"""

PYTHON = """#!/bin/sh
echo "python $*" >> "$CALLS"
case "$*" in
  *version_info*) exit "${PYTHON_OLD:-0}" ;;
  *ensurepip*) exit "${PYTHON_WITHOUT_VENV:-0}" ;;
  "-m venv --clear "*) mkdir -p "$4/bin"; rm -f "$4/.installing"; cp "$0" "$4/bin/python" ;;
  "-m pip install "*) exit "${PIP_FAILS:-0}" ;;
esac
"""


@dataclass
class Checkout:
    """A checkout with run.sh and stand-ins for what it calls."""

    folder: Path
    environment: dict[str, str]

    def run(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.folder / "run.sh", *words],
            env={**self.environment, **environment},
            cwd="/",
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    @property
    def calls(self) -> list[str]:
        file = Path(self.environment["CALLS"])
        return file.read_text().splitlines() if file.exists() else []

    def forget(self) -> None:
        Path(self.environment["CALLS"]).unlink(missing_ok=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    folder, programs = tmp_path / "a checkout", tmp_path / "bin"
    (folder / "local").mkdir(parents=True)
    (folder / "tools").mkdir()
    programs.mkdir()
    for name in ("run.sh", "local/docker.sh", "tools/replace.py", ".env.example"):
        shutil.copy(ROOT / name, folder / name)
    for kind in ("", "-local", "-nats", "-dev"):
        (folder / f"requirements{kind}.txt").write_text(f"{kind}\n")
    for name in SYSTEM:
        (programs / name).symlink_to(shutil.which(name) or pytest.fail(f"no {name}"))
    for name, text in (("docker", DOCKER), ("python3.11", PYTHON)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    return Checkout(folder, {"PATH": str(programs), "CALLS": str(tmp_path / "calls")})


def test_an_unknown_word_prints_usage_and_exits_2(checkout: Checkout) -> None:
    done = checkout.run("strat")
    assert done.returncode == 2
    assert 'there is no command "strat"' in done.stderr
    assert "usage: ./run.sh" in done.stderr
    assert done.stdout == ""


def test_help_shows_every_command(checkout: Checkout) -> None:
    done = checkout.run("help")
    assert done.returncode == 0
    for word in (
        *("init", "build", "start", "stop", "restart", "all", "status", "logs", "query"),
        *("inject", "deadletters", "repair", "score", "backup", "restore"),
        *("replace", "test", "check", "bench", "help"),
    ):
        assert f"\n  {word}" in done.stdout


def test_a_mode_that_does_not_exist_is_refused_with_a_sentence(checkout: Checkout) -> None:
    done = checkout.run("start", SPINDLE_MODE="podman")
    assert done.returncode == 2
    assert done.stderr.startswith('run.sh: SPINDLE_MODE is "podman"; it may be local, docker')


def test_where_an_engine_answers_start_is_compose(checkout: Checkout) -> None:
    done = checkout.run("start")
    assert done.returncode == 0, done.stderr
    assert "docker compose up --detach --wait --wait-timeout 180" in checkout.calls
    assert "nats://127.0.0.1:4222" in done.stdout
    assert not any(call.startswith("python") for call in checkout.calls)


@pytest.mark.parametrize("hours", ["0", "0.0", "1", "168", "1.5", "001.25", "1.0625", "2562047"])
def test_containers_start_with_a_retention_that_influxdb_takes(
    checkout: Checkout, hours: str
) -> None:
    done = checkout.run("start", RETENTION_HOURS=hours)
    assert done.returncode == 0, done.stderr
    assert any(" up " in call for call in checkout.calls)


@pytest.mark.parametrize("command", ["start", "restart"])
@pytest.mark.parametrize(
    ("setting", "given", "sentence"),
    [
        *(
            (
                "RETENTION_HOURS",
                hours,
                f'given "{hours}"; InfluxDB in containers takes 0 (for ever)',
            )
            for hours in (
                "0.5",
                "0.999",
                "1.3333",
                "1.00001",
                "1e3",
                "-1",
                "1_0",
                ".",
                "x",
                "2562048",
            )
        ),
        ("INFLUXDB_INIT_PASSWORD", "seven77", "given 7 characters; InfluxDB takes 8 and more"),
        ("INFLUXDB_TOKEN", " ", "given only spaces; InfluxDB takes any other text"),
    ],
)
def test_what_influxdb_could_not_set_itself_up_with_is_refused_before_anything_starts_or_stops(
    checkout: Checkout, command: str, setting: str, given: str, sentence: str
) -> None:
    done = checkout.run(command, **{setting: given})
    assert done.returncode == 2
    assert done.stderr.startswith(f"run.sh: {setting}: {sentence}")
    assert len(done.stderr.splitlines()) == 1
    assert not any(" up " in call or " down" in call for call in checkout.calls)
    assert "seven77" not in done.stderr


@pytest.mark.parametrize(
    "line",
    [
        "RETENTION_HOURS=24 # a day",
        "RETENTION_HOURS='24' # a day",
        'RETENTION_HOURS="24"#x',
        "RETENTION_HOURS= # the default\n",
        "INFLUXDB_INIT_PASSWORD='a #b#c#d'",
        "INFLUXDB_INIT_PASSWORD=\nINFLUXDB_TOKEN=",
        "INFLUXDB_INIT_PASSWORD=with#sharp",
    ],
)
def test_a_comment_behind_a_value_is_none_of_it(checkout: Checkout, line: str) -> None:
    (checkout.folder / ".env").write_text(f"{line}\n")
    done = checkout.run("start")
    assert done.returncode == 0, done.stderr


def test_a_port_that_is_taken_is_named_with_its_setting(checkout: Checkout) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = checkout.run("start", COMPOSE_UP="1", READER_HTTP_PORT=port)
    assert done.returncode == 1
    assert f"port {port} is taken; free it, or set READER_HTTP_PORT" in done.stderr


def test_what_does_not_stay_up_has_the_last_word(checkout: Checkout) -> None:
    rows = r"nats running\ndaemon restarting\nreader exited\n"
    done = checkout.run("start", COMPOSE_UP="1", COMPOSE_PS=rows)
    assert done.returncode == 1
    calls = [call for call in checkout.calls if call.startswith("docker compose logs")]
    assert [call.split()[-1] for call in calls] == ["daemon", "reader"]


@pytest.mark.parametrize("word", ["init", "build", "start", "stop", "status", "all", "check"])
@pytest.mark.parametrize("engine", ["0", "1"])
def test_a_word_too_many_is_refused(checkout: Checkout, word: str, engine: str) -> None:
    if engine == "1" and word in ("start", "stop", "status"):
        pytest.skip("refused by python -m local")
    if engine == "0" and word == "build":
        pytest.skip("handed to compose build")
    done = checkout.run(word, "surplus", DOCKER_INFO=engine)
    assert done.returncode == 2
    assert f'{word} takes no "surplus"' in done.stderr


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        (r"nats\trunning\t3 hours ago\thealthy\nwriter\trunning\t1 day ago\thealthy\n", 0),
        (r"nats\trunning\t3 hours ago\thealthy\nwriter\texited\t1 day ago\t\n", 3),
        (r"nats\trunning\t3 hours ago\tunhealthy\n", 3),
        ("", 3),
    ],
)
def test_the_table_of_containers_has_its_titles_and_says_by_its_code_whether_all_is_well(
    checkout: Checkout, rows: str, code: int
) -> None:
    done = checkout.run("status", COMPOSE_PS=rows)
    assert done.returncode == code
    assert done.stdout.split("\n")[0].split() == ["service", "state", "since", "health"]
    first = done.stdout.split("\n")[1]
    assert first.split()[:5] == (
        ["nats", "running", "3", "hours", "ago"] if rows else ["-", "nothing", "runs", "-", "-"]
    )


def test_alone_it_builds_and_starts(checkout: Checkout) -> None:
    assert checkout.run().returncode == 0
    calls = [call for call in checkout.calls if "build" in call or " up " in call]
    assert calls == ["docker compose build", "docker compose up --detach --wait --wait-timeout 180"]


def test_where_none_answers_start_is_local(checkout: Checkout) -> None:
    assert checkout.run("start", DOCKER_INFO="1").returncode == 0
    assert checkout.calls[-1] == "python -m local start"


def test_the_mode_can_be_forced_in_env_file_and_environment(checkout: Checkout) -> None:
    """The environment wins."""
    (checkout.folder / ".env").write_text('#SPINDLE_MODE=x\nSPINDLE_MODE = "local"  \n')
    checkout.run("status")
    assert checkout.calls[-1] == "python -m local status"
    checkout.run("status", SPINDLE_MODE="docker")
    assert checkout.calls[-1].startswith("docker compose ps")


def test_what_was_started_locally_is_stopped_locally(checkout: Checkout) -> None:
    """Though a Docker engine has come up since."""
    (checkout.folder / ".spindle" / "run").mkdir(parents=True)
    (checkout.folder / ".spindle" / "run" / "supervisord.pid").write_text(f"{os.getpid()}\n")
    checkout.run("stop")
    assert checkout.calls[-1] == "python -m local stop"


def test_stop_never_deletes_volumes(checkout: Checkout) -> None:
    done = checkout.run("stop")
    assert "docker compose down" in checkout.calls
    assert not any("-v" in call.split() or "--volumes" in call for call in checkout.calls)
    assert "the data is kept" in done.stdout


def test_whatever_is_wrong_in_the_settings_containers_are_stopped_and_looked_at(
    checkout: Checkout,
) -> None:
    """By the project's name, where compose does not take its file."""
    by_name = "docker compose --project-name spindle "
    for words, call in (
        (("stop",), "down"),
        (("status",), "ps --all --format"),
        (("logs", "--no-follow"), "logs --tail 50"),
    ):
        done = checkout.run(*words, COMPOSE_REFUSES="1", SPINDLE_MODE="dcoker")
        assert done.returncode == (3 if words == ("status",) else 0)
        assert checkout.calls[-1].startswith(by_name + call)
        assert 'SPINDLE_MODE is "dcoker"' in done.stderr
        assert "./run.sh start would be refused: invalid hostPort: x" in done.stderr
    assert checkout.run("restart", COMPOSE_REFUSES="1", SPINDLE_MODE="dcoker").returncode == 2


def test_what_runs_is_stopped_from_the_environment_that_it_was_started_from(
    checkout: Checkout, tmp_path: Path
) -> None:
    """SPINDLE_VENV may be mistyped since: nothing is installed to stop."""
    venv = tmp_path / "the venv" / "bin"
    venv.mkdir(parents=True)
    (venv / "python").write_text(PYTHON)
    (venv / "python").chmod(0o755)
    command = [f"{venv}/python -m supervisor.supervisord -c supervisord.conf", "60"]
    with subprocess.Popen(command, executable=shutil.which("sleep")) as supervisord:
        (checkout.folder / ".spindle" / "run").mkdir(parents=True)
        pid_file = checkout.folder / ".spindle" / "run" / "supervisord.pid"
        pid_file.write_text(f"{supervisord.pid}\n")
        done = checkout.run("stop", SPINDLE_VENV=str(tmp_path / "mistyped"), SPINDLE_MODE="lcal")
        supervisord.kill()
    assert done.returncode == 0, done.stderr
    assert checkout.calls == ["python -m local stop"]
    assert f"what runs was started from {tmp_path / 'the venv'}" in done.stderr
    assert not (tmp_path / "mistyped").exists()


@pytest.mark.parametrize(
    ("words", "call"),
    [
        ((), "docker compose logs --follow --tail 50"),
        (("writer",), "docker compose logs --follow --tail 50 writer"),
        (("daemon-service-go", "-n", "5", "--no-follow"), "docker compose logs --tail 5 daemon"),
        (("--no-follow", "reader-service-py", "-n7"), "docker compose logs --tail 7 reader"),
        (("grafana",), "docker compose logs --follow --tail 50 grafana"),
    ],
)
def test_logs_in_containers_know_the_old_names(
    checkout: Checkout, words: tuple[str, ...], call: str
) -> None:
    assert checkout.run("logs", *words).returncode == 0
    assert checkout.calls[-1] == call


def test_an_unknown_service_is_named_with_those_there_are(checkout: Checkout) -> None:
    done = checkout.run("logs", "wat")
    assert done.returncode == 2
    assert 'there is no service "wat"; there are client daemon grafana' in done.stderr
    assert checkout.run("restart", "wat").returncode == 2


def test_restart_in_containers_takes_one_service_and_starts_all_where_nothing_runs(
    checkout: Checkout,
) -> None:
    checkout.run("restart", "writer-service-go", COMPOSE_RUNS="c0ffee")
    assert checkout.calls[-1] == "docker compose restart writer"
    done = checkout.run("restart", "writer")
    assert done.returncode == 0
    assert done.stdout.startswith("Spindle does not run here; starting all of it")
    assert "docker compose up --detach --wait --wait-timeout 180" in checkout.calls
    checkout.forget()
    many = checkout.run("restart", "writer", "reader", COMPOSE_RUNS="c0ffee")
    assert (many.returncode, 'restart takes no "reader"' in many.stderr) == (2, True)
    assert "docker compose restart writer" not in checkout.calls


def test_lines_of_logs_in_containers_are_a_number(checkout: Checkout) -> None:
    done = checkout.run("logs", "-n", "few")
    assert (done.returncode, '-n takes a number of lines, not "few"' in done.stderr) == (2, True)


def test_a_query_in_containers_runs_in_the_client(checkout: Checkout) -> None:
    checkout.run("query", "devices", "device_id=a b")
    assert checkout.calls[-1] == (
        "docker compose exec -T client python -m client query devices device_id=a b"
    )


@pytest.mark.parametrize(
    ("words", "module"),
    [
        (("deadletters", "list"), "client python -m client deadletters list"),
        (("inject", "stop", "device_id=x"), "client python -m client inject stop device_id=x"),
        (("repair",), "writer python -m writer.repair"),
    ],
)
def test_tools_run_in_the_container_of_their_service(
    checkout: Checkout, words: tuple[str, ...], module: str
) -> None:
    checkout.run(*words)
    assert checkout.calls[-1] == f"docker compose exec -T {module}"


def test_files_to_score_are_named_from_where_one_stands(checkout: Checkout) -> None:
    """run.sh itself works in its own folder."""
    assert checkout.run("score", "x.csv").returncode == 0
    assert checkout.calls[-1] == "python -m tools.score x.csv"


def test_without_python_one_sentence_says_so(checkout: Checkout) -> None:
    done = checkout.run("build", SPINDLE_MODE="local", PYTHON_OLD="1")
    assert done.returncode == 1
    assert done.stderr.startswith("run.sh: Python 3.11 or later is needed")
    assert len(done.stderr.splitlines()) == 1


def test_without_the_venv_module_one_sentence_says_so(checkout: Checkout) -> None:
    done = checkout.run("build", SPINDLE_MODE="local", PYTHON_WITHOUT_VENV="1")
    assert done.returncode == 1
    assert "python3.11 has no venv module" in done.stderr


def test_the_second_build_installs_nothing(checkout: Checkout) -> None:
    """Until the requirements change."""
    assert checkout.run("build", SPINDLE_MODE="local").returncode == 0
    checkout.forget()
    assert checkout.run("build", SPINDLE_MODE="local").returncode == 0
    assert checkout.calls == []
    (checkout.folder / "requirements.txt").write_text("changed\n")
    checkout.run("build", SPINDLE_MODE="local")
    assert [call for call in checkout.calls if "pip install" in call]


def test_an_installation_killed_half_way_is_made_anew(checkout: Checkout) -> None:
    """The one that was at work left its pid, which is nobody's now."""
    checkout.run("build", SPINDLE_MODE="local")
    (checkout.folder / ".venv" / ".installing").write_text("999999999\n")
    checkout.forget()
    assert checkout.run("build", SPINDLE_MODE="local").returncode == 0
    assert "python -m venv --clear .venv" in checkout.calls


def test_a_failed_installation_is_said_and_tried_again(checkout: Checkout) -> None:
    failed = checkout.run("build", SPINDLE_MODE="local", PIP_FAILS="1")
    assert failed.returncode == 1
    assert "installing failed" in failed.stderr
    checkout.forget()
    assert checkout.run("build", SPINDLE_MODE="local").returncode == 0
    assert [call for call in checkout.calls if "pip install" in call]


def test_a_folder_that_is_no_virtual_environment_is_not_cleared(
    checkout: Checkout, tmp_path: Path
) -> None:
    """SPINDLE_VENV may be mistyped."""
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("kept")
    done = checkout.run("build", SPINDLE_MODE="local", SPINDLE_VENV=str(tmp_path / "precious"))
    assert done.returncode == 2
    assert "is not a virtual environment" in done.stderr
    assert (tmp_path / "precious" / "file").read_text() == "kept"


def test_init_makes_an_env_file_once(checkout: Checkout) -> None:
    checkout.run("init", SPINDLE_MODE="local")
    file = checkout.folder / ".env"
    assert file.read_text() == (checkout.folder / ".env.example").read_text()
    file.write_text("mine\n")
    checkout.run("init", SPINDLE_MODE="local")
    assert file.read_text() == "mine\n"


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


@pytest.fixture
def volumes(checkout: Checkout, tmp_path: Path) -> Path:
    """What the containers of a checkout with Docker keep, as a folder."""
    root = tmp_path / "volumes"
    checkout.environment |= {"VOLUMES": str(root), "REAL_PATH": os.environ["PATH"]}
    for name, text in (
        ("var/lib/influxdb2/influxd.bolt", "who may what"),
        ("var/lib/influxdb2/engine/data/1.tsm", "readings"),
        ("etc/influxdb2/influx-configs", "token"),
        ("app/.spindle/spindle.db", "rows"),
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({}, "var/lib/influxdb2/engine/data/1.tsm"),
        ({"STORE_URL": "sqlite:///.spindle/spindle.db"}, "app/.spindle/spindle.db"),
        ({"STORE_URL": "sqlite:////app/.spindle/spindle.db?x"}, "app/.spindle/spindle.db"),
    ],
)
def test_in_containers_a_copy_of_the_store_is_put_back_and_what_was_there_is_kept(
    checkout: Checkout, volumes: Path, tmp_path: Path, settings: dict[str, str], kept: str
) -> None:
    copy, file = tmp_path / "copy.tar.gz", volumes / kept
    before = file.read_text()
    done = checkout.run("backup", str(copy), **settings)
    assert (done.returncode, done.stderr) == (0, "")
    file.write_text("later")
    (file.parent / "later").write_text("later")
    done = checkout.run("restore", str(copy), **settings)
    assert (done.returncode, done.stderr) == (0, "")
    assert file.read_text() == before
    assert not (file.parent / "later").exists()
    (aside,) = tmp_path.glob("copy.tar.gz.before-*")
    assert str(aside) in done.stdout
    assert checkout.run("restore", str(aside), **settings).returncode == 0
    assert file.read_text() == "later"


def test_in_containers_copies_are_refused_in_a_sentence_where_they_would_be_wrong(
    checkout: Checkout, volumes: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.tar.gz"
    (tmp_path / "other").write_text("no archive")
    for words, settings, sentence in (
        (("backup", str(copy)), {"COMPOSE_RUNS": "c0ffee"}, "needs them stopped"),
        (("restore", str(copy)), {"COMPOSE_RUNS": "c0ffee"}, "needs them stopped"),
        (("backup",), {}, "takes the name of one file"),
        (("backup", str(tmp_path / "other")), {}, "exists; name a file that does not"),
        (("backup", str(tmp_path / "no" / "copy")), {}, "there is no folder"),
        (("restore", str(copy)), {}, "there is no file"),
        (("restore", str(tmp_path / "other")), {}, "is no copy that ./run.sh backup made"),
        (("backup", str(copy)), {"STORE_URL": "influxdb://db:8086/x"}, "names another"),
        (("backup", str(copy)), {"STORE_URL": "sqlite:////data/x.db"}, "names another"),
    ):
        done = checkout.run(*words, **settings)
        assert done.returncode == 2
        assert sentence in done.stderr
        assert not copy.exists()


def test_in_containers_a_copy_of_nothing_is_none(
    checkout: Checkout, volumes: Path, tmp_path: Path
) -> None:
    (volumes / "var/lib/influxdb2/influxd.bolt").unlink()
    done = checkout.run("backup", str(tmp_path / "copy"))
    assert done.returncode == 1
    assert "there is no var/lib/influxdb2/influxd.bolt in" in done.stderr
    assert not list(tmp_path.glob("copy*"))


def test_a_copy_is_named_from_where_the_user_is(checkout: Checkout) -> None:
    checkout.run("backup", "copies/today.db", DOCKER_INFO="1")
    assert "python -m local backup //copies/today.db" in checkout.calls  # called from /
