"""A running pipeline for the tests of the gateway: nats-server, writer, reader, gateway."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import nats
from nats.aio.client import Client

from tests.servers import Server, nats_server, running
from tests.services import ServiceProcess

T = TypeVar("T")

VISIT = {
    "vehicle_plate": "KA01AB1234",
    "entry_date_time": "2026-01-31T08:15:00Z",
    "exit_date_time": "2026-01-31T10:45:30Z",
}
EVENT = {
    "id": "e-1",
    "criticality": 9,
    "timestamp": "2026-01-31T12:00:00Z",
    "sourceDevice": "DiskUnit",
    "eventType": "DriveFailure",
}


def address(service: ServiceProcess) -> str:
    """The URL of a service's HTTP port."""
    return f"http://127.0.0.1:{service.port}"


class World:
    """Services that share one nats-server and one SQLite file."""

    def __init__(self, folder: Path, nats: Server) -> None:
        self.folder = folder
        self.nats = nats
        self._started: list[ServiceProcess] = []

    def start(
        self,
        name: str,
        *,
        wait: bool = True,
        constants: Mapping[str, object] | None = None,
        **settings: object,
    ) -> ServiceProcess:
        """One more service; stopped with the world.

        :param constants: ``module.NAME`` -> what it is instead, for a shorter test.
        """
        shared = {
            "nats_url": f"nats://127.0.0.1:{self.nats.port}",
            "store_url": f"sqlite:///{self.folder}/spindle.db",
        }
        service = ServiceProcess(name, self.folder, **{**shared, **settings})
        service.constants.update(constants or {})
        self._started.append(service)
        service.start(wait=wait)
        return service

    def over_nats(self, work: Callable[[Client], Awaitable[T]]) -> T:
        """The result of a coroutine with a connection of its own."""

        async def whole() -> T:
            client = await nats.connect(f"nats://127.0.0.1:{self.nats.port}")
            try:
                return await work(client)
            finally:
                await client.close()

        return asyncio.run(whole())

    def publish(self, subject: str, *messages: Any) -> None:
        """Each as JSON, acknowledged by its stream."""

        async def all_of_them(client: Client) -> None:
            for message in messages:
                await client.jetstream().publish(subject, json.dumps(message).encode())

        self.over_nats(all_of_them)

    def stop(self) -> None:
        """All at once, then each waited for."""
        for service in self._started:
            service.send(signal.SIGTERM)
        for service in reversed(self._started):
            service.stop()


@contextlib.contextmanager
def world(folder: Path) -> Iterator[World]:
    """A nats-server and nothing else yet."""
    with running(nats_server(folder / "nats")) as server:
        made = World(folder, server)
        try:
            yield made
        finally:
            made.stop()
