"""Wire the client: its two files, NATS, the poller of critical events, the writer of visits."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

from client import parking_csv
from client.critical_log import CriticalLog
from client.critical_poller import CriticalPoller
from client.parking_csv import ParkingCsv
from client.settings import ClientSettings
from client.visit_csv_task import VisitCsvTask
from spindle import bus
from spindle.service.run import Service

PARTS = ("nats", "reader", "parking")
REOPEN_SECONDS = 2.0
AWAY_SECONDS = 1.0  # until a reader that did not answer is asked again: it may be starting


async def main(service: Service[ClientSettings]) -> None:
    """Poll until told to stop."""
    settings = service.settings
    critical_log = CriticalLog(
        Path(settings.client_output), settings.client_log_max_bytes, settings.client_log_backups
    )
    visits = ParkingCsv(
        Path(settings.client_parking_output), parking_csv.MAX_BYTES, parking_csv.BACKUPS
    )
    try:
        if await _opened(service, "CLIENT_OUTPUT", critical_log, "output") and await _opened(
            service, "CLIENT_PARKING_OUTPUT", visits, "parking"
        ):
            await _connected(service, critical_log, visits)
    finally:
        await asyncio.to_thread(critical_log.close)
        await asyncio.to_thread(visits.close)


async def _opened(
    service: Service[ClientSettings], setting: str, file: CriticalLog | ParkingCsv, part: str
) -> bool:
    """Whether the file was opened before a stop: one that cannot be is tried again and again."""
    while True:
        try:
            await asyncio.to_thread(file.open)
        except OSError as error:
            await asyncio.to_thread(file.close)  # or its lock would be in our own way
            service.health.failing(part, f"{setting} cannot be used: {error}")
        else:
            return True
        if not await service.pause(REOPEN_SECONDS):
            return False


async def _connected(
    service: Service[ClientSettings], critical_log: CriticalLog, visits: ParkingCsv
) -> None:
    client = await service.unless_stopped(
        bus.connect(service.settings, "client", health=service.health)
    )
    if client is None:
        return
    try:
        poller = CriticalPoller(service, client, critical_log)
        visit_task = VisitCsvTask(service, client, visits)
        async with asyncio.TaskGroup() as tasks:
            polling = service.supervise("poller", partial(_poll, service, poller))
            tasks.create_task(polling, name="poller")
            tasks.create_task(service.supervise("visits", visit_task.run), name="visits")
    finally:
        await bus.close(client)


async def _poll(service: Service[ClientSettings], poller: CriticalPoller) -> None:
    going, pause = True, service.settings.client_poll_seconds
    while going:
        answered = await poller.poll()
        going = await service.pause(pause if answered else min(pause, AWAY_SECONDS))
