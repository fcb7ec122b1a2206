"""What containers are told: NATS's users, secrets, settings, files of the user."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from unittest import mock

import pytest

from local.docker.containers import Containers
from local.docker.settings import handed_on
from local.layout import ROOT
from spindle.errors import InvalidInput
from tests.docker_program import OWN, Docker, run
from tests.servers import free_port


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
