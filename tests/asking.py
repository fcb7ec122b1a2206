"""A reader in the test's own event loop, and questions to it over NATS."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import NoRespondersError

from reader.answering import runner
from reader.lookups.stored import store_ready
from reader.main import PARTS, answer_from
from reader.settings import ReaderSettings
from spindle.service.health import STARTING, Health
from spindle.service.run import Service
from spindle.store.base import Store
from tests.servers import Server
from tests.waiting import PATIENCE_SECONDS, until

#: Without the watch, and with time for an answer on a busy machine too.
QUIET: dict[str, Any] = {"reader_watch": False, "reader_query_timeout_seconds": 25.0}


@contextlib.asynccontextmanager
async def reading(
    server: Server,
    store: Store,
    *,
    check_seconds: float = 0.05,
    shared_seconds: float = 0.0,
    most_at_once: int = 256,
    **given: Any,
) -> AsyncIterator[Service[ReaderSettings]]:
    """A reader that answers from the store, until the block ends."""
    url = f"nats://127.0.0.1:{server.port}"
    settings = ReaderSettings(nats_url=url, **(QUIET | given))
    service = Service("reader", settings, Health("reader", PARTS))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store_ready, "CHECK_SECONDS", check_seconds)
        patch.setattr(runner, "SHARED_SECONDS", shared_seconds)
        patch.setattr(runner, "MOST_AT_ONCE", most_at_once)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(answer_from(store, service), name="reader")
            try:
                # It answers, and knows whether the store is there.
                await until(
                    lambda: parts(service)["nats"] == "ok" and parts(service)["store"] != STARTING
                )
                yield service
            finally:
                service.stopping.set()


def parts(service: Service[Any]) -> dict[str, str]:
    """What ``/healthz`` says of each part."""
    found: Any = service.health.report()["parts"]
    return dict(found)


async def request(client: Client, subject: str, payload: bytes) -> Msg:
    """The answer, once somebody listens."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return await client.request(subject, payload, timeout=30)
        except NoRespondersError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.02)


async def ask(client: Client, query_type: str, **params: Any) -> dict[str, Any]:
    """The reply to a question on ``reader.query``."""
    question = {"query_type": query_type, "params": params}
    message = await request(client, "reader.query", orjson.dumps(question))
    reply: dict[str, Any] = orjson.loads(message.data)
    return reply
