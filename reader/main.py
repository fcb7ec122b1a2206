"""Wire the reader: settings -> store, NATS, the micro service ``reader`` with its endpoints."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from functools import partial

from nats.errors import Error as NatsError
from nats.micro.request import Request, ServiceError
from nats.micro.service import EndpointConfig, ServiceConfig

from reader.answering.context import QueryContext
from reader.answering.micro import ConcurrentService, Handler
from reader.answering.replies import Failure
from reader.answering.runner import QuestionRunner
from reader.gauges import AuditGauges, DeviceGauges, StreamGauges
from reader.lookups.examiner import Examiner
from reader.lookups.followed_buckets import followers
from reader.lookups.known.facts import KnownFacts
from reader.lookups.known.newest_readings import NewestSnapshot
from reader.lookups.known.watch_findings import WatchFindings
from reader.lookups.stored.shown_store import without_hidden
from reader.lookups.stored.store_ready import StoreReady
from reader.questions import manual
from reader.questions.registry import QUERIES
from reader.settings import ReaderSettings
from reader.watching.session import Watch
from reader.watching.share_store import AWAY, WatchDeps
from spindle import __version__, bus, subjects
from spindle.bus import nats_time
from spindle.service.run import Service
from spindle.store.base import Store
from spindle.store.registry import open_store

log = logging.getLogger("reader")

PARTS = ("nats", "store")
NAME = "reader"  #: of the micro service, and of the queue group that all readers share
DRAIN_SECONDS = 2.0  #: how long NATS may take to hand over what it has sent
DESCRIPTION = "Answers questions about storage devices"


async def main(service: Service[ReaderSettings]) -> None:
    """Answer questions until told to stop."""
    store = open_store(service.settings)
    try:
        await answer_from(store, service)
    finally:
        await store.close()


async def answer_from(store: Store, service: Service[ReaderSettings]) -> None:
    """Answer questions from one store until told to stop."""
    facts = KnownFacts(hide_simulated=not service.settings.reader_simulated)
    findings, snapshot = WatchFindings(facts=facts), NewestSnapshot()
    store = without_hidden(store, findings)
    store_ready = StoreReady(store, service)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(service.supervise("store check", store_ready.run), name="store check")
        gauges = DeviceGauges(store, store_ready, service)
        tasks.create_task(service.supervise("device gauges", gauges.run), name="device gauges")
        client = await service.unless_stopped(
            bus.connect(service.settings, NAME, health=service.health)
        )
        if client is None:
            return
        async with contextlib.AsyncExitStack() as open_until_the_end:
            open_until_the_end.push_async_callback(bus.close, client)
            settings = service.settings
            listener = await service.unless_stopped(bus.listening(client, settings, service.health))
            if listener is None:
                return
            open_until_the_end.push_async_callback(bus.close, listener)
            examiner = Examiner(settings, settings.thresholds(), findings, snapshot)

            def context() -> QueryContext:
                now_ns, doubt = service.clock.now_ns(), service.clock.doubt
                return QueryContext(store, client, settings, now_ns, examiner, findings, doubt)

            runner = QuestionRunner(QUERIES, context, store_ready, service.registry)
            deps = WatchDeps(
                *(store, store_ready, client, listener, service, examiner, findings, snapshot)
            )
            await _serve(runner, deps)


async def _serve(runner: QuestionRunner, deps: WatchDeps) -> None:
    """Answer, and watch, until stopping; what was taken by then is still answered."""
    client, service = deps.client, deps.service
    following = followers(deps.findings, client, deps.listener, service)
    async with asyncio.TaskGroup() as answers:
        for name, follower in following.items():
            answers.create_task(service.supervise(name, follower.run, expected=AWAY), name=name)
        await asyncio.gather(*(each.first_read() for each in following.values()))
        comparing = partial(nats_time.keep_comparing, service, client)
        answers.create_task(service.supervise("clock check", comparing), name="clock check")
        audit = AuditGauges(deps.store, client, service)
        answers.create_task(service.supervise("audit", audit.run, expected=AWAY), name="audit")
        held = StreamGauges(client, service)
        answers.create_task(service.supervise("streams", held.run, expected=AWAY), name="streams")
        if service.settings.reader_watch:
            watch = service.supervise("watch", Watch(deps).run, expected=AWAY)
            answers.create_task(watch, name="watch")
        config = ServiceConfig(
            name=NAME, version=__version__, description=DESCRIPTION, queue_group=NAME
        )
        micro = ConcurrentService(client, config, answers)
        for endpoint in endpoints(runner):
            await micro.declare(endpoint)
        with contextlib.suppress(NatsError, TimeoutError):  # away again: told when it is back
            await service.unless_stopped(micro.start())
        log.info("answering on %s and %s.<query_type>", subjects.READER_QUERY, subjects.READER)
        await service.stopping.wait()
        await _stop(micro)


async def _stop(micro: ConcurrentService) -> None:
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            await micro.stop()
    except (TimeoutError, NatsError) as error:
        log.warning("NATS is away while stopping: %s", error or type(error).__name__)


def endpoints(runner: QuestionRunner) -> list[EndpointConfig]:
    """``reader.query``, and a subject of its own for every query type."""
    names = ", ".join(QUERIES)
    example = '{"query_type":"device_health","params":{"source_device":"DiskUnit"}}'
    whole = EndpointConfig(
        name="query",
        subject=subjects.READER_QUERY,
        queue_group=NAME,
        handler=_handler(runner, None),
        metadata={
            "description": "Any question: its query_type and its params.",
            "query_types": names,
            "example": example,
        },
    )
    return [whole] + [
        EndpointConfig(
            name=query.name,
            subject=f"{subjects.READER}.{query.name}",
            queue_group=NAME,
            handler=_handler(runner, query.name),
            metadata=manual.metadata(query),
        )
        for query in QUERIES.values()
    ]


def _handler(runner: QuestionRunner, query_type: str | None) -> Handler:
    async def handle(request: Request) -> None:
        reply = await runner.answer(query_type, request.data)
        if isinstance(reply, Failure):
            await request.respond_error(reply.code, reply.message, reply.body())
            raise ServiceError(reply.code, reply.message)  # so that it is counted
        await request.respond(reply)

    return handle
