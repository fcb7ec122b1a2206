"""Look at the streams every few seconds, tell what was seen, and answer ``writer.ledger``."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.api import RetentionPolicy
from prometheus_client import Gauge, Info

from spindle import subjects
from spindle.bus import nats_server
from spindle.service.run import Service
from writer.deaf_consumer import ConsumerState, DeafConsumer
from writer.settings import WriterSettings
from writer.storing.journal import stream_state
from writer.storing.pipeline import Pipeline

log = logging.getLogger("writer.monitor")

EVERY_SECONDS = 5.0
MONITOR_PORT = 8222


class Monitor:
    """Watches the consumers and the broker for one writer."""

    def __init__(
        self,
        client: Client,
        pipelines: list[Pipeline[Any]],
        service: Service[WriterSettings],
    ) -> None:
        self._client = client
        self._pipelines = pipelines
        self._service = service
        self._monitor_url = monitor_url(service.settings)
        self._watches = {one.stream: DeafConsumer() for one in pipelines}
        self._fsync: nats_server.Fsync = "unknown"
        self._warned_of = ""  # the server version that was warned of
        labels, registry = ["stream"], service.registry
        self._pending = Gauge(
            "writer_pending_messages",
            "Messages not delivered to a writer yet",
            labels,
            registry=registry,
        )
        self._unacknowledged = Gauge(
            "writer_unacknowledged_messages",
            "Messages delivered and not acknowledged",
            labels,
            registry=registry,
        )
        self._bytes = Gauge(
            "writer_stream_bytes", "Bytes that the stream holds", labels, registry=registry
        )
        self._broker = Info(
            "writer_broker",
            "Version of the NATS server, and when it syncs to disk",
            registry=registry,
        )

    async def run(self) -> None:
        """Look until told to stop, and answer for the ledger meanwhile."""
        subscription = await self._client.subscribe(subjects.WRITER_LEDGER, cb=self._answer)
        try:
            await self._look()
            while await self._service.pause(EVERY_SECONDS):
                await self._look()
        finally:
            if not self._client.is_closed:
                await subscription.unsubscribe()

    async def _look(self) -> None:
        if not self._client.is_connected:
            return
        await self._look_at_broker()
        for pipeline in self._pipelines:
            try:
                await self._look_at(pipeline)
            except (NatsError, TimeoutError) as error:
                log.debug("%s: no answer to the monitor: %s", pipeline.stream, error)

    async def _look_at_broker(self) -> None:
        number = self._client.connected_server_version
        version = f"{number.major}.{number.minor}.{number.patch}"
        self._fsync = await asyncio.to_thread(nats_server.fsync_of, self._monitor_url)
        self._broker.info({"version": version, "broker_fsync": self._fsync})
        if version != self._warned_of:
            self._warned_of = version
            warning = nats_server.version_warning(version)
            log.info("nats-server %s, broker_fsync=%s", version, self._fsync)
            if warning:
                log.warning(warning)

    async def _look_at(self, pipeline: Pipeline[Any]) -> None:
        js, stream = self._client.jetstream(), pipeline.stream
        info = await js.consumer_info(stream, subjects.WRITER_CONSUMER)
        stream_info = await js.stream_info(stream)
        state, pending = stream_info.state, info.num_pending or 0
        unacknowledged = info.num_ack_pending or 0
        pipeline.journal.seen(stream_state(stream_info))
        queue = stream_info.config.retention == RetentionPolicy.WORK_QUEUE
        reading = ConsumerState(
            last=state.last_seq,
            # What a stream keeps for another consumer does not wait for this one.
            messages=state.messages if queue else pending + unacknowledged,
            floor=info.ack_floor.stream_seq if info.ack_floor else 0,
            delivered=info.delivered.stream_seq if info.delivered else 0,
            pending=pending,
            unacknowledged=unacknowledged,
            asking=pipeline.asking,
        )
        self._pending.labels(stream).set(reading.pending)
        self._unacknowledged.labels(stream).set(reading.unacknowledged)
        self._bytes.labels(stream).set(state.bytes)
        deaf = self._watches[stream].judge(reading, time.monotonic())
        part = f"consumer of {stream}"
        if deaf:
            self._service.health.failing(part, f"deaf: {deaf}; ./run.sh repair mends it")
        else:
            self._service.health.ok(part)

    async def _answer(self, message: Msg) -> None:
        if message.reply:
            await message.respond(orjson.dumps(self.report()))

    def report(self) -> dict[str, Any]:
        """This writer's ledgers, stream by stream, as ``reader.ledger`` adds them up."""
        streams = {}
        for pipeline in self._pipelines:
            ledger = pipeline.core.ledger
            streams[pipeline.stream] = {
                **asdict(ledger),
                "adds_up": ledger.adds_up,
                **(pipeline.delay.recent() if pipeline.delay else {}),
            }
        return {"writer": self._client.client_id, "broker_fsync": self._fsync, "streams": streams}


def monitor_url(settings: WriterSettings) -> str:
    """NATS's monitoring address: as given, else the usual port on the first server's host."""
    if given := settings.nats_monitor_url:
        return given.rstrip("/")
    host = urlsplit(settings.nats_url.split(",")[0].strip()).hostname or "127.0.0.1"
    return f"http://{host}:{MONITOR_PORT}"
