"""NATS's two accounts, as nats-server's configuration: the pipeline's, and that of guests.

NATS looks at what one publishes on, and neither at the reply subject named in it nor at where a
consumer is told to deliver: who asks JetStream for anything may have the answer sent to JetStream,
as a request of the server's own. So guests have an account without JetStream. What they ask for
crosses into the pipeline's account under a reply subject that the server makes up, and their
consumers are created for them (``reader.guests``).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import indent

from local.nats.users import GUEST, USERS, User
from spindle import subjects
from spindle.bus.connection import inbox_prefix

_PIPELINE, _GUESTS = "SPINDLE", "GUEST"
_CREATE = "$JS.API.CONSUMER.CREATE"


def accounts(*, guest: bool = False) -> str:
    """The ``accounts`` block for nats-server; passwords come from its environment.

    :param guest: whether who shows no credentials is let in as ``GUEST``.
    """
    users = [_user(user, f"${user.variable}") for user in USERS]
    if not guest:
        return "accounts {\n" + _account(_PIPELINE, "jetstream: enabled", users=users) + "}\n"
    delivered, inbox = f"{subjects.GUEST_INBOX}.>", f"{inbox_prefix(GUEST.name)}.>"
    offered = [*map(_offer, GUEST.publish), f'{{ stream: "{delivered}", accounts: [{_GUESTS}] }}']
    heard = f'{{ stream: {{ account: {_PIPELINE}, subject: "{delivered}" }}, to: "{inbox}" }}'
    # Nobody has to know this password, and nobody learns anything by it.
    guests = [_user(GUEST, f'"{GUEST.name}"')]
    return (
        "accounts {\n"
        f"{_account(_PIPELINE, 'jetstream: enabled', users=users, exports=offered)}"
        f"{_account(_GUESTS, users=guests, imports=[*map(_take, GUEST.publish), heard])}"
        "}\n"
        f"no_auth_user: {GUEST.name}\n"
    )


def _account(name: str, *lines: str, **lists: Sequence[str]) -> str:
    blocks = [f"{kind}: [\n{indent(chr(10).join(many), '  ')}\n]" for kind, many in lists.items()]
    return f"  {name} {{\n{indent(chr(10).join([*lines, *blocks]), '    ')}\n  }}\n"


def _user(user: User, password: str) -> str:
    publish, subscribe = (
        ", ".join(f'"{subject}"' for subject in dict.fromkeys(subjects_of))
        for subjects_of in (user.publish, user.hears)
    )
    answers = "  allow_responses: true\n" if user.answers else ""
    return (
        f"{{ user: {user.name}, password: {password}, permissions: {{\n"
        f"  publish: [{publish}]\n"
        f"  subscribe: [{subscribe}]\n"
        f"{answers}"
        "} }"
    )


def _there(subject: str) -> str:
    """What a guest's subject is in the pipeline's account."""
    return subject.replace(_CREATE, subjects.GUEST_FOLLOW)


def _offer(subject: str) -> str:
    many = ", response_type: stream" if subject == "$SRV.>" else ""  # every service answers
    return f'{{ service: "{_there(subject)}"{many}, accounts: [{_GUESTS}] }}'


def _take(subject: str) -> str:
    there = _there(subject)
    to = f', to: "{subject}"' if there != subject else ""
    return f'{{ service: {{ account: {_PIPELINE}, subject: "{there}" }}{to} }}'


def hand_over_streams(store: Path, *, to_account: bool) -> None:
    """Let the server that starts next find the streams that there are.

    nats-server keeps those of an account in a folder of its name, and those of no account, as
    before there were any and with NATS_AUTH=none, in ``$G``. No server may run meanwhile. Compose
    does the same by a line of shell.
    """
    unnamed = store / "jetstream" / "$G"
    named = unnamed.with_name(_PIPELINE)
    there, wanted = (unnamed, named) if to_account else (named, unnamed)
    if there.exists() and not wanted.exists():
        there.rename(wanted)
