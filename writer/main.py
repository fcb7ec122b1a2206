"""Wire the writer: settings -> store, NATS, one pipeline per stream."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from functools import partial
from operator import attrgetter, itemgetter
from typing import Any, TypeVar

from prometheus_client import Histogram

from spindle import bus, subjects
from spindle.bus import nats_time
from spindle.bus.client import SafeClient
from spindle.bus.streams import ACK_WAIT_SECONDS, VISITS_ACK_WAIT_SECONDS
from spindle.errors import StoreError
from spindle.models import MAX_PAYLOAD_BYTES
from spindle.service.pauses import Pauses
from spindle.service.run import Service
from spindle.store.base import Store, Written
from spindle.store.registry import open_store
from writer.guests import GuestConsumers
from writer.metrics import LedgerCollector
from writer.monitor import Monitor
from writer.parking.matcher import Matcher
from writer.settings import WriterSettings
from writer.storing.batch import LINGER_SECONDS, Limits
from writer.storing.decode import EventDecoder, MetricDecoder
from writer.storing.delay import BUCKETS, Delay
from writer.storing.journal import Journal
from writer.storing.pipeline import Decoder, Pipeline
from writer.storing.visits import VisitDecoder, VisitStorer

log = logging.getLogger("writer")

P = TypeVar("P")

PARTS = ("nats", "store", "parking")
DRAIN_SECONDS = 10.0  #: below the 20 s after which ./run.sh and Docker kill what they stop
EXPIRE_EVERY_SECONDS = 60.0
DECLARE_EVERY_SECONDS = 60.0  #: an operator's edit of a stream lasts no longer
HELD_BATCHES = 4  #: taken from NATS and not yet stored: two on their way, two that fill
#: Python looks for cycles after so many new objects, 700 if left alone. Points come by the ten
#: thousand and are in none: looking at each several times took a third of the writer's time.
GC_OBJECTS = 20_000


async def main(service: Service[WriterSettings]) -> None:
    """Store what the streams hold until told to stop."""
    gc.freeze()  # what was imported stays
    gc.set_threshold(GC_OBJECTS)
    settings, health = service.settings, service.health
    store = open_store(settings, writing=True, now_ns=service.clock.expiry_ns)
    try:
        await service.unless_stopped(prepare(store, service))
        visits = VisitStorer(store)
        pipelines = build(store, visits, service)
        service.registry.register(
            LedgerCollector(lambda: {one.stream: one.core.ledger for one in pipelines})
        )

        def connection_changed(_: bool) -> None:
            for pipeline in pipelines:
                pipeline.connection_changed()

        connecting = bus.connect(
            settings, "writer", connection_changed, health=health, own_subjects=True
        )
        client = await service.unless_stopped(connecting)
        if client is None:
            return
        try:
            visits.connected(client.jetstream())
            await service.unless_stopped(bus.declare(client, settings, health))
            await service.unless_stopped(nats_time.compare(service, client))
            await work(service, client, store, pipelines)
        finally:
            await bus.close(client)
    finally:
        await store.close()


async def prepare(store: Store, service: Service[WriterSettings]) -> None:
    """Wait until the store is there, with growing pauses; create in it what is missing."""
    pauses = Pauses()
    while True:
        try:
            await store.prepare()
        except StoreError as error:
            service.health.failing("store", str(error))
            await asyncio.sleep(pauses.next())
        else:
            service.health.ok("store")
            log.info("storing in %s", store.name)
            return


def build(
    store: Store, visits: VisitStorer, service: Service[WriterSettings]
) -> list[Pipeline[Any]]:
    """One pipeline for each stream of what is stored."""
    profile = store.write_profile
    batch = profile.batch_points
    limits = Limits(
        batch_points=batch,
        linger=LINGER_SECONDS,
        writes=profile.writes,
        held_points=int(HELD_BATCHES * batch),
        lease=ACK_WAIT_SECONDS,
    )
    latest = service.clock.latest_ns
    delays = Histogram(
        "writer_publish_to_stored_seconds",
        "From NATS's taking a message to the store; of each batch the first and the last message",
        ["stream"],
        registry=service.registry,
        buckets=BUCKETS,
    )
    metrics, events = MetricDecoder(MAX_PAYLOAD_BYTES), EventDecoder(MAX_PAYLOAD_BYTES)
    health = service.health

    def pipeline(
        stream: str,
        decoder: Decoder[P],
        write: Callable[[Sequence[P]], Awaitable[Written | None]],
        limits: Limits,
        time_of: Callable[[P], int] | None,
        decode_each: Callable[[Sequence[bytes], int], Sequence[P] | None] | None = None,
    ) -> Pipeline[P]:
        journal = Journal(stream, health, time_of)
        return Pipeline(journal, decoder, write, limits, health, latest, decode_each)

    of_visits = replace(limits, lease=VISITS_ACK_WAIT_SECONDS)
    decoder = VisitDecoder(MAX_PAYLOAD_BYTES)
    made: list[Pipeline[Any]] = [
        pipeline(
            subjects.METRICS_STREAM,
            metrics,
            store.write_points,
            limits,
            itemgetter(1),
            metrics.decode_each,
        ),
        pipeline(subjects.EVENTS_STREAM, events, store.write_events, limits, attrgetter("time_ns")),
        pipeline(
            subjects.PARKING_SUMMARIES_STREAM,
            decoder,
            visits.write,
            of_visits,
            attrgetter("row.time_ns"),
        ),
    ]
    for one in made:
        one.others = [each for each in made if each is not one]
        one.delay = Delay(delays.labels(one.stream), service.clock.nats_ns, time.monotonic)
    return made


async def work(
    service: Service[WriterSettings],
    client: SafeClient,
    store: Store,
    pipelines: list[Pipeline[Any]],
) -> None:
    """Run the pipelines until stopped."""
    stopping, drain = service.stopping, DRAIN_SECONDS
    declare = partial(bus.declare, client, service.settings, service.health)
    async with asyncio.TaskGroup() as tasks:
        matcher = Matcher(
            client, service.settings, service.health, service.registry, declare, service.clock
        )
        lasting: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
            f"pipeline of {one.stream}": partial(one.run, client, declare, stopping, drain)
            for one in pipelines
        }
        lasting |= {
            "expiry": partial(_expire, service, store),
            "stream check": partial(_declared, service, client),
            "monitor": Monitor(client, pipelines, service).run,
            "clock check": partial(nats_time.keep_comparing, service, client),
            "guests": GuestConsumers(client, service).run,
            "matcher": lambda: service.unless_stopped(matcher.run()),
        }
        for name, run in lasting.items():
            tasks.create_task(service.supervise(name, run), name=name)
        await stopping.wait()
        for pipeline in pipelines:
            pipeline.wake()


async def _expire(service: Service[WriterSettings], store: Store) -> None:
    """Have the store let go of what is older than its retention, where it does not by itself."""
    while await service.pause(EXPIRE_EVERY_SECONDS):
        if (now_ns := service.clock.expiry_ns()) is None:
            continue
        try:
            await store.expire(now_ns)
        except StoreError as error:
            if service.health.parts().get("retention", True):  # the times in it: said once
                service.health.failing("retention", str(error))
        else:
            service.health.ok("retention")


async def _declared(service: Service[WriterSettings], client: SafeClient) -> None:
    """Put back what somebody changes in the streams of a pipeline that runs."""
    while await service.pause(DECLARE_EVERY_SECONDS):
        if client.is_connected:
            again = bus.declare(client, service.settings, service.health, running=True)
            await service.unless_stopped(again)
