"""Fixtures that start real servers; one of each serves the whole run, with fresh names per test."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings as of_properties
from xdist.remote import Producer  # type: ignore[import-untyped]
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from spindle.settings import Settings, load
from tests import containers, servers
from tests.containers import store_containers
from tests.docker_program import docker, root

os.environ.pop("SPINDLE_CALLED_FROM", None)  # which ./run.sh test sets
of_properties.register_profile("spindle", deadline=None)  # a busy machine is no fault of the code
of_properties.load_profile("spindle")

__all__ = ["docker", "root", "store_containers"]


@pytest.fixture(autouse=True)
def _loggers_as_they_were() -> Iterator[None]:
    """A command or a service in this process sets up logging; the next test hears all again."""
    yield
    logging.getLogger("spindle").setLevel(logging.NOTSET)
    root = logging.getLogger()
    root.setLevel(logging.WARNING)
    for handler in [each for each in root.handlers if type(each) is logging.StreamHandler]:
        root.removeHandler(handler)  # it writes to what was captured of a test that is over


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--containers",
        action="store_true",
        help="contract and integration tests also on current servers in containers (Docker)",
    )
    parser.addoption(
        "--faults",
        type=int,
        default=0,
        metavar="ROUNDS",
        help="beside the chaos suite only the tests of what went wrong once, each so many times",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each round is a test of its own, of the same name."""
    rounds = metafunc.config.getoption("--faults")
    if rounds and metafunc.definition.get_closest_marker("fault"):
        metafunc.fixturenames.append("fault_round")
        metafunc.parametrize("fault_round", range(rounds), ids=lambda number: f"round {number}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With ``--faults`` nothing but those tests and the chaos suite, which has its own rounds."""
    if not config.getoption("--faults"):
        return
    chaos = [item for item in items if "tests/chaos/" in item.nodeid]
    again = [item for item in items if item.get_closest_marker("fault") and item not in chaos]
    config.hook.pytest_deselected(items=[each for each in items if each not in (*chaos, *again)])
    items[:] = [*chaos, *again]


class WholeFiles(LoadScopeScheduling):  # type: ignore[misc]
    """A worker takes a file at a time, and all scenarios that run side by side as one."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.split("::", 1)[0]
        chaos = path.startswith("tests/chaos/") and not path.endswith("test_parking.py")
        return "tests/chaos" if chaos else path


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> WholeFiles:
    return WholeFiles(config, log)


@pytest.fixture(autouse=True)
def _away_from_the_users_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads a ``.env`` of the checkout."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def nats_server(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[servers.Server]:
    """A fresh nats-server with JetStream; with ``--containers`` that of the container image."""
    contained = request.config.getoption("--containers")
    server = containers.nats() if contained else servers.nats_server(tmp_path / "nats")
    with servers.running(server):
        yield server


@pytest.fixture(scope="session")
def influxd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    """One influxd for the run; tests use databases of their own."""
    if servers.find("influxd") is None:
        pytest.skip("influxd is not installed: on Debian ./run.sh test unpacks package influxdb")
    with servers.running(servers.influxd(tmp_path_factory.mktemp("influxd"))) as server:
        yield server


@pytest.fixture
def settings(tmp_path: Path, nats_server: servers.Server) -> Settings:
    """Settings for the fresh nats-server and an SQLite store."""
    return load(
        Settings,
        nats_url=f"nats://127.0.0.1:{nats_server.port}",
        store_url=f"sqlite:///{tmp_path}/spindle.db",
    )
