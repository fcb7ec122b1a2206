"""Hearing what flows into streams, where that takes a connection of its own.

With Spindle's own users at NATS (``local/nats/users.py``) a service that only asks has an account
of its own, in which nothing is heard but answers. What everybody publishes is heard in the streams'
account, by a user with the same password who may publish nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spindle.bus import connection
from spindle.bus.client import SafeClient
from spindle.service.health import Health

if TYPE_CHECKING:  # pydantic takes 0.1 s to load
    from spindle.settings import Settings

#: Users who have such a second one; a NATS that knows others asks nobody for it.
LISTENING_USERS = frozenset({"reader", "gateway"})


def listener_of(user: str) -> str:
    """The user that listens for this one."""
    return f"{user}_listener"


def mqtt_user_of(user: str) -> str:
    """The user that speaks MQTT for this one."""
    return f"{user}_mqtt" if user == "client" else user


async def listening(client: SafeClient, settings: Settings, health: Health) -> SafeClient:
    """The connection to hear streams by: a second one, or ``client`` where that hears them."""
    if settings.nats_user not in LISTENING_USERS:
        return client
    name = listener_of(settings.nats_user)
    as_listener = settings.model_copy(update={"nats_user": name})
    return await connection.connect(as_listener, name, health=health, by="listener")
