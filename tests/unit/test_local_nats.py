"""The configuration of the local nats-server, and what a running one says of itself."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from local.layout import ROOT
from local.nats import accounts
from local.nats import server as nats
from local.nats import users as nats_users
from local.settings import LocalSettings
from spindle.settings import load
from tests.servers import find

SERVER = find("nats-server") or pytest.fail("nats-server is missing: ./run.sh test installs it")


@pytest.mark.parametrize(
    ("sync", "version", "expected"),
    [
        ("always", (2, 15, 1), True),
        ("always", None, True),
        ("always", (2, 9, 25), False),  # does not know the key
        ("interval", (2, 15, 1), False),
    ],
)
def test_every_acknowledgement_is_synced_unless_told_otherwise(
    sync: str, version: nats.Version | None, expected: bool
) -> None:
    settings = load(LocalSettings, nats_sync=sync)
    assert ("sync_interval: always" in nats.config(settings, Path("/s"), version)) is expected


@pytest.mark.parametrize("authorization", ["", accounts.accounts()])
def test_the_real_server_accepts_the_configuration(tmp_path: Path, authorization: str) -> None:
    """With a store whose path has spaces, quotes and any letters; with users and with none."""
    file = tmp_path / "nats-server.conf"
    store = tmp_path / 'a "b" ü 硬盘'
    config = nats.config(load(LocalSettings), store, (2, 15, 1), authorization)
    file.write_text(config, encoding="utf-8")
    environment = nats_users.environment(nats_users.passwords(tmp_path / "users.json"))
    done = subprocess.run(
        [SERVER, "-c", file, "-t"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("auth", ["none", "users", "guest"])
@pytest.mark.parametrize("sync", ["always", "interval"])
def test_the_real_server_accepts_the_committed_configuration(
    tmp_path: Path, auth: str, sync: str
) -> None:
    """Assembled as docker-compose.yml mounts it."""
    folder = ROOT / "deploy" / "nats"
    for source, target in (
        ("nats-server.conf", "nats-server.conf"),
        (f"sync-{sync}.conf", "sync.conf"),
        (f"auth-{auth}.conf", "auth.conf"),
    ):
        (tmp_path / target).write_text((folder / source).read_text())
    environment = {user.variable: "password" for user in nats_users.USERS}
    done = subprocess.run(
        [SERVER, "-c", tmp_path / "nats-server.conf", "-t"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_with_users_the_server_refuses_to_start_without_their_passwords(tmp_path: Path) -> None:
    """A forgotten password is no empty password."""
    file = tmp_path / "auth.conf"
    file.write_text((ROOT / "deploy" / "nats" / "auth-users.conf").read_text())
    done = subprocess.run(
        [SERVER, "-c", file, "-t"], env={}, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "NATS_PASSWORD_WRITER" in done.stderr


@pytest.mark.parametrize(("auth", "guest"), [("users", False), ("guest", True)])
def test_the_committed_users_are_those_of_the_code(auth: str, guest: bool) -> None:
    """python -c 'from local.nats.accounts import accounts; print(accounts())'."""
    committed = (ROOT / "deploy" / "nats" / f"auth-{auth}.conf").read_text()
    assert committed.endswith(accounts.accounts(guest=guest))
    assert ("no_auth_user" in committed) is guest


def test_passwords_are_made_once_and_are_for_this_user_only(tmp_path: Path) -> None:
    file = tmp_path / "users.json"
    first = nats_users.passwords(file)
    assert nats_users.passwords(file) == first
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(set(first.values())) == len(nats_users.USERS)


@pytest.mark.parametrize(
    ("given", "local"),
    [
        ({}, True),
        ({"nats_url": "nats://localhost:4222"}, True),
        ({"nats_url": "nats://127.0.0.1:4333"}, False),
        ({"nats_url": "nats://nats.example.org:4222"}, False),
        ({"nats_url": "nats://127.0.0.1:4333", "nats_port": 4333}, True),
    ],
)
def test_a_nats_elsewhere_is_not_run_here(given: dict[str, object], local: bool) -> None:
    assert nats.is_local(load(LocalSettings, **given)) is local


def test_what_varz_says_is_understood() -> None:
    synced = {"config": {"sync_always": True, "sync_interval": 1}}
    varz = {"version": "2.15.1", "jetstream": synced, "auth_required": True}
    assert nats.broker(varz) == nats.Broker("2.15.1", "always", "", "users")
    varz = {"version": "2.15.1", "jetstream": {"config": {"sync_interval": 120_000_000_000}}}
    assert nats.broker(varz).fsync == "interval"
    assert nats.broker({"version": "2.9.10", "jetstream": {}}).fsync == "unknown"


def test_a_server_that_loses_what_it_acknowledged_is_warned_of() -> None:
    assert "2.12.7 can lose" in nats.broker({"version": "2.12.7"}).warning
    assert nats.broker({"version": "2.15.1", "auth_required": True}).warning == ""


def test_a_server_that_asks_nobody_who_they_are_is_warned_of() -> None:
    open_to_all = nats.broker({"version": "2.15.1"})
    assert open_to_all.auth == "none"
    assert "NATS_AUTH=none: whoever reaches NATS may do everything" in open_to_all.warning
