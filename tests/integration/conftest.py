"""What most tests of services begin with; a file that needs another kind has its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from nats.aio.client import Client

from spindle import bus
from spindle.settings import Settings
from spindle.store.base import Store
from spindle.store.registry import open_store
from tests.integration.gateway_world import World, address, world
from tests.integration.lit_pipeline import Lit, lit_pipeline
from tests.servers import Server


@pytest.fixture(scope="session")
def lit(tmp_path_factory: pytest.TempPathFactory, influxd: Server) -> Iterator[Lit]:
    """A pipeline with an ill fleet, under a Prometheus, for all who look at its metrics."""
    with lit_pipeline(tmp_path_factory.mktemp("lit"), influxd) as found:
        yield found


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    """An empty store, open for writing."""
    opened = open_store(settings, writing=True)
    await opened.prepare()
    yield opened
    await opened.close()


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[Client]:
    """A connection to a NATS server on which everything is declared."""
    connection = await bus.connect(settings, "test")
    await bus.declare(connection, settings)
    yield connection
    await connection.close()


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """nats-server, writer and reader; each test starts the gateways it needs."""
    with world(tmp_path_factory.mktemp("gateway")) as made:
        made.start("writer", wait=False)
        made.start("reader")
        yield made


@pytest.fixture(scope="module")
def gateway(pipeline: World) -> str:
    """The address of a gateway with its usual settings."""
    return address(pipeline.start("gateway", gateway_rate_per_second=0))
