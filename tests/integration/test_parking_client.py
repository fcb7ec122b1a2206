"""The client writes parking_summary.csv: real processes, a real nats-server."""

from __future__ import annotations

import asyncio
import csv
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.aio.client import Client

from spindle import bus, subjects
from spindle.models import ParkingSummary
from spindle.settings import Settings
from spindle.timestamps import NS
from tests.services import ServiceProcess
from tests.waiting import until

NOON = 1_700_000_000 * NS


def visit(number: int) -> bytes:
    return ParkingSummary(
        id=f"v-{number}",
        vehicle_plate=f"B-{number}",
        entry_date_time=NOON,
        exit_date_time=NOON + 60 * NS,
        status="matched",
    ).to_json()


@pytest.fixture
async def connection(settings: Settings) -> AsyncIterator[Client]:
    client = await nats.connect(settings.nats_url)
    await bus.declare(client, settings)
    yield client
    await client.close()


@pytest.fixture
def client(settings: Settings, tmp_path: Path) -> Any:
    process = ServiceProcess(
        "client",
        tmp_path / "client",
        nats_url=settings.nats_url,
    )
    process.constants |= {
        "client.files.parking_csv.MAX_BYTES": 3000,
        "client.files.parking_csv.BACKUPS": 50,
    }
    yield process
    process.stop()


def plates(client: ServiceProcess) -> Counter[str]:
    """How often each plate stands in the file and its predecessors."""
    found: Counter[str] = Counter()
    for path in client.folder.glob("parking_summary.csv*"):
        if path.suffix == ".csv" or path.suffix[1:].isdigit():
            with path.open(newline="") as file:
                found.update(row["vehicle_plate"] for row in csv.DictReader(file))
    return found


async def test_each_visit_is_written_once_however_often_the_client_is_killed(
    connection: Client, client: ServiceProcess
) -> None:
    js, sent = connection.jetstream(), 0
    for _ in range(4):
        client.start(wait=False)
        for _ in range(25):
            await js.publish(subjects.PARKING_SUMMARY, visit(sent))
            if sent % 3 == 0:  # published again beyond what NATS recognises
                await js.publish(subjects.PARKING_SUMMARY, visit(sent))
            sent += 1
        await until(lambda sent=sent: len(plates(client)) > sent - 20)  # type: ignore[misc]
        client.kill()
    client.start(wait=False)
    await until(lambda: len(plates(client)) == sent, 60)
    assert set(plates(client).values()) == {1}
    assert (client.folder / "parking_summary.csv.1").exists()


async def test_a_visit_against_the_contract_is_passed_over(
    connection: Client, client: ServiceProcess
) -> None:
    js = connection.jetstream()
    for payload in (b"nonsense", b'{"vehicle_plate":"X"}', b"[]", visit(1)):
        await js.publish(subjects.PARKING_SUMMARY, payload)
    client.start(wait=False)
    await until(lambda: plates(client) == {"B-1": 1})
    consumer = (subjects.PARKING_SUMMARIES_STREAM, subjects.CLIENT_CONSUMER)

    async def unacknowledged() -> int:
        info = await js.consumer_info(*consumer)
        return (info.num_ack_pending or 0) + (info.num_pending or 0)

    async with asyncio.timeout(60):
        while await unacknowledged():  # noqa: ASYNC110 - nothing signals a change
            await asyncio.sleep(0.02)
