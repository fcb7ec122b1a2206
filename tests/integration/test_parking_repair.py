"""Repair makes parking's consumers anew and loses no visit that one of them still wants."""

from __future__ import annotations

import nats

from spindle import bus, subjects
from spindle.settings import Settings
from writer.repair import repair

STREAM = subjects.PARKING_SUMMARIES_STREAM


async def test_a_visit_that_only_one_of_two_has_taken_is_still_there_for_the_other(
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
    assert f"{STREAM}: consumer writer deleted and made anew; 1 messages wait" in lines
    store = await js.pull_subscribe_bind(subjects.WRITER_CONSUMER, stream=STREAM)
    assert [message.data for message in await store.fetch(1)] == [b"a visit"]
    await client.close()
