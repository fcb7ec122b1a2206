"""run.sh's commands in containers."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from local import where
from local.docker import containers
from local.docker.containers import Containers
from spindle.errors import InvalidInput, InvalidSettings
from tests.docker_program import UP, Docker, run


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
