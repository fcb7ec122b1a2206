"""``docker-compose.yml``: what is promised of it, and that it says the same as the code."""

from __future__ import annotations

import os
import re
import shutil
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml
from pydantic import SecretStr

from local.layout import ROOT
from local.nats import server as nats
from local.nats.accounts import hand_over_streams
from local.nats.users import USERS
from local.processes.pipeline import Pipeline
from local.services import SERVICES
from local.settings import ComposeSettings, LocalSettings
from spindle.settings import Settings, load

TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
IMAGE = "${COMPOSE_PROJECT_NAME:-spindle}:local"  # compose names the project so
CONTAINERS: dict[str, dict[str, Any]] = COMPOSE["services"]


def test_every_service_runs_from_the_one_image() -> None:
    for service in SERVICES:
        container = CONTAINERS[service.name]
        assert container["image"] == IMAGE
        assert container["command"] == ["python", "-m", service.name]


def test_the_image_is_built_once_and_never_asked_of_a_registry() -> None:
    """Several builds under one name, side by side, fail on a machine that has none yet."""
    own = [CONTAINERS[service.name] for service in SERVICES]
    assert [container["build"] for container in own if "build" in container] == ["."]
    assert all(container["pull_policy"] == "never" for container in own)


def test_every_port_is_published_on_the_bind_address_alone() -> None:
    """Loopback unless told otherwise."""
    for container in CONTAINERS.values():
        for port in container.get("ports", []):
            assert port.startswith("${BIND_ADDRESS:-127.0.0.1}:")


def test_the_promised_ports_are_published() -> None:
    published = {
        match[1]: int(match[2])
        for container in CONTAINERS.values()
        for port in container.get("ports", [])
        if (
            match := re.search(
                r"\$\{(\w+):-(\d+)\}", port.removeprefix("${BIND_ADDRESS:-127.0.0.1}:")
            )
        )
    }
    assert published == {
        "NATS_PORT": 4222,
        "NATS_MONITOR_PORT": 8222,
        "INFLUXDB_PORT": 8086,
        "GRAFANA_PORT": 3000,
        "PROMETHEUS_PORT": 9090,
        "DAEMON_HTTP_PORT": 9101,
        "WRITER_HTTP_PORT": 9102,
        "READER_HTTP_PORT": 9103,
        "CLIENT_HTTP_PORT": 9104,
        "GATEWAY_HTTP_PORT": 5000,
    }


def test_everything_restarts_and_says_whether_it_is_healthy() -> None:
    for name, container in CONTAINERS.items():
        assert container["restart"] == "unless-stopped", name
        assert container["healthcheck"]["test"], name


@pytest.mark.parametrize(("code", "healthy"), [(200, True), (503, False), (None, False)])
def test_the_question_whether_a_service_is_healthy_is_asked_without_python(
    code: int | None, healthy: bool
) -> None:
    """A Python that starts every five seconds costs more than the service."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response((code or 0) if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        if code:
            threading.Thread(target=server.handle_request, daemon=True).start()
        else:
            server.socket.close()
        for service in SERVICES:
            kind, *command, port = CONTAINERS[service.name]["healthcheck"]["test"]
            assert (kind, command[0]) == ("CMD", "bash")
            assert "python" not in command[2]
            assert port == CONTAINERS[service.name]["environment"][service.port_setting.upper()]
        command = [word.replace("$$", "$") for word in command]
        done = subprocess.run([*command, str(server.server_port)], check=False, timeout=60)
    assert (done.returncode == 0) == healthy


@pytest.mark.parametrize(("code", "healthy"), [(200, True), (503, False), (None, False)])
def test_a_gateway_that_speaks_tls_is_asked_so(
    code: int | None, healthy: bool, tmp_path: Path
) -> None:
    """By a small program; the certificate has the name that others know the gateway by."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("spindle.example.org").configure_cert(context)

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response((code or 0) if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        if code:
            threading.Thread(target=server.handle_request, daemon=True).start()
        else:
            server.socket.close()
        _, *command, _ = CONTAINERS["gateway"]["healthcheck"]["test"]
        command = [word.replace("$$", "$") for word in command]
        environment = {**os.environ, "GATEWAY_TLS_CERT": "/cert.pem"}
        done = subprocess.run(
            [*command, str(server.server_port)], env=environment, check=False, timeout=10
        )
    assert (done.returncode == 0) == healthy


def test_what_must_survive_lies_in_volumes() -> None:
    named = set(COMPOSE["volumes"])
    assert {"nats", "influxdb", "grafana", "prometheus", "spindle"} <= named


def test_defaults_are_those_of_the_code() -> None:
    """Where compose names a default for a setting, it is the setting's own."""
    fields = {
        name.upper(): field
        for kind in (Settings, LocalSettings, ComposeSettings)
        for name, field in kind.model_fields.items()
    }
    fields |= {
        name.upper(): field
        for service in SERVICES
        for name, field in service.settings_type().model_fields.items()
    }
    # What has another default inside a network of containers, and why.
    inside = {
        "NATS_URL",  # the server has a name there
        "INFLUXDB_HOST",  # the store is an InfluxDB there
        "INFLUXDB_TOKEN",
        "NATS_USER",  # each service's own
        "NATS_PASSWORD",
        "CLIENT_OUTPUT",  # on a volume
        "CLIENT_PARKING_OUTPUT",
        *("SPINDLE_PROJECT", "COMPOSE_PROJECT_NAME"),  # run.sh and compose give them
        "SPINDLE_ENV_FILE",  # run.sh gives it
        "NATS_AUTH",  # run.sh gives it with the passwords, which compose alone has not
    }
    for name, default in re.findall(r"\$\{([A-Z_]+):-([^}$]*)\}", TEXT):
        if name in inside:
            continue
        field = fields[name]
        value = field.get_default(call_default_factory=True)
        if hasattr(value, "get_secret_value"):
            value = value.get_secret_value()
        assert default == str(value).removesuffix(".0"), name


def test_each_service_knows_its_own_nats_password_only() -> None:
    for service in SERVICES:
        environment = CONTAINERS[service.name]["environment"]
        assert f"NATS_PASSWORD_{service.name.upper()}" in environment["NATS_PASSWORD"]
        for user in USERS:
            assert environment[user.variable] == ""


def test_each_container_has_its_own_secrets_and_no_others() -> None:
    """``.env`` goes into every service whole, so what is not its own is emptied."""
    own = {
        "writer": _STORE,
        "reader": _STORE,
        "gateway": {"GATEWAY_TOKEN"},
        "client": {"NOTIFY_URLS"},
        "daemon": set(),
    }
    kinds: list[type[Settings]] = [Settings, ComposeSettings]
    kinds += [service.settings_type() for service in SERVICES]
    secrets = {
        name.upper()
        for kind in kinds
        for name, field in kind.model_fields.items()
        if field.annotation is SecretStr
    } | {"STORE_URL", "INFLUXDB_HOST"}  # there may be a password in them
    for service, needed in own.items():
        environment = CONTAINERS[service]["environment"]
        for name in secrets - needed - {"NATS_PASSWORD"}:
            assert environment[name] == "", (service, name)
    for container in CONTAINERS.values():
        assert "env_file" not in container or container["image"] == IMAGE


_STORE = {"STORE_URL", "INFLUXDB_HOST", "INFLUXDB_TOKEN", "INFLUXDB_INIT_PASSWORD"}


def test_no_container_can_do_more_than_it_has_to() -> None:
    for name, container in CONTAINERS.items():
        assert container["read_only"] is True, name
        assert container["cap_drop"] == ["ALL"], name
        assert container["security_opt"] == ["no-new-privileges:true"], name
        assert container["mem_limit"], name
        assert container["logging"]["options"]["max-size"], name
        added = set(container.get("cap_add", []))
        assert added <= {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"}
        assert not added or name == "influxdb"


def test_images_are_pinned_by_their_whole_version() -> None:
    """NATS loses acknowledged messages at a power cut before 2.14.6."""
    dockerfile = (ROOT / "Dockerfile").read_text()
    bases = set(re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE))
    images = {container["image"] for container in CONTAINERS.values()} - {IMAGE}
    for image in images | bases:
        assert re.search(r":v?\d+\.\d+\.\d+(-\S+)?$", image), image
    (server,) = (image for image in images if image.startswith("nats:"))
    version = nats.version_of(server)
    assert version is not None
    assert version >= (2, 14, 6)


def test_the_image_has_no_tool_to_install_with_and_its_code_compiled() -> None:
    *_, final = (ROOT / "Dockerfile").read_text().split("\nFROM ")
    assert "pip install" not in final
    assert "COPY --from=packages /venv /venv" in final
    assert "compileall" in final
    assert "chmod -R a+rX ." in final  # a checkout with umask 077


def test_who_stores_is_stopped_after_who_publishes() -> None:
    """Compose stops in the reverse of the order that ``depends_on`` gives."""

    def behind(name: str) -> set[str]:
        direct = set(CONTAINERS[name].get("depends_on", {}))
        return direct.union(*map(behind, direct))

    for service in SERVICES:
        assert "nats" in behind(service.name)
    assert {"writer", "influxdb"} <= behind("daemon")
    assert "influxdb" in behind("reader")


def test_the_ports_inside_are_what_prometheus_scrapes() -> None:
    scrapes = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text())
    targets = {
        job["job_name"]: job["static_configs"][0]["targets"][0] for job in scrapes["scrape_configs"]
    }
    own = {service.name: load(service.settings_type()) for service in SERVICES}
    pipeline = Pipeline(load(LocalSettings), None, own)  # type: ignore[arg-type]
    for service in SERVICES:
        port = pipeline.http_port(service.name)
        assert targets[service.name] == f"{service.name}:{port}"
        environment = CONTAINERS[service.name]["environment"]
        assert environment[service.port_setting.upper()] == str(port)


def test_grafana_is_given_what_its_provisioning_names() -> None:
    for path in (ROOT / "grafana" / "provisioning").glob("*/spindle.yml"):
        for name in re.findall(r"\$\{(\w+)\}", path.read_text()):
            assert name in CONTAINERS["grafana"]["environment"]


def test_the_image_has_what_services_import_and_nothing_secret() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignore[1] == "*"  # all is left out that is not named
    for folder in ("spindle", *(service.name for service in SERVICES)):
        assert f"COPY {folder} {folder}" in dockerfile
        assert f"!{folder}" in ignore
    assert "!.env" not in ignore
    assert "USER spindle" in dockerfile


def _compose_plugin() -> bool:
    docker = shutil.which("docker")
    command = [docker or "", "compose", "version"]
    return bool(docker) and not subprocess.run(command, capture_output=True, check=False).returncode


@pytest.mark.skipif(not _compose_plugin(), reason="docker with its compose plugin is not installed")
def test_compose_itself_accepts_the_file() -> None:
    done = subprocess.run(
        ["docker", "compose", "config", "--quiet"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("before", "auth", "after"),
    [
        ([], "guest", []),
        (["$G"], "guest", ["SPINDLE"]),
        (["$G"], "users", ["SPINDLE"]),
        (["SPINDLE"], "guest", ["SPINDLE"]),
        (["SPINDLE"], "none", ["$G"]),
        (["$G"], "none", ["$G"]),
        (["$G", "SPINDLE"], "guest", ["$G", "SPINDLE"]),
    ],
)
def test_nats_hands_streams_over_before_it_starts(
    tmp_path: Path, before: list[str], auth: str, after: list[str]
) -> None:
    """Its entrypoint, run here: as ``hand_over_streams`` does without Docker."""
    *shell, script = CONTAINERS["nats"]["entrypoint"]
    (tmp_path / "data").mkdir()
    for account in before:
        (tmp_path / "data" / "jetstream" / account / "streams").mkdir(parents=True)
    shutil.copytree(tmp_path / "data", tmp_path / "local")
    shutil.copy(ROOT / "deploy" / "nats" / f"auth-{auth}.conf", tmp_path / "auth.conf")
    here = script.replace("$$", "$").replace("/data", f"{tmp_path}/data")
    here = here.replace("/etc/nats", str(tmp_path)).replace("nats-server -c", "echo")
    done = subprocess.run([*shell, here], capture_output=True, text=True, check=True)
    assert done.stdout == f"{tmp_path}/nats-server.conf\n"
    hand_over_streams(tmp_path / "local", to_account=auth != "none")
    for folder in ("data", "local"):
        left = (tmp_path / folder / "jetstream").glob("*")
        assert sorted(each.name for each in left) == after
