"""Settings of the whole pipeline, checked before anything is started."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from local import services
from local.layout import ROOT, Home, UnusableFolder, home_of
from local.nats import server as nats
from local.processes import pipeline
from local.settings import LocalSettings
from spindle.errors import InvalidInput, InvalidSettings
from spindle.settings import load


@pytest.fixture(autouse=True)
def _environment_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading puts what follows from settings into the environment."""
    for name in ("NATS_URL", "STORE_URL"):
        monkeypatch.setenv(name, "")
    monkeypatch.setattr(os, "environ", os.environ.copy())


def test_the_mistakes_of_every_service_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each once, though the shared ones are every service's."""
    for name, value in (
        ("NATS_PORT", "0"),
        ("LOG_LEVEL", "loud"),
        ("DAEMON_HTTP_PORT", "many"),
        ("WRITER_HTTP_PORT", "70000"),
    ):
        monkeypatch.setitem(os.environ, name, value)
    with pytest.raises(InvalidSettings) as caught:
        pipeline.load_all()
    named = [mistake.partition(":")[0] for mistake in caught.value.mistakes]
    assert sorted(named) == ["DAEMON_HTTP_PORT", "LOG_LEVEL", "NATS_PORT", "WRITER_HTTP_PORT"]


def test_two_services_on_one_port_are_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "READER_HTTP_PORT", "8222")
    with pytest.raises(InvalidSettings, match="NATS_MONITOR_PORT and READER_HTTP_PORT"):
        pipeline.load_all()


def test_every_service_has_a_port_and_settings_of_its_own() -> None:
    """The promised ports."""
    found = pipeline.load_all()
    assert {port.setting: port.number for port in found.ports()} == {
        "NATS_PORT": 4222,
        "NATS_MONITOR_PORT": 8222,
        "DAEMON_HTTP_PORT": 9101,
        "WRITER_HTTP_PORT": 9102,
        "READER_HTTP_PORT": 9103,
        "CLIENT_HTTP_PORT": 9104,
        "GATEWAY_HTTP_PORT": 5000,
    }


def test_nats_url_follows_its_port_unless_set_itself() -> None:
    assert pipeline.derived(load(LocalSettings, nats_port=4333)) == {
        "NATS_URL": "nats://127.0.0.1:4333"
    }
    assert pipeline.derived(load(LocalSettings, nats_port=4333, nats_url="nats://x:1")) == {}


def test_everything_that_is_written_follows_spindle_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So a checkout may be read-only. What is set itself stays as it is."""
    settings = load(LocalSettings, spindle_home=str(tmp_path), nats_url="nats://x:1")
    written = {
        "STORE_URL": f"sqlite:///{tmp_path}/spindle.db",
        "CLIENT_OUTPUT": f"{tmp_path}/client_output.log",
        "CLIENT_PARKING_OUTPUT": f"{tmp_path}/parking_summary.csv",
    }
    assert pipeline.derived(settings) == written
    monkeypatch.setitem(os.environ, "CLIENT_OUTPUT", "mine.log")
    monkeypatch.setitem(os.environ, "CLIENT_PARKING_OUTPUT", "mine.csv")
    settings = load(
        LocalSettings, spindle_home=str(tmp_path), nats_url="nats://x:1", store_url="influxdb://h/d"
    )
    assert pipeline.derived(settings) == {}


def test_real_drives_alone_is_for_what_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "SPINDLE_HOME", str(tmp_path))
    (tmp_path / "real-drives-alone").touch()
    pipeline.load_all()
    assert os.environ["DAEMON_SOURCES"] == "host,smart"
    assert os.environ["READER_SIMULATED"] == "false"


def test_who_only_asks_loads_no_service(tmp_path: Path) -> None:
    """The daemon's sources alone would take twice the time that the question does."""
    look = (
        "import sys; from local.processes import pipeline; pipeline.load_local(); "
        "sys.exit('daemon.settings' in sys.modules)"
    )
    (tmp_path / "real-drives-alone").touch()
    environment = {**os.environ, "SPINDLE_HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", look], cwd=ROOT, env=environment, check=True)


def test_a_service_signs_in_with_its_own_password(tmp_path: Path) -> None:
    """And with none while NATS_AUTH is none, or before any was made, or at a server elsewhere."""
    home = Home(tmp_path)
    assert nats.credentials(load(LocalSettings), home, "writer") == {}
    home.nats_passwords.write_text('{"writer": "p1"}')
    assert nats.credentials(load(LocalSettings), home, "writer") == {
        "NATS_USER": "writer",
        "NATS_PASSWORD": "p1",
    }
    for other in ({"nats_auth": "none"}, {"nats_url": "nats://elsewhere:4222"}):
        assert nats.credentials(load(LocalSettings, **other), home, "writer") == {}


def test_services_are_known_by_their_old_names_too() -> None:
    """Row 18 of the promises."""
    assert services.resolve("daemon-service-go") == "daemon"
    assert services.resolve("writer-service-go") == "writer"
    assert services.resolve("reader-service-py") == "reader"
    assert services.resolve("client-service-go") == "client"
    assert services.resolve("nats") == "nats"
    with pytest.raises(InvalidInput, match="are nats, writer, reader, client, gateway, daemon"):
        services.resolve("writer-service-py")


def test_publishers_are_drained_before_those_who_store() -> None:
    assert services.DRAIN_ORDER == ("daemon", "gateway", "client", "reader", "writer", "nats")


def test_spindle_home_is_relative_to_the_checkout_wherever_one_stands(tmp_path: Path) -> None:
    """Tests run in another folder."""
    assert home_of(".spindle").folder == Path(services.__file__).resolve().parents[1] / ".spindle"
    assert home_of(str(tmp_path)).folder == tmp_path


def test_a_home_that_cannot_be_made_is_told_with_its_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UnusableFolder, match=r"SPINDLE_HOME: .*file.*: Not a directory"):
        Home(tmp_path / "file" / "home").make()


@pytest.mark.parametrize(
    ("given", "page"),
    [
        ({}, "http://127.0.0.1:5000"),
        ({"GATEWAY_HTTP_PORT": "5055", "GATEWAY_ROOT_PATH": "/spindle"},
         "http://127.0.0.1:5055/spindle"),
        ({"GATEWAY_HTTP_PORT": "5055", "NOTIFY_PAGE_URL": "https://me.example"},
         "https://me.example"),
    ],
)  # fmt: skip
def test_messages_link_to_where_the_gateway_is_unless_people_reach_it_elsewhere(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], page: str
) -> None:
    monkeypatch.delitem(os.environ, "NOTIFY_PAGE_URL", raising=False)
    for name, value in given.items():
        monkeypatch.setitem(os.environ, name, value)
    pipeline.load_all()
    assert os.environ["NOTIFY_PAGE_URL"] == page
