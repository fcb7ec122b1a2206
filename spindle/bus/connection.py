"""Connect to NATS, and declare what Spindle needs there."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import ssl
from collections.abc import Callable
from typing import Any

import nats
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, StreamConfig
from nats.js.errors import APIError, NotFoundError, ServiceUnavailableError

from spindle.bus import streams
from spindle.errors import BusUnavailable
from spindle.service.health import Health
from spindle.service.tasks import cancelled
from spindle.settings import Settings

log = logging.getLogger("spindle.bus")

RECONNECT_WAIT_SECONDS = 1.0
FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 10.0
REQUEST_TIMEOUT_SECONDS = 5.0
#: JetStream's codes where an account's, the server's or the disk's limit is reached.
NO_ROOM = frozenset({10002, 10023, 10047})
_DECLARING = "streams"  # who reports on the part ``nats`` of health, beside the connection


async def connect(
    settings: Settings,
    name: str,
    on_state: Callable[[bool], None] | None = None,
    *,
    own_subjects: bool = False,
) -> Client:
    """A connection that waits for NATS with growing pauses and never gives up.

    :param name: shown in the server's connection list.
    :param on_state: told True when connected and False when not, at each change.
    :param own_subjects: every subject comes from the server or from this program, so the client
        need not look for line breaks in each one.
    """
    state = _ConnectionLog(on_state)
    options = _options(settings, name, state) | {"skip_subject_validation": own_subjects}
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            client = await nats.connect(**options)
        except (OSError, NatsError, TimeoutError) as error:
            state.down(error)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
        else:
            state.client = client
            state.up()
            return client


async def close(client: Client) -> None:
    """End a connection, also where NATS is away: there is nobody then to take leave of."""
    with contextlib.suppress(NatsError, OSError):
        await client.close()


class _ConnectionLog:
    """Logs each change of the connection's state once."""

    def __init__(self, on_state: Callable[[bool], None] | None) -> None:
        self._connected: bool | None = None  # None: not known yet
        self._on_state = on_state
        self.client: Client | None = None  # closed by ourselves, it is not "away"

    def up(self) -> None:
        self._change(True, "connected to NATS")

    def down(self, why: object) -> None:
        self._change(False, f"NATS is away, trying again: {why or 'the connection was lost'}")

    def error(self, error: Exception) -> None:
        """Before the first connection the client tries again by itself and only reports errors."""
        if self._connected is None:
            self.down(str(error) or type(error).__name__)

    def _change(self, connected: bool, message: str) -> None:
        if connected is self._connected:
            return
        self._connected = connected
        log.log(logging.INFO if connected else logging.WARNING, message)
        if self._on_state is not None:
            self._on_state(connected)


def _options(settings: Settings, name: str, state: _ConnectionLog) -> dict[str, Any]:
    async def disconnected() -> None:
        if state.client is None or not state.client.is_closed:
            state.down("")

    async def reconnected() -> None:
        state.up()

    async def errored(error: Exception) -> None:
        log.debug("NATS client: %s", error or type(error).__name__)
        state.error(error)

    options: dict[str, Any] = {
        "servers": [url.strip() for url in settings.nats_url.split(",") if url.strip()],
        "name": f"spindle-{name}",
        "max_reconnect_attempts": -1,
        "reconnect_time_wait": RECONNECT_WAIT_SECONDS,
        "connect_timeout": 2,
        "ping_interval": 10,
        "max_outstanding_pings": 2,
        "allow_reconnect": True,
        "disconnected_cb": disconnected,
        "reconnected_cb": reconnected,
        "error_cb": errored,
    }
    if settings.nats_user:
        options["user"] = settings.nats_user
        options["password"] = settings.nats_password.get_secret_value()
    if settings.nats_creds:
        options["user_credentials"] = settings.nats_creds
    if settings.nats_tls_ca or settings.nats_tls_cert:
        options["tls"] = _tls(settings)
    return options


def _tls(settings: Settings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.nats_tls_ca or None)
    if settings.nats_tls_cert:
        context.load_cert_chain(settings.nats_tls_cert, settings.nats_tls_key or None)
    return context


async def declare(client: Client, settings: Settings, health: Health | None = None) -> None:
    """Create the streams and consumers that are missing, and reconcile those that drifted.

    Safe to call by any number of services at once, and again. Waits until JetStream answers, and
    has room.

    :param health: is told in its part ``nats`` why this waits.
    """
    js = client.jetstream(timeout=REQUEST_TIMEOUT_SECONDS)
    pause, told = FIRST_PAUSE_SECONDS, ""
    while not cancelled():
        try:
            for stream in streams.streams(settings):
                await _declare_stream(js, stream)
            for stream_name, consumer in streams.consumers():
                await _declare_consumer(js, stream_name, consumer)
            if health is not None:
                health.ok("nats", _DECLARING)
            return
        except (TimeoutError, NatsError, ServiceUnavailableError, BusUnavailable) as error:
            reason = f"JetStream does not answer, trying again: {error or type(error).__name__}"
            if isinstance(error, BusUnavailable):
                reason = f"{error}; {_settings_of_size(settings)}"
            if health is not None:
                health.failing("nats", reason, _DECLARING)
            elif reason != told:
                log.warning("%s", reason)
                told = reason
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


def no_room(what: str, size: int) -> str:
    """Why JetStream refuses what it has to keep room for."""
    return (
        f"nats-server has no room for {what}, which reserves {_gib(size)}: raise max_file_store in "
        "the jetstream part of its configuration"
    )


def _settings_of_size(settings: Settings) -> str:
    """The other way out."""
    wanted = sum(stream.max_bytes or 0 for stream in streams.streams(settings))
    return (
        f"all of Spindle's streams take {_gib(wanted)}; or lower METRICS_STREAM_MAX_BYTES (now "
        f"{_gib(settings.metrics_stream_max_bytes)}), EVENTS_STREAM_MAX_BYTES "
        f"({_gib(settings.events_stream_max_bytes)}), PARKING_STREAM_MAX_BYTES "
        f"({streams.PARKING_STREAMS} times {_gib(settings.parking_stream_max_bytes)}) or "
        f"DEADLETTER_MAX_BYTES ({_gib(settings.deadletter_max_bytes)})"
    )


def _gib(size: int) -> str:
    return f"{size / 2**30:.3g} GiB"


async def _declare_stream(js: JetStreamContext, wanted: StreamConfig) -> None:
    name = str(wanted.name)
    try:
        there = (await js.stream_info(name)).config
    except NotFoundError:
        try:
            await js.add_stream(wanted)
        except APIError as error:
            if error.err_code in NO_ROOM:
                raise BusUnavailable(no_room(f"stream {name}", wanted.max_bytes or 0)) from None
            raise
        log.info("created stream %s", wanted.name)
        return
    changes = drift(wanted, there)
    if not changes:
        return
    merged = there.evolve(**changes)
    try:
        await js.update_stream(merged)
        log.info("stream %s: updated %s", wanted.name, ", ".join(changes))
    except APIError as error:
        log.error(
            "stream %s keeps its old %s: %s", wanted.name, ", ".join(changes), error.description
        )


async def _declare_consumer(js: JetStreamContext, stream: str, wanted: ConsumerConfig) -> None:
    name = str(wanted.durable_name)
    try:
        there = (await js.consumer_info(stream, name)).config
    except NotFoundError:
        await js.add_consumer(stream, wanted)
        log.info("created consumer %s on %s", wanted.durable_name, stream)
        return
    changes = drift(wanted, there)
    if not changes:
        return
    try:
        await js.add_consumer(stream, there.evolve(**changes))
    except APIError:  # what cannot be changed in place: a work queue keeps its messages meanwhile
        await js.delete_consumer(stream, name)
        await js.add_consumer(stream, wanted)
    log.info("consumer %s on %s: updated %s", wanted.durable_name, stream, ", ".join(changes))


def drift(wanted: Any, there: Any) -> dict[str, Any]:
    """What ``wanted`` sets and ``there`` has otherwise; what is not wanted is left as it is."""
    return {
        field.name: value
        for field in dataclasses.fields(wanted)
        if (value := getattr(wanted, field.name)) is not None
        and not (value == field.default and isinstance(value, int | float))
        and value != getattr(there, field.name)
    }
