"""Current servers in containers, for ``./run.sh test --containers`` (a Docker engine is needed).

Image names are settings of the test run: SPINDLE_TEST_IMAGES_INFLUXDB1, _INFLUXDB2, _INFLUXDB3 and
_NATS. Each container is started when the first test asks for it and stopped at the end.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests import servers

TOKEN = "contract-test-token"
START_SECONDS = 90.0

_IMAGES = {
    "INFLUXDB1": "influxdb:1.8",
    "INFLUXDB2": "influxdb:2.8.0",
    "INFLUXDB3": "influxdb:3-core",
    "NATS": "nats:2.14.6",
}

#: Store parameters of the contract tests.
STORES = ("container-influxdb1", "container-influxdb2", "container-influxdb3")


def image(name: str) -> str:
    """The image of ``INFLUXDB1``, ``INFLUXDB2``, ``INFLUXDB3`` or ``NATS``."""
    return os.environ.get(f"SPINDLE_TEST_IMAGES_{name}") or _IMAGES[name]


@contextlib.contextmanager
def influxdb1() -> Iterator[dict[str, str]]:
    """Settings of a running InfluxDB 1.x."""
    with _running(image("INFLUXDB1"), 8086, "/ping") as address:
        yield {"store_url": f"influxdb://{address}"}


@contextlib.contextmanager
def influxdb2() -> Iterator[dict[str, str]]:
    """Settings of a running InfluxDB 2.x with an organisation and a token."""
    environment = {
        "DOCKER_INFLUXDB_INIT_MODE": "setup",
        "DOCKER_INFLUXDB_INIT_USERNAME": "admin",
        "DOCKER_INFLUXDB_INIT_PASSWORD": "MyStrongPassword888",
        "DOCKER_INFLUXDB_INIT_ORG": "spindle",
        "DOCKER_INFLUXDB_INIT_BUCKET": "first",
        "DOCKER_INFLUXDB_INIT_ADMIN_TOKEN": TOKEN,
    }
    with _running(image("INFLUXDB2"), 8086, "/api/v2/buckets", environment, TOKEN) as address:
        yield {"store_url": f"influxdb://{address}", "influxdb_token": TOKEN}


@contextlib.contextmanager
def influxdb3() -> Iterator[dict[str, str]]:
    """Settings of a running InfluxDB 3 Core, with an administrator's token made for the run."""
    command = "influxdb3 serve --node-id=test --object-store=memory"
    with _running(image("INFLUXDB3"), 8181, "/ping", command=command) as address:
        url = f"http://{address}/api/v3/configure/token/admin"
        with urllib.request.urlopen(urllib.request.Request(url, method="POST")) as answer:
            token = str(json.load(answer)["token"])
        yield {"store_url": f"influxdb://{address}", "influxdb_token": token}


def nats() -> servers.Server:
    """A NATS server with JetStream on its own port of this machine; not started yet."""
    port, monitor = servers.free_port(), servers.free_port()
    ready = f"http://127.0.0.1:{monitor}/healthz"
    return _Contained([image("NATS"), "-js", "-m", "8222"], port, Path(os.devnull), ready)


class _Contained(servers.Server):
    """A server whose process is a container: killed, frozen and started again like the others."""

    container: Any = None  # docker's handle, from the first start until stop

    def start(self) -> None:
        if self.container is not None:
            self.container.start()
        else:
            name, *arguments = self.command
            monitor = int(self.ready_url.rsplit(":", 1)[1].split("/")[0])
            made = _container(name).with_command(" ".join(arguments))
            made = made.with_bind_ports(4222, self.port).with_bind_ports(8222, monitor)
            self.container = made.start().get_wrapped_container()
        _await_answer(self.ready_url)

    def send(self, number: signal.Signals) -> None:
        if self.container is not None:
            self.container.kill(signal=number.name)

    def kill(self) -> None:
        if self.container is not None:
            self.container.kill()
            self.container.wait()

    def stop(self) -> None:
        if self.container is not None:
            self.container.remove(force=True, v=True)
            self.container = None


@contextlib.contextmanager
def _running(
    name: str,
    port: int,
    path: str,
    environment: Mapping[str, str] | None = None,
    token: str = "",
    command: str = "",
) -> Iterator[str]:
    """``host:port`` of a container that answers at ``path`` (any status below 500, or 401)."""
    container = _container(name).with_exposed_ports(port)
    for key, value in (environment or {}).items():
        container = container.with_env(key, value)
    if command:
        container = container.with_command(command)
    with container:
        host, mapped = container.get_container_host_ip(), container.get_exposed_port(port)
        if path:
            _await_answer(f"http://{host}:{mapped}{path}", token)
        yield f"{host}:{mapped}"


def _container(name: str) -> Any:
    from docker.errors import DockerException  # type: ignore[import-untyped]
    from testcontainers.core.container import DockerContainer

    try:
        return DockerContainer(name)
    except DockerException:
        pytest.fail("--containers needs a Docker engine: `docker info` must answer", pytrace=False)


def _await_answer(url: str, token: str = "") -> None:
    headers = {"Authorization": f"Token {token}"} if token else {}
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=2):
                return
        except urllib.error.HTTPError as error:
            if error.code == 401 and not token:  # it answers, and asks who we are
                return
        except OSError:
            pass
        if time.monotonic() > deadline:
            raise TimeoutError(f"the container did not answer at {url}")
        time.sleep(0.5)


_STARTERS: dict[str, Callable[[], contextlib.AbstractContextManager[dict[str, str]]]] = {
    "container-influxdb1": influxdb1,
    "container-influxdb2": influxdb2,
    "container-influxdb3": influxdb3,
}


@pytest.fixture(scope="session")
def store_containers() -> Iterator[Callable[[str], dict[str, str]]]:
    """Start a store of ``STORES`` once, and give its settings."""
    with contextlib.ExitStack() as running:
        started: dict[str, dict[str, str]] = {}

        def settings_of(kind: str) -> dict[str, str]:
            if kind not in started:
                started[kind] = running.enter_context(_STARTERS[kind]())
            return started[kind]

        yield settings_of
