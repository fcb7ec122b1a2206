"""Stopping when NATS is away."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.servers import nats_server, running
from tests.services import ServiceProcess
from tests.waiting import until


@pytest.mark.parametrize("name", ["daemon", "writer", "reader", "client", "gateway"])
async def test_a_service_that_is_stopped_just_after_nats_ends_well(
    name: str, tmp_path: Path
) -> None:
    server = nats_server(tmp_path / "nats")
    settings = {"store_url": f"sqlite:///{tmp_path}/store.db"}
    service = ServiceProcess(name, tmp_path / name, nats_url=f"nats://{server.url}", **settings)
    try:
        with running(server):
            service.start(wait=False)
            await until(lambda: "connected to NATS" in service.said())
        await until(lambda: "NATS is away" in service.said())
        assert await asyncio.to_thread(service.stop) == 0, service.said()
    finally:
        await asyncio.to_thread(service.stop)
    assert "Traceback" not in service.said()
