"""The daemon, put together: sources are read and asked, the publisher publishes, a stop drains."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any

import orjson
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from daemon.backlog import Backlog
from daemon.messages import FactsBook, Message
from daemon.meters import Meters
from daemon.publisher import Publisher
from daemon.registry import SOURCES
from daemon.settings import DaemonSettings
from daemon.source import DriveSettings, Source
from daemon.ticker import PART, SourceHealth, tick
from spindle.errors import InvalidInput
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


Answer = Callable[[Msg], Awaitable[None]]


def answers(chosen: Iterable[Source]) -> dict[str, Answer]:
    """The handler of each subject on which a source answers requests.

    The answer is ``{"status": "success", "data": ...}`` or ``{"status": "error", "message": ...}``;
    that of a source which is not chosen says so.
    """
    by_name = {source.name: source for source in chosen}
    return {
        subject: _answer(name, by_name.get(name))
        for name, kind in SOURCES.items()
        for subject in kind.answers
    }


def _answer(name: str, source: Source | None) -> Answer:
    async def answer(request: Msg) -> None:
        # In a thread: a reading of a large fleet may hold what this needs.
        reply = await asyncio.to_thread(reply_to, name, source, request.data, time.time_ns())
        if request.reply:
            with contextlib.suppress(NatsError):  # whoever asked asks again
                await request.respond(orjson.dumps(reply))

    return answer


def reply_to(name: str, source: Source | None, payload: bytes, now_ns: int) -> dict[str, Any]:
    """The answer of the source called ``name``; None where it is not among the chosen."""
    if source is None:
        return _error(f"nothing is done here: {name} is not among DAEMON_SOURCES")
    try:
        return {"status": "success", "data": source.answer(payload, now_ns)}
    except InvalidInput as error:
        return _error(str(error))


def _error(message: str) -> dict[str, Any]:
    return {"status": "error", "message": message}
