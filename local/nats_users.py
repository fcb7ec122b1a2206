"""Who may do what at NATS, when NATS_AUTH=users: one user per service, and one for people."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_JETSTREAM = ("$JS.API.>", "$JS.ACK.>", "$JS.FC.>")
_REPLIES = "_INBOX.>"


@dataclass(frozen=True, slots=True)
class User:
    """Subjects a user may publish on and subscribe to."""

    name: str
    publish: Sequence[str]
    subscribe: Sequence[str]

    @property
    def variable(self) -> str:
        """The environment variable of nats-server that holds the user's password."""
        return f"NATS_PASSWORD_{self.name.upper()}"


USERS = (
    User(
        "daemon",
        publish=("events.>", "parking.>", "simulation.>", "$KV.>", _REPLIES, *_JETSTREAM),
        subscribe=(_REPLIES, "$SRV.>", "daemon.>", "simulation.>", "$KV.>"),
    ),
    User(
        "writer",
        publish=("deadletter.>", "parking.>", "writer.>", "$KV.>", _REPLIES, *_JETSTREAM),
        subscribe=(_REPLIES, "$SRV.>", "writer.>", "$KV.>"),
    ),
    User(
        "reader",
        publish=("health.changed.>", "events.event.>", "writer.>", "$KV.>", _REPLIES, *_JETSTREAM),
        subscribe=(_REPLIES, "$SRV.>", "reader.>", "events.>", "writer.>", "simulation.>", "$KV.>"),
    ),
    User(
        "client",
        publish=(
            *("reader.>", "writer.>", "daemon.>", "simulation.>", "$SRV.>", "$KV.>"),
            *("events.>", "deadletter.>", _REPLIES, *_JETSTREAM),
        ),
        subscribe=(
            *(_REPLIES, "events.>", "parking.>", "deadletter.>", "health.changed.>"),
            *("simulation.>", "$KV.>"),
        ),
    ),
    User(
        "gateway",
        publish=("parking.>", "reader.>", "writer.>", "$SRV.>", "$KV.>", _REPLIES, *_JETSTREAM),
        subscribe=(_REPLIES, "$SRV.>", "events.>", "parking.>", "health.changed.>", "$KV.>"),
    ),
    User("operator", publish=(">",), subscribe=(">",)),
)


def authorization() -> str:
    """The ``authorization`` block for nats-server; passwords come from its environment."""
    users = "\n".join(_user(user) for user in USERS)
    return f"authorization {{\n  users: [\n{users}\n  ]\n}}\n"


def _user(user: User) -> str:
    publish, subscribe = (
        ", ".join(f'"{subject}"' for subject in subjects)
        for subjects in (user.publish, user.subscribe)
    )
    return (
        f"    {{ user: {user.name}, password: ${user.variable}, permissions: {{\n"
        f"        publish: [{publish}]\n"
        f"        subscribe: [{subscribe}]\n"
        "    } }"
    )


def passwords(path: Path) -> dict[str, str]:
    """User -> password, made once and kept in ``path``, which only this user may read."""
    known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    missing = [user.name for user in USERS if user.name not in known]
    if missing:
        # A letter first: nats-server would take a variable of digits alone for a number.
        known |= {name: f"p{secrets.token_hex(16)}" for name in missing}
        fresh = path.with_suffix(".new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(known, file, indent=1)
        fresh.replace(path)
    return known


def environment(known: Mapping[str, str]) -> dict[str, str]:
    """What nats-server's environment needs for ``authorization()``."""
    return {user.variable: known[user.name] for user in USERS}
