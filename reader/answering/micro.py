"""nats.micro, made to answer many at once.

The library awaits one request of an endpoint after the other, so that one slow question would hold
up all others, and it answers an error without a body. Here each request is a task of its own, and
the handler answers both success and error; the counters of ``$SRV.STATS`` stay right.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.micro.request import Request, ServiceError
from nats.micro.service import Endpoint, EndpointConfig, Service, ServiceConfig

log = logging.getLogger("reader")

Handler = Callable[[Request], Awaitable[None]]


class ConcurrentService(Service):
    """A micro service whose requests are tasks of ``tasks``."""

    def __init__(self, client: Client, config: ServiceConfig, tasks: asyncio.TaskGroup) -> None:
        super().__init__(client, config)
        self.tasks = tasks

    async def declare(self, config: EndpointConfig) -> None:
        """Begin to answer on one more subject."""
        endpoint = _ConcurrentEndpoint(self, config, self.tasks)
        await endpoint._start()
        self._endpoints.append(endpoint)


class _ConcurrentEndpoint(Endpoint):
    def __init__(self, service: Service, config: EndpointConfig, tasks: asyncio.TaskGroup) -> None:
        super().__init__(service, config)
        self._tasks = tasks

    async def _handle_request(self, msg: Msg) -> None:
        self._num_requests += 1
        self._tasks.create_task(self._answer(msg), name=f"answer on {msg.subject}")

    async def _answer(self, msg: Msg) -> None:
        """The handler has sent its answer when it raises a ServiceError: that is only counted."""
        started = time.perf_counter_ns()
        try:
            if msg.reply:  # else nobody waits for an answer
                await self._handler(Request(msg))
        except ServiceError as error:
            self._num_errors += 1
            self._last_error = repr(error)  # type: ignore[assignment] # declared as None there
        except NatsError as error:
            self._num_errors += 1
            reason = f"could not answer: {error or type(error).__name__}"
            self._last_error = reason  # type: ignore[assignment] # declared as None there
            log.warning("%s: %s", msg.subject, reason)
        self._processing_time += time.perf_counter_ns() - started
        self._average_processing_time = self._processing_time // self._num_requests

    async def _stop(self) -> None:
        """What has arrived is still answered."""
        if self._subscription is not None:
            await self._subscription.drain()  # type: ignore[no-untyped-call]
            self._subscription = None
