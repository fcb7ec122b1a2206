"""Repair makes parking's consumers anew and loses no visit that one of them still wants."""

from __future__ import annotations

import asyncio
from typing import Any

import nats
import pytest
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from spindle import bus, subjects
from spindle.settings import Settings
from writer.repair import repair


@pytest.fixture(params=[True, False], ids=["reset", "delete"])
def resets(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the server resets consumers, or an older one has them deleted."""
    if not request.param:
        monkeypatch.setattr("writer.repair.RESETS_SINCE", (99, 0))
    return bool(request.param)


STREAM = subjects.PARKING_SUMMARIES_STREAM


async def test_a_visit_that_only_one_of_two_has_taken_is_still_there_for_the_other(
    resets: bool,
    settings: Settings,
) -> None:
    client = await nats.connect(settings.nats_url)
    await bus.declare(client, settings)
    js = client.jetstream()
    await js.publish(subjects.PARKING_SUMMARY, b"a visit")
    pull = await js.pull_subscribe_bind(subjects.CLIENT_CONSUMER, stream=STREAM)
    [message] = await pull.fetch(1)
    await message.ack_sync()
    lines = await repair(settings)
    done = "reset: what waits is delivered anew" if resets else "deleted and made anew"
    assert f"{STREAM}: consumer writer {done}; 1 messages wait" in lines
    store = await js.pull_subscribe_bind(subjects.WRITER_CONSUMER, stream=STREAM)
    assert [message.data for message in await store.fetch(1)] == [b"a visit"]
    await client.close()


@pytest.mark.parametrize("fails_at", range(5))
@pytest.mark.fault("h10")
async def test_resets_that_were_interrupted_lose_no_visit(
    fails_at: int, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await nats.connect(settings.nats_url)
    await bus.declare(client, settings)
    js = client.jetstream()
    await js.publish(subjects.PARKING_SUMMARY, b"a visit")
    resets, request = 0, Client.request

    async def killed(self: Client, subject: str, *given: Any, **more: Any) -> Any:
        nonlocal resets
        if ".RESET." in subject:
            resets += 1
            if resets > fails_at:
                raise asyncio.CancelledError
        return await request(self, subject, *given, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Client, "request", killed)
        with pytest.raises(asyncio.CancelledError):
            await repair(settings)
    await repair(settings)
    await both_take_it(js)
    await client.close()


@pytest.mark.parametrize("fails_at", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.fault("h10")
async def test_a_repair_that_was_interrupted_loses_no_visit_and_leaves_nothing_after_the_next(
    fails_at: int, killed: bool, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("writer.repair.RESETS_SINCE", (99, 0))
    client = await nats.connect(settings.nats_url)
    await bus.declare(client, settings)
    js = client.jetstream()
    await js.publish(subjects.PARKING_SUMMARY, b"a visit")
    deletions, delete = 0, JetStreamContext.delete_consumer

    async def failing(self: JetStreamContext, stream: str, name: str) -> Any:
        nonlocal deletions
        deletions += 1
        if deletions == fails_at or (killed and deletions > fails_at):
            raise asyncio.CancelledError if killed else TimeoutError
        return await delete(self, stream, name)

    with monkeypatch.context() as patch:
        patch.setattr(JetStreamContext, "delete_consumer", failing)
        with pytest.raises((TimeoutError, asyncio.CancelledError)):
            await repair(settings)
    if not killed:
        with pytest.raises(NotFoundError):
            await js.consumer_info(STREAM, "repair")
    await repair(settings)
    with pytest.raises(NotFoundError):
        await js.consumer_info(STREAM, "repair")
    await both_take_it(js)
    await client.close()


async def both_take_it(js: JetStreamContext) -> None:
    for consumer in (subjects.WRITER_CONSUMER, subjects.CLIENT_CONSUMER):
        pull = await js.pull_subscribe_bind(consumer, stream=STREAM)
        [message] = await pull.fetch(1)
        assert message.data == b"a visit"
        await message.ack_sync()
    assert (await js.stream_info(STREAM)).state.messages == 0
