"""A nats-server that has less room than Spindle's streams reserve."""

from __future__ import annotations

import asyncio
from pathlib import Path

import nats
import pytest

from local.nats import server as local_nats
from local.settings import LocalSettings
from spindle import bus, subjects
from spindle.settings import load
from tests.servers import Server, find, free_port, nats_server, running
from tests.services import ServiceProcess
from tests.waiting import until

SENTENCE = (
    "nats-server has no room for stream METRICS, which reserves 4 GiB: raise max_file_store in the "
    "jetstream part of its configuration; all of Spindle's streams take 6.48 GiB; or lower "
    "METRICS_STREAM_MAX_BYTES (now 4 GiB), EVENTS_STREAM_MAX_BYTES (1 GiB), "
    "PARKING_STREAM_MAX_BYTES (4 times 0.125 GiB) or DEADLETTER_MAX_BYTES (0.25 GiB)"
)


@pytest.mark.parametrize("name", ["writer", "daemon", "client", "gateway"])
async def test_a_service_says_in_a_sentence_that_nats_has_no_room_and_goes_on_once_it_has(
    name: str, tmp_path: Path
) -> None:
    small = nats_server(tmp_path / "nats", room="1GB")
    service = ServiceProcess(name, tmp_path / name, nats_url=f"nats://{small.url}")
    try:
        with running(small):
            service.start(wait=False)
            await until(lambda: part(service) == SENTENCE)
        with running(nats_server(tmp_path / "nats", port=small.port)):
            await until(lambda: part(service) == "ok")
            assert await asyncio.to_thread(service.stop) == 0
    finally:
        await asyncio.to_thread(service.stop)
    assert "Traceback" not in service.said()


async def test_the_watch_says_which_setting_makes_its_bucket_smaller(tmp_path: Path) -> None:
    with running(nats_server(tmp_path / "nats", room="100MB")) as small:
        reader = ServiceProcess("reader", tmp_path / "reader", nats_url=f"nats://{small.url}")
        try:
            reader.start(wait=False)
            await until(lambda: "bucket reader_watch" in reader.said())
        finally:
            await asyncio.to_thread(reader.stop)
    assert "reserves 0.5 GiB" in reader.said()
    assert "or lower READER_WATCH_SERIES" in reader.said()


def part(service: ServiceProcess) -> str:
    """What its ``/healthz`` says of NATS."""
    parts = service.health().get("parts")
    return str(parts["nats"]) if isinstance(parts, dict) else ""


async def test_streams_become_smaller_when_their_settings_do(tmp_path: Path) -> None:
    """On the server that ./run.sh starts, whose own limit follows from the same settings."""
    for size in (4 * 2**30, 2**20):
        settings = load(
            LocalSettings,
            nats_port=free_port(),
            nats_monitor_port=free_port(),
            metrics_stream_max_bytes=size,
            events_stream_max_bytes=size,
        )
        config = tmp_path / "nats.conf"
        config.write_text(local_nats.config(settings, tmp_path / "jetstream", None))
        server = Server(
            [str(find("nats-server")), "-c", str(config)],
            settings.nats_port,
            tmp_path / "nats.log",
            f"http://127.0.0.1:{settings.nats_monitor_port}/healthz",
        )
        with running(server):
            client = await nats.connect(f"nats://127.0.0.1:{settings.nats_port}")
            await bus.declare(client, settings)
            held = await client.jetstream().stream_info(subjects.METRICS_STREAM)
            await client.close()
        assert held.config.max_bytes == size
