"""A writer that was frozen for longer than the broker waits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import cast

from spindle.bus.client import SafeClient
from spindle.bus.protocol import Message
from spindle.service.health import Health
from writer.storing.batch import Limits, Mistake
from writer.storing.intake import Intake
from writer.storing.journal import Journal
from writer.storing.pipeline import Pipeline


class OneInbox:
    """As much of a connection as taking messages needs."""

    is_connected = True
    max_payload = 2**20

    def __init__(self) -> None:
        self.inboxes = 0
        self.deliver: Callable[[list[Message]], None]

    def new_inbox(self) -> str:
        self.inboxes += 1
        return f"inbox.{self.inboxes}"

    async def subscribe_many(self, inbox: str, sink: Callable[[list[Message]], None]) -> OneInbox:
        self.deliver = sink
        return self

    async def unsubscribe(self) -> None:
        pass

    async def publish_many(self, subjects: Sequence[str], payload: bytes) -> None:
        pass

    async def publish(self, subject: str, payload: bytes = b"", reply: str = "") -> None:
        pass


class TakesAll:
    def decode(self, payload: bytes, latest_ns: int) -> tuple[list[bytes], list[Mistake]]:
        return [payload], []


async def store(points: Sequence[bytes]) -> None:
    pass


async def test_what_lies_in_its_inbox_when_it_thaws_is_left_to_others() -> None:
    connection = OneInbox()
    client = cast(SafeClient, connection)
    health = Health("writer")
    journal: Journal[bytes] = Journal("METRICS", health)
    pipeline = Pipeline(journal, TakesAll(), store, Limits(lease=30.0), health, time.time_ns)
    intake = Intake(client, "METRICS", "writer", lambda: None)
    await intake.open()
    message = (1, b"events.metrics", b"$JS.ACK.METRICS.writer.1.7.7.0.0", b"", b"1")

    async with asyncio.TaskGroup() as tasks:
        connection.deliver([message])
        pipeline._turned_at = time.monotonic() - 31
        await pipeline._turn(client, intake, tasks, asking=True)
        assert pipeline.core.ledger.received == 0
        assert connection.inboxes == 2, "what is still on its way comes to nobody"

        connection.deliver([message])
        await pipeline._turn(client, intake, tasks, asking=True)
        assert pipeline.core.ledger.received == 1
