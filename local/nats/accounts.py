"""NATS's accounts, as nats-server's configuration: the streams', and one for each who asks of them.

NATS looks at what one publishes on, and neither at the reply subject named in it nor at where a
consumer is told to deliver: who asks JetStream for anything may have the answer sent to JetStream,
as a request of the server's own. So the streams' account has no user in it but those who may do
everything with them (the writer declares them, the operator is a person), and those who may ask for
nothing. All others have accounts without JetStream. What they ask for crosses under a reply subject
that the server makes up, and consumers are created for them, by the writer (``writer.guests``).

What crosses so is heard by users of the streams' account alone: a service that listens to streams
signs in there a second time, as a user who may publish nothing (``spindle.bus.listener``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from textwrap import indent

from local.nats.users import GUEST, PIPELINE, USERS, User
from spindle import subjects
from spindle.bus.connection import inbox_prefix
from spindle.bus.listener import listener_of, mqtt_user_of

_CREATE = "$JS.API.CONSUMER.CREATE"
#: Without it an account that has no JetStream gets an answer of the server's own, that it has none.
_API_INFO = "$JS.API.INFO"
#: What these begin with has many answers to one request.
_MANY = ("$SRV.", "$JS.API.CONSUMER.MSG.NEXT.", subjects.SIMULATION_INJECT, subjects.WRITER_LEDGER)
_DIRECT = "$JS.API.DIRECT.GET."  #: and this, where no subject follows the stream

_Lines = dict[str, list[str]]  # of the configuration, by account


def accounts(*, guest: bool = False) -> str:
    """The ``accounts`` block for nats-server; passwords come from its environment.

    :param guest: whether who shows no credentials is let in as ``GUEST``.
    """
    everybody = [*USERS, GUEST] if guest else USERS
    exports, imports = _crossings(everybody)
    if guest:
        delivered, inbox = f"{subjects.GUEST_INBOX}.>", f"{inbox_prefix(GUEST.name)}.>"
        exports[PIPELINE].append(f'{{ stream: "{delivered}", accounts: [{GUEST.account}] }}')
        heard = f'{{ stream: {{ account: {PIPELINE}, subject: "{delivered}" }}, to: "{inbox}" }}'
        imports[GUEST.account].append(heard)
    blocks = (
        _account(
            name, users=[*_users(everybody, name)], exports=exports[name], imports=imports[name]
        )
        for name in dict.fromkeys([PIPELINE, *(user.account for user in everybody)])
    )
    no_credentials = f"no_auth_user: {GUEST.name}\n" if guest else ""
    return f"accounts {{\n{''.join(blocks)}}}\n{no_credentials}"


def _crossings(everybody: Sequence[User]) -> tuple[_Lines, _Lines]:
    """What each account offers to others, and what it takes of theirs."""
    offered: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    imports: _Lines = defaultdict(list)
    served = {subject: user.account for user in everybody for subject in user.serves}
    asked = {user.account: (*user.publish, _API_INFO) for user in everybody if not user.inside}
    # The operator asks services, too.
    for account, wanted in {PIPELINE: tuple(served), **asked}.items():
        for subject in dict.fromkeys(wanted):
            owner = served.get(subject, PIPELINE)
            if owner != account:
                offered[owner][subject].append(account)
                imports[account].append(_take(subject, owner))
    exports: _Lines = defaultdict(list)
    for owner, to in offered.items():
        exports[owner] = [_offer(subject, accounts) for subject, accounts in to.items()]
    return exports, imports


def _users(everybody: Sequence[User], account: str) -> Iterator[str]:
    for user in everybody:
        if user.account == account:
            yield _user(user if user.inside else replace(user, listens=()))
        if account == PIPELINE and user.listens and not user.inside:
            yield _listener(user)
        if account == PIPELINE and user.over_mqtt:
            yield _over_mqtt(user)


def _account(name: str, **lists: Sequence[str]) -> str:
    blocks = [
        f"{kind}: [\n{indent(chr(10).join(many), '  ')}\n]" for kind, many in lists.items() if many
    ]
    jetstream = ["jetstream: enabled"] if name == PIPELINE else []
    return f"  {name} {{\n{indent(chr(10).join([*jetstream, *blocks]), '    ')}\n  }}\n"


def _user(user: User) -> str:
    # Nobody has to know a guest's password, and nobody learns anything by it.
    password = GUEST.name if user.name == GUEST.name else f"${user.variable}"
    answers = "  allow_responses: true\n" if user.serves else ""
    return _signs_in(user.name, password, f"[{_listed(user.publish)}]", user.hears, answers)


def _listener(user: User) -> str:
    name = listener_of(user.name)
    return _signs_in(name, f"${user.variable}", '{ deny: ">" }', user.listens)


def _over_mqtt(user: User) -> str:
    """MQTT's sessions are streams, so that its clients are in their account."""
    return (
        f"{{ user: {mqtt_user_of(user.name)}, password: ${user.variable}, permissions: {{\n"
        f'  publish: [{_listed(user.over_mqtt)}], subscribe: {{ deny: ">" }}\n'
        "}, allowed_connection_types: [MQTT] }"
    )


def _signs_in(name: str, password: str, publish: str, hears: Sequence[str], more: str = "") -> str:
    return (
        f"{{ user: {name}, password: {password}, permissions: {{\n"
        f"  publish: {publish}\n"
        f"  subscribe: [{_listed(hears)}]\n"
        f"{more}"
        "} }"
    )


def _listed(many: Sequence[str]) -> str:
    return ", ".join(f'"{subject}"' for subject in dict.fromkeys(many))


def _there(subject: str) -> str:
    """What a subject of who asks is in the account that answers."""
    return subject.replace(_CREATE, subjects.GUEST_FOLLOW)


def _offer(subject: str, to: Sequence[str]) -> str:
    whole_bucket = subject.startswith(_DIRECT) and not subject.endswith(".>")
    many = ", response_type: stream" if whole_bucket or subject.startswith(_MANY) else ""
    return f'{{ service: "{_there(subject)}"{many}, accounts: [{", ".join(to)}] }}'


def _take(subject: str, owner: str) -> str:
    there = _there(subject)
    to = f', to: "{subject}"' if there != subject else ""
    return f'{{ service: {{ account: {owner}, subject: "{there}" }}{to} }}'


def hand_over_streams(store: Path, *, to_account: bool) -> None:
    """Let the server that starts next find the streams that there are.

    nats-server keeps those of an account in a folder of its name, and those of no account, as
    before there were any and with NATS_AUTH=none, in ``$G``. No server may run meanwhile. Compose
    does the same by a line of shell.
    """
    unnamed = store / "jetstream" / "$G"
    named = unnamed.with_name(PIPELINE)
    there, wanted = (unnamed, named) if to_account else (named, unnamed)
    if there.exists() and not wanted.exists():
        there.rename(wanted)
