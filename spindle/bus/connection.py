"""Connect to NATS and stay connected."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nats.aio.client import Client
from nats.errors import Error as NatsError

from spindle import tls
from spindle.bus.client import NotSecured, SafeClient
from spindle.service.health import Health
from spindle.service.pauses import Pauses

if TYPE_CHECKING:
    from spindle.settings import Settings

log = logging.getLogger("spindle.bus")

RECONNECT_WAIT_SECONDS = 1.0
PART = "nats"  #: of a service's health


@dataclass(frozen=True, slots=True)
class Password:
    """A password that is not shown where its holder is, as pydantic's ``SecretStr``."""

    _text: str = field(default="", repr=False)

    def get_secret_value(self) -> str:
        """The password itself."""
        return self._text


@dataclass(frozen=True)
class Way:
    """The way to NATS for who has no ``Settings`` at hand: pydantic takes 0.1 s to load."""

    nats_url: str
    nats_user: str = ""
    nats_password: Password = Password()
    nats_creds: str = ""
    nats_tls_ca: str = ""
    nats_tls_cert: str = ""
    nats_tls_key: str = ""


async def connect(
    settings: Settings | Way,
    name: str,
    on_state: Callable[[bool], None] | None = None,
    *,
    health: Health | None = None,
    own_subjects: bool = False,
    by: str = "",
) -> SafeClient:
    """A connection that waits for NATS with growing pauses and never gives up.

    :param name: shown in the server's connection list.
    :param on_state: told True when connected and False when not, at each change.
    :param health: its part ``nats`` follows the connection.
    :param own_subjects: every subject comes from the server or from this program, so the client
        need not look for line breaks in each one.
    :param by: who reports on that part, beside others.
    """
    state = _ConnectionState(on_state, health, by)
    options = _options(settings, name, state) | {"skip_subject_validation": own_subjects}
    pauses = Pauses()
    while True:
        try:
            client = SafeClient()
            await client.connect(**options)
        except (OSError, NatsError, TimeoutError) as error:
            state.down(error)
            await asyncio.sleep(pauses.next())
        else:
            state.client = client
            state.up()
            return client


async def close(client: Client) -> None:
    """Close a connection; where NATS is away there is nothing to flush, and that is no error."""
    with contextlib.suppress(NatsError, OSError):
        await client.close()


class _ConnectionState:
    """Says each change of the connection's state once: to the log, to health, to a listener."""

    def __init__(
        self, on_state: Callable[[bool], None] | None, health: Health | None, by: str
    ) -> None:
        self._connected: bool | None = None  # None: not known yet
        self._on_state, self._health, self._by = on_state, health, by
        self.client: Client | None = None  # closed by ourselves, it is not "away"

    def up(self) -> None:
        if self._connected is True:
            return
        log.info("connected to NATS")
        if self._health is not None:
            self._health.ok(PART, self._by)
        self._tell(True)

    def down(self, why: Exception | None) -> None:
        if self._connected is False:
            return
        away, refusal = "NATS is away, trying again", _refusal(why)
        said = refusal or str(why or "the connection was lost") or type(why).__name__
        log.warning("%s: %s", away, said)
        if self._health is not None:
            said = f"{away}: {refusal}" if refusal else away
            self._health.failing(PART, said, self._by)
        self._tell(False)

    def error(self, error: Exception) -> None:
        """Before the first connection the client tries again by itself and only reports errors."""
        if self._connected is None:
            self.down(error)

    def _tell(self, connected: bool) -> None:
        self._connected = connected
        if self._on_state is not None:
            self._on_state(connected)


def _refusal(error: Exception | None) -> str:
    """What a person has to mend before there is a connection; empty where time may."""
    if isinstance(error, NotSecured):
        return str(error)
    if error is not None and "authorization violation" in str(error).lower():
        return "it does not know this NATS_USER with this NATS_PASSWORD"
    return tls.fault(error) if error is not None else ""


def _options(settings: Settings | Way, name: str, state: _ConnectionState) -> dict[str, Any]:
    async def disconnected() -> None:
        if state.client is None or not state.client.is_closed:
            state.down(None)

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
        options["inbox_prefix"] = inbox_prefix(settings.nats_user)
        options["user"] = settings.nats_user
        options["password"] = settings.nats_password.get_secret_value()
    if settings.nats_creds:
        options["user_credentials"] = settings.nats_creds
    if settings.nats_tls_ca or settings.nats_tls_cert:
        options["tls"] = tls.context(
            settings.nats_tls_ca, settings.nats_tls_cert, settings.nats_tls_key
        )
    return options


#: Users of Spindle's own configuration; a server with others lets them have ``_INBOX``.
SERVICE_USERS = frozenset({"daemon", "writer", "reader", "client", "gateway", "homeassistant"})


def inbox_prefix(user: str) -> str:
    """The prefix of a user's inboxes; with NATS_AUTH=users nobody hears another's."""
    return f"_INBOX_{user}" if user in SERVICE_USERS else "_INBOX"
