"""What NATS holds and what waits in it, as metrics: also while no writer runs to say so."""

from __future__ import annotations

from functools import partial

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.errors import Error as JetStreamError
from prometheus_client import Gauge

from reader.settings import ReaderSettings
from spindle.bus import streams
from spindle.service.run import Service

EVERY_SECONDS = 10.0


class StreamGauges:
    """Owns ``reader_stream_*`` and ``reader_consumer_*``; every reader shows the same.

    While NATS does not answer there are none: what waits is not known then.
    """

    def __init__(self, client: Client, service: Service[ReaderSettings]) -> None:
        self._client, self._service = client, service
        gauge = partial(Gauge, registry=service.registry)
        stream, consumer = ["stream"], ["stream", "consumer"]
        self._messages = gauge("reader_stream_messages", "Messages that a stream holds", stream)
        self._bytes = gauge("reader_stream_bytes", "Bytes that a stream holds", stream)
        self._most = gauge("reader_stream_max_bytes", "Bytes that it may hold", stream)
        self._pending = gauge(
            "reader_consumer_pending_messages", "Messages not delivered yet", consumer
        )
        self._unacknowledged = gauge(
            "reader_consumer_unacknowledged_messages",
            "Messages delivered and not acknowledged",
            consumer,
        )

    async def run(self) -> None:
        """Until the service stops."""
        while await self._service.pause(EVERY_SECONDS):
            try:
                await self._look()
            except (NatsError, JetStreamError, TimeoutError):  # /healthz tells it
                for each in (self._messages, self._bytes, self._most):
                    each.clear()
                self._pending.clear()
                self._unacknowledged.clear()

    async def _look(self) -> None:
        js = self._client.jetstream()
        for stream in streams.streams(self._service.settings):
            name = str(stream.name)
            found = await js.stream_info(name)
            self._messages.labels(name).set(found.state.messages)
            self._bytes.labels(name).set(found.state.bytes)
            if found.config.max_bytes and found.config.max_bytes > 0:
                self._most.labels(name).set(found.config.max_bytes)
        for stream_name, consumer in streams.consumers():
            labels = stream_name, str(consumer.durable_name)
            info = await js.consumer_info(*labels)
            self._pending.labels(*labels).set(info.num_pending or 0)
            self._unacknowledged.labels(*labels).set(info.num_ack_pending or 0)
