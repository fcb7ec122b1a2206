"""The daemon, put together: sources are read, the publisher publishes, a stop drains."""

from __future__ import annotations

import asyncio
import logging
from functools import partial

from daemon.backlog import Backlog
from daemon.facts import FactsBook
from daemon.messages import Message
from daemon.meters import Meters
from daemon.publisher import Publisher
from daemon.registry import SOURCES
from daemon.requests import answers
from daemon.settings import DaemonSettings
from daemon.source import DriveSettings
from daemon.ticker import PART, SourceHealth, tick
from spindle.service import tasks
from spindle.service.run import Service

log = logging.getLogger("daemon")

#: What must work before /healthz says ok.
PARTS = ("nats", "stream", PART)
#: How long a stopping daemon tries to publish what it still holds: well within the 20 s after which
#: a service that does not end is killed.
DRAIN_SECONDS = 5.0


async def main(service: Service[DaemonSettings]) -> None:
    """Read and publish until the service is told to stop, then publish what is left."""
    settings = service.settings
    backlog = Backlog(settings.daemon_backlog_bytes)
    meters = Meters(service.registry, backlog)
    sources = [SOURCES[name](settings) for name in settings.sources]
    publisher = Publisher(settings, service.health, backlog, meters, answers(sources))
    health = SourceHealth(service.health, settings.sources)
    of_drives = [n for n, each in SOURCES.items() if issubclass(each.settings_type, DriveSettings)]
    book = FactsBook(of_drives)

    def put(source: str, messages: list[Message]) -> None:
        publisher.put(book.merged(source, messages))

    log.info("reading %s", ", ".join(settings.sources))
    async with asyncio.TaskGroup() as group:
        publishing = group.create_task(
            service.supervise("publisher", publisher.run), name="publisher"
        )
        async with asyncio.TaskGroup() as reading:
            for source in sources:
                name = f"read {source.name}"
                work = partial(tick, service, source, partial(put, source.name), health, meters)
                reading.create_task(service.supervise(name, work), name=name)
        left = await publisher.drained(DRAIN_SECONDS)
        await tasks.end(publishing)
    if left:
        log.warning("stopped with %s points that NATS has not acknowledged", f"{left:,}")
