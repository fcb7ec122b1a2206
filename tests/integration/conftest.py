"""What most tests of services begin with; a file that needs another kind has its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import nats
import pytest
from nats.aio.client import Client

from spindle import bus
from spindle.settings import Settings
from spindle.store.base import Store
from spindle.store.registry import open_store


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
    connection = await nats.connect(settings.nats_url)
    await bus.declare(connection, settings)
    yield connection
    await connection.close()
