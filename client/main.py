"""Wire the client: its two files, NATS, the poller of critical events, the writer of visits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

from nats.aio.client import Client

from client.ask import TIMEOUT_SECONDS, ask
from client.files import parking_csv
from client.files.critical_ends import Ends
from client.files.critical_log import CriticalLog
from client.files.critical_poller import AWAY_SECONDS, CriticalPoller
from client.files.parking_csv import ParkingCsv, VisitCsvTask
from client.home_assistant import HomeAssistant
from client.notify.notifier import Notifier
from client.settings import ClientSettings
from spindle import bus
from spindle.service.run import Service

Works = dict[str, Callable[[], Coroutine[Any, Any, None]]]
PARTS = ("nats", "reader", "parking", "notify", "ends")
LOG_BACKUPS = 5  # renamed files of CLIENT_OUTPUT that are kept
REOPEN_SECONDS = 2.0


async def main(service: Service[ClientSettings]) -> None:
    """Poll until told to stop."""
    settings = service.settings
    critical_log = CriticalLog(
        Path(settings.client_output), settings.client_log_max_bytes, LOG_BACKUPS
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
        ends = Ends(service, client)
        poller = CriticalPoller(service, client, critical_log, ends)
        visit_task = VisitCsvTask(service, client, visits)
        works: Works = {"poller": partial(_poll, service, poller), "visits": visit_task.run}
        works["ends"] = ends.run
        works |= _notifying(service, client)
        if service.settings.home_assistant:
            works["home assistant"] = HomeAssistant(service, client).run
        async with asyncio.TaskGroup() as tasks:
            for name, work in works.items():
                tasks.create_task(service.supervise(name, work), name=name)
    finally:
        await bus.close(client)


def _notifying(service: Service[ClientSettings], client: Client) -> Works:
    """The tasks of telling people."""
    urls = service.settings.notify_addresses()
    if urls:
        from client.notify.addresses import addresses  # noqa: PLC0415 - slow to import
    notifier = Notifier(service, client, addresses(urls) if urls else [])
    works: Works = {"notifier": notifier.run, "notices": notifier.extend}
    for number, outbox in enumerate(notifier.outboxes, 1):
        works[f"outbox {number}"] = partial(notifier.send, outbox)
    if notifier.outboxes and service.settings.notify_digest_at:
        ask_reader = partial(
            ask, client, service.settings.nats_subject_request, "fleet_health",
            {"limit": 10}, TIMEOUT_SECONDS,
        )  # fmt: skip
        works["digest"] = partial(notifier.tell_daily, ask_reader)
    return works


async def _poll(service: Service[ClientSettings], poller: CriticalPoller) -> None:
    going, pause = True, service.settings.client_poll_seconds
    while going:
        answered = await poller.poll()
        going = await service.pause(pause if answered else min(pause, AWAY_SECONDS))
