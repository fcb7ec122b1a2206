"""Make streams, consumers and buckets what ``streams`` says, whatever they are now.

Somebody else may change them at any time, so they are compared whole: also what Spindle does not
set, where another value than the server's default would lose messages.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from typing import TYPE_CHECKING, Any

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, RetentionPolicy, StreamConfig
from nats.js.errors import APIError, NotFoundError

from spindle import subjects
from spindle.bus import streams
from spindle.errors import BusUnavailable
from spindle.service.health import Health
from spindle.service.pauses import Pauses
from spindle.service.tasks import cancelled

if TYPE_CHECKING:
    from spindle.settings import Settings  # pydantic is long in loading, and a question needs none

log = logging.getLogger("spindle.bus")

REQUEST_TIMEOUT_SECONDS = 5.0
#: JetStream's codes where an account's, the server's or the disk's limit is reached.
NO_ROOM = frozenset({10002, 10023, 10047})
PART = "streams"  #: of a service's health, once something is not as it should be
#: Users who may not declare: the writer does, and these wait until it has.
WAITING_USERS = frozenset({"daemon", "reader", "client", "gateway"})
_DECLARING = "streams"  # who reports on the part ``nats`` of health, beside the connection

#: What the server takes where a configuration says nothing. Where a stream lies, how it is
#: compressed and what its metadata say is its operator's own.
_STREAM_DEFAULTS: dict[str, Any] = {
    "retention": RetentionPolicy.LIMITS,
    "max_consumers": -1,
    "max_msgs": -1,
    "max_bytes": -1,
    "max_age": 0,
    "max_msgs_per_subject": -1,
    "max_msg_size": -1,
    "discard_new_per_subject": False,
    "no_ack": False,
    "sealed": False,
    "deny_delete": False,
    "deny_purge": False,
    "allow_rollup_hdrs": False,  # a publisher could empty the stream by a header
    "mirror": None,
    "sources": None,
    "republish": None,
    "subject_transform": None,
    "subject_delete_marker_ttl": None,
    "allow_msg_ttl": False,  # a publisher could have what waits expire
    "allow_msg_schedules": False,
    "consumer_limits": None,
}
_CONSUMER_DEFAULTS: dict[str, Any] = {
    "filter_subject": None,
    "filter_subjects": None,
    "backoff": None,
    "rate_limit_bps": None,
    "headers_only": None,
    "inactive_threshold": None,
    "pause_until": None,
}


async def declare(
    client: Client, settings: Settings, health: Health | None = None, *, running: bool = False
) -> None:
    """Create the streams and consumers that are missing, and mend those that drifted.

    A user of ``WAITING_USERS`` waits instead until somebody has. Safe to call by any number of
    services at once, and again. Waits until JetStream answers, and
    has room.

    :param health: is told in its part ``nats`` why this waits, and in its part ``streams`` what
        was changed by somebody and cannot be put back.
    :param running: this is a look at a pipeline that runs: what was put back stays named in
        ``health`` until the next look, since messages may have been lost meanwhile.
    """
    js = client.jetstream(timeout=REQUEST_TIMEOUT_SECONDS)
    pauses, told = Pauses(), ""
    while not cancelled():
        try:
            if settings.nats_user in WAITING_USERS:
                await _look_for_everything(js, settings)
            else:
                await _declare_everything(js, settings, health, running)
        except NotFoundError:
            reason = "streams are missing: waiting for the writer, which declares them"
            told = _tell(reason, told, health)
            await asyncio.sleep(pauses.next())
        except (TimeoutError, NatsError, BusUnavailable) as error:
            reason = f"JetStream does not answer, trying again: {error or type(error).__name__}"
            if isinstance(error, BusUnavailable):
                reason = f"{error}; {_settings_of_size(settings)}"
            told = _tell(reason, told, health)
            await asyncio.sleep(pauses.next())
        else:
            if health is not None:
                health.ok("nats", _DECLARING)
            return


def _tell(reason: str, told: str, health: Health | None) -> str:
    if health is not None:
        health.failing("nats", reason, _DECLARING)
    elif reason != told:
        log.warning("%s", reason)
    return reason


async def _look_for_everything(js: JetStreamContext, settings: Settings) -> None:
    """:raises NotFoundError: a stream or a consumer is not there."""
    for stream in streams.streams(settings):
        await js.stream_info(str(stream.name))
    for stream_name, consumer in streams.consumers():
        await js.consumer_info(stream_name, str(consumer.durable_name))


async def _declare_everything(
    js: JetStreamContext, settings: Settings, health: Health | None, running: bool
) -> None:
    named: list[str] = []
    for stream in streams.streams(settings):
        kept, mended = await declare_stream(js, stream)
        named += kept + mended if running else kept
    for stream_name, consumer in streams.consumers():
        await _declare_consumer(js, stream_name, consumer)
    if health is None:
        return
    if named:
        health.failing(PART, "; ".join(named))
    elif PART in health.parts():
        health.ok(PART)


async def declare_stream(js: JetStreamContext, wanted: StreamConfig) -> tuple[list[str], list[str]]:
    """Create the stream, or put back what differs, one key at a time.

    :return: a sentence for each key that stays as it is, with the server's reason; and one for
        each that was put back.
    :raises BusUnavailable: the server has no room for it.
    """
    name = str(wanted.name)
    try:
        there = (await js.stream_info(name)).config
    except NotFoundError:
        await _create(js, wanted)
        return [], []
    kept, mended = [], []
    for key, value in drift(wanted, there, _STREAM_DEFAULTS).items():
        if key not in drift(wanted, there, _STREAM_DEFAULTS):
            continue  # another task has put it back meanwhile
        was = f"stream {name}: {key} is {_said(getattr(there, key))} and should be {_said(value)}"
        try:
            there = (await js.update_stream(there.evolve(**{key: value}))).config
        except APIError as error:
            kept.append(f"{was}, which the server refuses: {error.description}")
        else:
            mended.append(f"{was}: put right")
            log.warning("%s", mended[-1])
    return kept, mended


async def _create(js: JetStreamContext, wanted: StreamConfig) -> None:
    try:
        await js.add_stream(wanted)
    except APIError as error:
        if error.err_code in NO_ROOM:
            name = str(wanted.name)
            bucket = name.removeprefix(subjects.bucket_stream(""))
            kind = f"stream {name}" if bucket == name else f"bucket {bucket}"
            what = no_room(kind, wanted.max_bytes or 0)
            raise BusUnavailable(what) from None
        raise
    log.info("created stream %s", wanted.name)


async def _declare_consumer(js: JetStreamContext, stream: str, wanted: ConsumerConfig) -> None:
    name = str(wanted.durable_name)
    try:
        there = (await js.consumer_info(stream, name)).config
    except NotFoundError:
        await js.add_consumer(stream, wanted)
        log.info("created consumer %s on %s", name, stream)
        return
    changes = drift(wanted, there, _CONSUMER_DEFAULTS)
    if not changes:
        return
    try:
        await js.add_consumer(stream, there.evolve(**changes))
    except APIError:  # what cannot be changed in place: a work queue keeps its messages meanwhile
        await js.delete_consumer(stream, name)
        await js.add_consumer(stream, wanted)
    log.warning("consumer %s on %s: put right %s", name, stream, ", ".join(changes))


def drift(wanted: Any, there: Any, defaults: dict[str, Any]) -> dict[str, Any]:
    """What has to change in ``there``: key -> the value that it should have.

    :param defaults: what ``wanted`` means by saying nothing; of other keys it then means nothing.
    """
    changes = {}
    for field in dataclasses.fields(wanted):
        value, has = getattr(wanted, field.name), getattr(there, field.name)
        unsaid = value is None or (value == field.default and isinstance(value, int | float))
        if unsaid and field.name not in defaults:
            continue
        value = defaults[field.name] if unsaid else value
        if value != has and not (_is_empty(value) and _is_empty(has)):
            changes[field.name] = value
    return changes


def _is_empty(value: Any) -> bool:
    """Whether the server leaves it out, or may: nothing, or an object of nothing."""
    return not value or (dataclasses.is_dataclass(value) and not any(vars(value).values()))


def _said(value: object) -> str:
    return str(getattr(value, "value", value))


def no_room(what: str, size: int) -> str:
    """The sentence for a stream that JetStream refuses for lack of room."""
    return (
        f"nats-server has no room for {what}, which reserves {_gib(size)}: raise max_file_store in "
        "the jetstream part of its configuration"
    )


def _settings_of_size(settings: Settings) -> str:
    """The other way out."""
    wanted = sum(max(0, stream.max_bytes or 0) for stream in streams.streams(settings))
    return (
        f"all of Spindle's streams take {_gib(wanted)}; or lower METRICS_STREAM_MAX_BYTES (now "
        f"{_gib(settings.metrics_stream_max_bytes)}), EVENTS_STREAM_MAX_BYTES "
        f"({_gib(settings.events_stream_max_bytes)}), PARKING_STREAM_MAX_BYTES "
        f"({streams.PARKING_STREAMS} times {_gib(settings.parking_stream_max_bytes)}) or "
        f"DEADLETTER_MAX_BYTES ({_gib(settings.deadletter_max_bytes)})"
    )


def _gib(size: int) -> str:
    return f"{size / 2**30:.3g} GiB"
