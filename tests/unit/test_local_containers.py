"""run.sh's commands in containers; ``docker`` on PATH is a stand-in that notes how it is called."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest

from local import cli, layout, where
from local.docker import backup as container_backup
from local.docker import containers
from local.docker.containers import Containers
from local.docker.settings import handed_on, shown
from local.layout import ROOT
from spindle.errors import InvalidInput, InvalidSettings
from tests.servers import free_port

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


def test_start_builds_what_changed_and_says_where_things_answer(
    docker: Docker, root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run("start") == 0
    assert UP in docker.calls
    said = capfd.readouterr().out
    assert "nats://127.0.0.1:4222, monitoring http://127.0.0.1:8222" in said
    assert "http://127.0.0.1:5000/docs" in said
    assert "./run.sh query" in said


def test_which_of_the_two_it_is(docker: Docker, root: Path) -> None:
    """The environment wins over ``.env``, which wins over whether an engine answers."""
    assert where.in_containers() is not None
    docker.does(DOCKER_INFO="1")
    assert where.in_containers() is None
    (root / ".env").write_text('#SPINDLE_MODE=x\nspindle_mode = "docker"  \n')
    assert where.in_containers() is not None
    docker.does(SPINDLE_MODE="local")
    assert where.in_containers() is None


def test_the_virtual_environment_is_not_chosen_by_a_file_that_is_read_from_within(
    docker: Docker,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("SPINDLE_VENV", raising=False)
    (root / ".env").write_text("SPINDLE_VENV=/opt/x\n")
    assert run("stop") == 0
    assert "SPINDLE_VENV in .env has no effect" in capfd.readouterr().err


def test_a_mode_that_does_not_exist_is_refused_or_where_one_only_looks_warned_of(
    docker: Docker, root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    docker.does(SPINDLE_MODE="podman")
    assert run("start") == 2
    sentence = 'SPINDLE_MODE is "podman"; it may be local, docker'
    assert sentence in capfd.readouterr().err
    assert run("stop") == 0
    assert f"warning: {sentence}" in capfd.readouterr().err
    assert docker.calls[-1] == "docker compose down"


@pytest.mark.parametrize("hours", ["0", "0.0", "1", "168", "1.5", "001.25", "1.0625", "2562047"])
def test_containers_start_with_a_retention_that_influxdb_takes(docker: Docker, hours: str) -> None:
    assert Containers({"RETENTION_HOURS": hours}).start() == 0
    assert any(" up " in call for call in docker.calls)


@pytest.mark.parametrize("command", ["start", "restart"])
@pytest.mark.parametrize(
    ("setting", "given", "sentence"),
    [
        *(
            ("RETENTION_HOURS", hours, f'given "{hours}"; InfluxDB in containers takes 0')
            for hours in ("0.5", "0.999", "1.3333", "1.00001", "1e3", "-1", "1_0", ".", "x")
        ),
        ("RETENTION_HOURS", "2562048", 'given "2562048"; InfluxDB in containers takes 0'),
        ("INFLUXDB_INIT_PASSWORD", "seven77", "given 7 characters; InfluxDB takes 8 and more"),
        ("INFLUXDB_TOKEN", " ", "given only spaces; InfluxDB takes any other text"),
    ],
)
def test_what_influxdb_could_not_set_itself_up_with_is_refused_before_anything_starts_or_stops(
    docker: Docker, command: str, setting: str, given: str, sentence: str
) -> None:
    made = Containers({setting: given})
    with pytest.raises(InvalidInput, match=f"^{setting}: ") as caught:
        _ = made.start() if command == "start" else made.restart(None)
    assert sentence in str(caught.value)
    assert "seven77" not in str(caught.value)
    assert not any(" up " in call or " down" in call for call in docker.calls)


def test_a_port_that_is_taken_is_named_with_its_setting(
    docker: Docker, capfd: pytest.CaptureFixture[str]
) -> None:
    docker.does(COMPOSE_UP="1")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert Containers({"READER_HTTP_PORT": port}).start() == 1
    assert f"port {port} is taken; free it, or set READER_HTTP_PORT" in capfd.readouterr().err


def test_what_does_not_stay_up_has_the_last_word(
    docker: Docker, capfd: pytest.CaptureFixture[str]
) -> None:
    """Also where it has just been started again: a loop of crashes looks like that."""
    docker.does(
        COMPOSE_UP="1",
        COMPOSE_PS=r"nats running healthy\ndaemon restarting \nreader running starting\n",
    )
    assert Containers({}).start() == 1
    calls = [call for call in docker.calls if call.startswith("docker compose logs")]
    assert [call.split()[-1] for call in calls] == ["daemon", "reader"]
    assert "daemon (restarting) said last:" in capfd.readouterr().err
    docker.forget()
    docker.does(COMPOSE_RUNS="c0ffee")
    assert Containers({}).restart("reader") != 0
    assert any(call.startswith("docker compose logs") for call in docker.calls)


@pytest.mark.parametrize("word", ["init", "start", "stop", "status", "all"])
def test_a_word_too_many_is_refused(docker: Docker, root: Path, word: str) -> None:
    assert run(word, "surplus") == 2
    assert not any(" up " in call or " down" in call for call in docker.calls)


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
    docker: Docker, capsys: pytest.CaptureFixture[str], rows: str, code: int
) -> None:
    docker.does(COMPOSE_PS=rows)
    assert Containers({}).status(as_json=False) == code
    titles, first = capsys.readouterr().out.splitlines()[:2]
    assert titles.split() == ["service", "state", "since", "health"]
    assert first.split()[:5] == (
        ["nats", "running", "3", "hours", "ago"] if rows else ["-", "nothing", "runs", "-", "-"]
    )


def test_stop_never_deletes_volumes(docker: Docker, capsys: pytest.CaptureFixture[str]) -> None:
    assert Containers({}).stop() == 0
    assert "docker compose down" in docker.calls
    assert not any("-v" in call.split() or "--volumes" in call for call in docker.calls)
    assert "the data is kept" in capsys.readouterr().out


def test_whatever_is_wrong_in_the_settings_containers_are_stopped_and_looked_at(
    docker: Docker, root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """By the project's name, where compose does not take its file."""
    docker.does(COMPOSE_REFUSES="1", SPINDLE_MODE="docker", SPINDLE_PROJECT="spindle-7")
    (root / ".env").write_bytes(b"LOG_LEVEL=\xff\n")
    by_name = "docker compose --project-name spindle-7 "
    for words, call in (
        (("stop",), "down"),
        (("status",), "ps --all --format"),
        (("logs", "--no-follow"), "logs --tail 50"),
    ):
        assert run(*words) == (3 if words == ("status",) else 0)
        assert docker.calls[-1].startswith(by_name + call)
        assert "./run.sh start would be refused: invalid hostPort: x" in capfd.readouterr().err
    assert run("restart") == 2


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
    docker: Docker, root: Path, words: tuple[str, ...], call: str
) -> None:
    assert run("logs", *words) == 0
    assert docker.calls[-1] == call


def test_lines_of_logs_are_a_number(docker: Docker, root: Path) -> None:
    assert run("logs", "-n", "few") == 2
    assert not any("logs" in call for call in docker.calls)


def test_an_unknown_service_is_named_with_those_there_are(docker: Docker) -> None:
    sentence = 'no service "wat"; there are client daemon grafana'
    with pytest.raises(InvalidInput, match=sentence):
        Containers({}).logs("wat", 1, follow=False)
    with pytest.raises(InvalidInput, match=sentence):
        Containers({}).restart("wat")


def test_restarting_one_service_makes_it_anew_so_that_it_has_the_settings_of_now(
    docker: Docker, capsys: pytest.CaptureFixture[str]
) -> None:
    """``compose restart`` would keep the old environment. Where nothing runs, all is started."""
    docker.does(COMPOSE_RUNS="c0ffee")
    assert Containers({}).restart("writer-service-go") == 0
    words = docker.calls[-1].split()
    assert (words[2], words[-1]) == ("up", "writer")
    assert {"--force-recreate", "--no-deps", "--build"} <= set(words)
    docker.does(COMPOSE_RUNS="")
    assert Containers({}).restart("writer") == 0
    assert "Spindle does not run here; starting all of it" in capsys.readouterr().out
    assert UP in docker.calls


def test_restart_takes_one_service(docker: Docker, root: Path) -> None:
    assert run("restart", "writer", "reader") == 2


@pytest.mark.parametrize(
    ("words", "module"),
    [
        (
            ("query", "devices", "device_id=a b"),
            "client python -m client query devices device_id=a b",
        ),
        (("inject", "stop", "device_id=x"), "client python -m client inject stop device_id=x"),
        (("repair",), "writer python -m writer.repair"),
    ],
)
def test_tools_run_in_the_container_of_their_service(
    docker: Docker, root: Path, words: tuple[str, ...], module: str
) -> None:
    run(*words)
    assert docker.calls[-1] == f"docker compose exec -T {module}"


@pytest.mark.parametrize(
    ("settings", "auth"),
    [
        ({}, "guest"),
        ({"BIND_ADDRESS": "::1"}, "guest"),
        ({"BIND_ADDRESS": "192.0.2.7", **OWN}, "users"),
        ({"BIND_ADDRESS": "192.0.2.7", "NATS_AUTH": "guest", **OWN}, "guest"),
        ({"NATS_AUTH": "none"}, "none"),
    ],
)
def test_nats_asks_who_one_is_and_knows_guests_on_this_machine_alone(
    docker: Docker,
    tmp_path: Path,
    settings: dict[str, str],
    auth: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert Containers(settings).start() == 0
    assert docker.environment["NATS_AUTH"] == auth
    assert (ROOT / "deploy" / "nats" / f"auth-{auth}.conf").is_file()
    file = tmp_path / ".spindle" / "nats-users.json"
    if auth == "none":
        assert not file.exists()
        assert "NATS_AUTH=none: whoever reaches NATS may do everything" in capfd.readouterr().err
        return
    known = json.loads(file.read_text())
    assert file.stat().st_mode & 0o777 == 0o600
    for user, password in known.items():
        assert docker.environment[f"NATS_PASSWORD_{user.upper()}"] == password
    again = Containers(settings | {"NATS_PASSWORD_WRITER": "mine"})
    assert again.start() == 0
    assert docker.environment["NATS_PASSWORD_WRITER"] == "mine"
    assert docker.environment["NATS_PASSWORD_READER"] == known["reader"]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"NATS_AUTH": "some"}, 'NATS_AUTH: given "some", expected users, guest, none'),
        ({"NATS_PASSWORD_DAEMON": "1$x"}, "NATS_PASSWORD_DAEMON: expected letters and digits"),
    ],
)
def test_users_that_nats_would_not_understand_are_refused_before_anything_starts(
    docker: Docker, settings: dict[str, str], sentence: str
) -> None:
    made = Containers(settings)
    with pytest.raises(InvalidInput, match=re.escape(sentence)) as caught:
        made.start()
    assert "1$x" not in str(caught.value)
    assert not any(" up " in call for call in docker.calls)
    assert made.stop() == 0


def test_dead_letters_are_the_operators(docker: Docker, root: Path) -> None:
    run("start")
    run("deadletters", "purge", "--all")
    words = "--env NATS_USER --env NATS_PASSWORD client python -m client deadletters purge --all"
    assert docker.calls[-1] == f"docker compose exec -T {words}"
    assert docker.environment["NATS_USER"] == "operator"
    known = json.loads((root / ".spindle" / "nats-users.json").read_text())
    assert docker.environment["NATS_PASSWORD"] == known["operator"]


def test_a_secret_may_be_in_a_file_of_this_machine(docker: Docker, tmp_path: Path) -> None:
    """A container could not read it; it is given the secret alone."""
    (tmp_path / "token").write_text("S3CRET\n")
    made = Containers({"GATEWAY_TOKEN_FILE": str(tmp_path / "token"), "NATS_AUTH": "none"})
    assert made.start() == 0
    assert docker.environment["GATEWAY_TOKEN"] == "S3CRET"
    assert made.restart("writer") == 0


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"GATEWAY_TOKEN_FILE": "/nowhere/x"}, "GATEWAY_TOKEN_FILE: /nowhere/x: No such file"),
        ({"INFLUXDB_TOKEN_FILE": "/"}, "INFLUXDB_TOKEN_FILE: /: Is a directory"),
        (
            {"GRAFANA_ADMIN_PASSWORD_FILE": "/x", "GRAFANA_ADMIN_PASSWORD": "y"},
            "GRAFANA_ADMIN_PASSWORD_FILE: GRAFANA_ADMIN_PASSWORD is set too",
        ),
    ],
)
def test_a_secret_that_cannot_be_known_is_refused_before_anything_starts(
    docker: Docker, settings: dict[str, str], sentence: str
) -> None:
    made = Containers(settings)
    for starts in (made.start, lambda: made.restart("writer")):
        with pytest.raises(InvalidInput, match=re.escape(sentence)):
            starts()
    assert not any(" up " in call for call in docker.calls)
    assert made.stop() == 0


def test_a_picture_is_drawn_beside_the_containers_into_the_users_own_folder(
    docker: Docker, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A container has nothing to draw with, and keeps what it writes to itself."""
    docker.does(NATS_PORT=str(free_port()))
    words = ("device_id=d1", "metric_type=DiskTemp")
    with mock.patch.dict(os.environ):  # where it puts what follows from settings
        assert run("plot", *words, "-o", "p.png") == 69
    assert "nobody is there to answer" in capsys.readouterr().err
    assert not any(" exec " in call for call in docker.calls)
    run("plot", *words)
    assert docker.calls[-1].endswith(f"client python -m client plot {' '.join(words)}")


def test_compose_gets_every_setting_as_services_understand_it(docker: Docker, root: Path) -> None:
    """So it does not matter how compose itself would read ``.env``."""
    (root / ".env").write_text("GATEWAY_TOKEN=abc$def\nbind_address='::1'\n")
    assert run("build", "--pull") == 0
    assert docker.calls[-1] == "docker compose build --pull"
    assert docker.environment["GATEWAY_TOKEN"] == "abc$def"
    assert docker.environment["BIND_ADDRESS"] == "::1"


def test_what_is_set_reaches_the_services_that_know_it_as_it_is(docker: Docker) -> None:
    """By name in a second compose file; the value in compose's environment, where $ is a $."""
    settings = {"LOG_LEVEL": "debug", "INFLUXDB_BUCKET": "a$b", "GRAFANA_ADMIN_PASSWORD": "x"}
    assert Containers(settings).start() == 0
    (up,) = (call for call in docker.calls if " up " in call)
    assert up.startswith("docker compose -f docker-compose.yml -f - up --build --detach")
    given = json.loads(Path(f"{docker.calls_file}.given").read_text())["services"]
    shared = {"LOG_LEVEL": None, "INFLUXDB_BUCKET": None}
    assert given["daemon"] == {"environment": shared}
    assert "GRAFANA_ADMIN_PASSWORD" not in str(given)
    assert docker.environment["INFLUXDB_BUCKET"] == "a$b"


def test_what_the_compose_file_sees_to_itself_is_not_handed_on_twice() -> None:
    """Inside, NATS has another address."""
    text = (ROOT / "docker-compose.yml").read_text()
    assert handed_on({"NATS_URL": "nats://h", "WRITER_HTTP_PORT": "1"}, text) == {}
    assert handed_on({"NATS_URL": "nats://h"}, "") != {}


@pytest.mark.fault("h17")
def test_two_checkouts_are_two_projects(docker: Docker) -> None:
    docker.does(SPINDLE_PROJECT="spindle-1")
    assert Containers({}).project == "spindle-1"
    assert Containers({"COMPOSE_PROJECT_NAME": "mine"}).project == "mine"


def test_data_of_the_project_that_all_checkouts_were_once_is_not_left_behind(
    docker: Docker,
) -> None:
    docker.does(SPINDLE_PROJECT="spindle-1", VOLUME_NAMES=r"spindle_influxdb\nspindle_nats\n")
    with pytest.raises(InvalidInput, match="set COMPOSE_PROJECT_NAME=spindle to go on with it"):
        Containers({}).start()
    assert Containers({"COMPOSE_PROJECT_NAME": "spindle"}).start() == 0
    docker.does(VOLUME_NAMES=r"spindle_influxdb\nspindle-1_influxdb\n")
    assert Containers({}).start() == 0


def test_without_the_compose_plugin_one_sentence_says_so(docker: Docker) -> None:
    docker.does(COMPOSE_MISSING="1")
    with pytest.raises(containers.Failed, match="docker has no compose plugin; install it"):
        Containers({})


def test_init_makes_an_env_file_once_that_only_its_user_may_read(
    docker: Docker, root: Path
) -> None:
    assert run("init") == 0
    file = root / ".env"
    assert file.read_text() == (root / ".env.example").read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_text("#mine\n")
    assert run("init") == 0
    assert file.read_text() == "#mine\n"


def test_a_file_that_is_no_text_is_said(root: Path) -> None:
    (root / ".env").write_bytes(b"A=\xff\n")
    with pytest.raises(InvalidSettings, match="holds the byte 0xff, expected UTF-8"):
        where.in_containers()


# ---- copies of the data --------------------------------------------------------------------------


@pytest.fixture
def volumes(docker: Docker, tmp_path: Path) -> Path:
    """What the containers keep, as a folder."""
    root = tmp_path / "volumes"
    docker.does(VOLUMES=str(root))
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
def test_a_copy_of_the_store_is_put_back_and_what_was_there_is_kept(
    volumes: Path,
    tmp_path: Path,
    settings: dict[str, str],
    kept: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    copy, file = tmp_path / "copy.tar.gz", volumes / kept
    before = file.read_text()
    made = Containers(settings)
    container_backup.backup(made, settings, copy)
    assert copy.stat().st_mode & 0o777 == 0o600
    file.write_text("later")
    (file.parent / "later").write_text("later")
    container_backup.restore(made, settings, copy)
    assert file.read_text() == before
    assert not (file.parent / "later").exists()
    (aside,) = tmp_path.glob("copy.tar.gz.before-*")
    assert str(aside) in capsys.readouterr().out
    container_backup.restore(made, settings, aside)
    assert file.read_text() == "later"


def test_copies_are_refused_in_a_sentence_where_they_would_be_wrong(
    docker: Docker,
    volumes: Path,
    root: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    copy = tmp_path / "copy.tar.gz"
    (tmp_path / "other").write_text("no archive")
    for words, settings, sentence in (
        (("backup", str(copy)), {"COMPOSE_RUNS": "c0ffee"}, "needs them stopped"),
        (("restore", str(copy)), {"COMPOSE_RUNS": "c0ffee"}, "needs them stopped"),
        (("backup",), {}, "Missing argument"),
        (("backup", str(tmp_path / "other")), {}, "exists; name a file that does not"),
        (("backup", str(tmp_path / "no" / "copy")), {}, "there is no folder"),
        (("restore", str(copy)), {}, "there is no file"),
        (("restore", str(tmp_path / "other")), {}, "is no copy that ./run.sh backup made"),
        (("backup", str(copy)), {"STORE_URL": "influxdb://db:8086/x"}, "names another"),
        (("backup", str(copy)), {"STORE_URL": "sqlite:////data/x.db"}, "names another"),
    ):
        with pytest.MonkeyPatch.context() as patch:
            for name, value in settings.items():
                patch.setenv(name, value)
            assert run(*words) == 2
        assert sentence in capfd.readouterr().err
        assert not copy.exists()


def test_a_copy_of_nothing_is_none(
    volumes: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (volumes / "var/lib/influxdb2/influxd.bolt").unlink()
    with pytest.raises(containers.Failed):
        container_backup.backup(Containers({}), {}, tmp_path / "copy")
    assert "there is no var/lib/influxdb2/influxd.bolt in" in capfd.readouterr().err
    assert not list(tmp_path.glob("copy*"))


def test_a_copy_is_named_from_where_the_user_is(
    volumes: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPINDLE_CALLED_FROM", str(tmp_path))
    assert run("backup", "today.tar.gz") == 0
    assert (tmp_path / "today.tar.gz").is_file()


def test_a_command_is_shown_the_files_that_it_is_told_of(tmp_path: Path) -> None:
    """In the folder it is called from, and wherever else one lies; a folder is never made."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    words = ["from=2026-01-01", "-o", "out.jsonl", "device_id=a/b", "-"]
    options, told = shown(here, words)
    assert told == words
    assert options[2:4] == ["--volume", f"{here}:/past"]
    assert options.count("--volume") == 1

    words = [f"{there}/a.jsonl", "../there/b.jsonl", f"--output={there}/c", "/nowhere/d", "e"]
    options, told = shown(here, words)
    assert told == ["/past-1/a.jsonl", "/past-1/b.jsonl", "--output=/past-1/c", "/nowhere/d", "e"]
    assert options[4:6] == ["--volume", f"{there}:/past-1"]
    assert options.count("--volume") == 2
    assert options[1] == f"{there.stat().st_uid}:{there.stat().st_gid}"


def test_export_into_a_folder_elsewhere_is_written_there(
    docker: Docker, root: Path, tmp_path: Path
) -> None:
    assert Containers({}).beside("reader", "reader.export", root, ["-o", f"{tmp_path}/x"]) == 0
    assert docker.calls[-1].endswith(
        f"--volume {root}:/past --volume {tmp_path}:/past-1 --workdir /past "
        "--env PYTHONPATH=/app --entrypoint python reader -m reader.export -o /past-1/x"
    )
