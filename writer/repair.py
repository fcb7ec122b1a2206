"""``python -m writer.repair``: make the writer's consumers anew: by a reset, or a new one.

The streams are work queues: what is not acknowledged stays in them without a consumer, and is
delivered again to the new one. Writing it twice changes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys

import orjson
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig
from nats.js.errors import NotFoundError

from spindle import bus, subjects
from spindle.bus import streams
from spindle.errors import InvalidSettings
from spindle.service import logs
from spindle.settings import Settings, load

CONNECT_SECONDS = 10.0
RESETS_SINCE = (2, 14)  #: of nats-server; nothing can be lost where a repair is killed meanwhile
RESET_SECONDS = 5.0
#: Longer than any repair takes; by then the services have declared what was deleted.
HOLDER_SECONDS = 120.0
#: That stream keeps what its consumers want: this one wants everything while others are away. They
#: are delivered all of it anew, and know by its ids what they have.
#: Should a repair be killed, the server itself removes it; the next repair finds it and goes on.
_HOLDER = ConsumerConfig(
    durable_name="repair",
    ack_policy=AckPolicy.EXPLICIT,
    inactive_threshold=HOLDER_SECONDS,
)


async def repair(settings: Settings) -> list[str]:
    """Reset every consumer, or delete and declare it; one sentence for each.

    :raises TimeoutError: NATS is not there.
    """
    async with asyncio.timeout(CONNECT_SECONDS):
        client = await bus.connect(settings, "repair")
    try:
        return await _make_anew(client, settings)
    finally:
        await bus.close(client)


async def _make_anew(client: Client, settings: Settings) -> list[str]:
    js, done = client.jetstream(), {}
    for stream, name in _consumers():
        if await _reset(client, stream, name):
            done[stream, name] = "reset: what waits is delivered anew"
    if left := [each for each in _consumers() if each not in done]:
        done |= await _delete_and_declare(client, settings, left)
    with contextlib.suppress(NotFoundError):  # of a repair that was killed
        await js.delete_consumer(subjects.PARKING_SUMMARIES_STREAM, str(_HOLDER.durable_name))
    told = []
    for stream, name in _consumers():
        waiting = (await js.stream_info(stream)).state.messages
        told.append(f"{stream}: consumer {name} {done[stream, name]}; {waiting} messages wait")
    return told


def _consumers() -> list[tuple[str, str]]:
    return [(stream, str(each.durable_name)) for stream, each in streams.consumers()]


async def _reset(client: Client, stream: str, name: str) -> bool:
    """Have the server itself begin anew with what the stream holds, in one step, where it can."""
    version = client.connected_server_version
    try:
        if (version.major, version.minor) < RESETS_SINCE:
            return False
        await client.jetstream().consumer_info(stream, name)  # of one that is missing it is silent
        subject = f"$JS.API.CONSUMER.RESET.{stream}.{name}"
        answer = await client.request(subject, b'{"seq":1}', timeout=RESET_SECONDS)
    except (NotFoundError, TimeoutError, NatsError):  # or this user may not
        return False
    return "error" not in orjson.loads(answer.data)


async def _delete_and_declare(
    client: Client, settings: Settings, some: list[tuple[str, str]]
) -> dict[tuple[str, str], str]:
    js, done = client.jetstream(), {}
    await js.add_consumer(subjects.PARKING_SUMMARIES_STREAM, _HOLDER)
    try:
        for stream, name in some:
            try:
                await js.delete_consumer(stream, name)
                done[stream, name] = "deleted and made anew"
            except NotFoundError:
                done[stream, name] = "was missing, made anew"
    finally:  # where it was interrupted, the holder goes only once the others are there again
        async with asyncio.timeout(CONNECT_SECONDS):
            await bus.declare(client, settings)
            await js.delete_consumer(subjects.PARKING_SUMMARIES_STREAM, str(_HOLDER.durable_name))
    return done


def main() -> int:
    """Exit code 0 when mended, 1 when NATS is away, 2 when a setting is wrong."""
    try:
        settings = load(Settings)
        logs.configure("repair", "error")
        for line in asyncio.run(repair(settings)):
            print(line)
    except InvalidSettings as error:
        print(error, file=sys.stderr)
        return 2
    except (TimeoutError, NatsError) as error:
        print(f"repair: NATS does not answer ({str(error) or 'timed out'})", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
