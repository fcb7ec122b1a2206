"""A real nats-server that knows every user of ``local/nats/users.py``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import nats
from nats.aio.client import Client

from local.nats import accounts
from local.nats import server as local_nats
from local.nats import users as nats_users
from local.settings import LocalSettings
from spindle.bus.connection import inbox_prefix
from spindle.bus.listener import LISTENING_USERS, listener_of, mqtt_user_of
from spindle.settings import Settings, load
from tests.servers import Server, find, free_port


class Broker:
    """A server that knows all users, and its passwords."""

    def __init__(self, port: int, passwords: dict[str, str], mqtt_port: int) -> None:
        self.mqtt_port = mqtt_port
        self.url = f"nats://127.0.0.1:{port}"
        self.passwords = passwords

    def settings(self, name: str) -> Settings:
        """What a service is given that signs in as this user."""
        return load(Settings, nats_url=self.url, nats_user=name, nats_password=self.passwords[name])

    def _password(self, name: str) -> str:
        seconds = {listener_of(user): user for user in LISTENING_USERS}
        return self.passwords[(seconds | {mqtt_user_of("client"): "client"}).get(name, name)]

    @asynccontextmanager
    async def as_user(self, name: str) -> AsyncIterator[tuple[Client, list[str]]]:
        """A connection, and what the server refuses it, as it does."""
        refused: list[str] = []

        async def on_error(error: Exception) -> None:
            refused.append(str(error).lower())

        client = await nats.connect(
            self.url,
            **({} if name == "guest" else {"user": name, "password": self._password(name)}),
            inbox_prefix=inbox_prefix(name),
            error_cb=on_error,
            allow_reconnect=False,
        )
        try:
            yield client, refused
        finally:
            await client.close()


@contextmanager
def guarded(folder: Path, *, guest: bool = True, home_assistant: bool = False) -> Iterator[Broker]:
    """The server of ``./run.sh start``, configured in a folder, while this lasts."""
    port, monitor, mqtt = free_port(), free_port(), free_port()
    settings = load(
        LocalSettings,
        nats_port=port,
        nats_monitor_port=monitor,
        home_assistant=home_assistant,
        mqtt_port=mqtt,
    )
    accounts.hand_over_streams(folder / "store", to_account=True)
    config = local_nats.config(
        settings, folder / "store", (2, 14, 0), accounts.accounts(guest=guest)
    )
    (folder / "nats.conf").write_text(config)
    passwords = nats_users.passwords(folder / "users.json")
    program = find("nats-server")
    assert program, "nats-server is missing: ./run.sh test installs it"
    server = Server(
        [program, "-c", str(folder / "nats.conf")],
        port,
        folder / "nats.log",
        f"http://127.0.0.1:{monitor}/healthz",
        environment=nats_users.environment(passwords),
    )
    server.start()
    try:
        yield Broker(port, passwords, mqtt)
    finally:
        server.stop()
