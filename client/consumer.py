"""Messages of one durable consumer, batch by batch, until the service stops."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from spindle import bus
from spindle.service.run import Service

#: What a consumer that cannot be taken from raises: wait, and begin anew.
TROUBLE = (NatsError, TimeoutError)
FETCH_SECONDS, PAUSE_SECONDS = 5.0, 1.0


class Consumer:
    """Takes from a stream that somebody else has declared.

    :param most: messages of a batch.
    """

    def __init__(
        self, service: Service[Any], client: Client, stream: str, name: str, most: int
    ) -> None:
        self._service, self._client, self._js = service, client, client.jetstream()
        self._stream, self._name, self._most = stream, name, most

    async def run(
        self,
        take: Callable[[list[Msg]], Awaitable[None]],
        part: str,
        trouble: str,
        *,
        settle_seconds: float = 0.0,
    ) -> None:
        """Hand on batches until the service stops, once the streams have been declared.

        :param take: gets each; an empty one now and then says that it works, and there is nothing.
        :param part: of the service, which fails while nothing can be taken.
        :param trouble: what is said then, before the error.
        :param settle_seconds: after the first message of a batch, how long to wait for more.
        """
        while not self._service.stopping.is_set():
            try:
                await self._service.unless_stopped(self._declared())
                async with aclosing(self._batches(settle_seconds)) as batches:
                    async for taken in batches:
                        await take(taken)
            except TROUBLE as error:
                self._service.health.failing(part, f"{trouble}: {error or 'timed out'}")
                await self._service.pause(PAUSE_SECONDS)

    async def _declared(self) -> None:
        await bus.declare(self._client, self._service.settings, self._service.health)

    async def _batches(self, settle_seconds: float) -> AsyncGenerator[list[Msg], None]:
        """:raises NatsError, TimeoutError: it cannot be taken from now."""
        pull = await self._js.pull_subscribe_bind(self._name, stream=self._stream)
        first = 1 if settle_seconds else self._most
        try:
            while not self._service.stopping.is_set():
                await self._js.consumer_info(self._stream, self._name)  # raises where it is gone
                yield []
                while taken := await self._fetched(pull, first, FETCH_SECONDS):
                    if settle_seconds:
                        await self._service.pause(settle_seconds)
                        taken += await self._fetched(pull, self._most - 1, 0.2)
                    yield taken
        finally:
            with contextlib.suppress(NatsError):
                await pull.unsubscribe()

    async def _fetched(self, pull: Any, most: int, seconds: float) -> list[Msg]:
        try:
            fetching = pull.fetch(most, timeout=seconds)
            return list(await self._service.unless_stopped(fetching) or ())
        except TimeoutError:
            return []
