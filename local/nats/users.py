"""Who may do what at NATS, unless NATS_AUTH=none: one table of users and subjects.

It makes nats-server's configuration (``accounts``) and the table in docs/security.md; a test tries
what is forbidden.
The writer alone declares streams and durable consumers, and the others wait for it
(``spindle.bus.declaration``); a bucket of one service alone is declared by that service.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from spindle import subjects
from spindle.bus import streams
from spindle.bus.connection import inbox_prefix
from spindle.settings import Settings

PIPELINE = "SPINDLE"  #: the account of the streams
_API = "$JS.API"
_STREAMS = [str(stream.name) for stream in streams.streams(Settings.model_construct())]
#: Keeps visits while `repair` makes their consumers anew.
_HOLDER = f"{subjects.PARKING_SUMMARIES_STREAM}.repair"
_SHOWN = [subjects.bucket_stream(bucket) for bucket in subjects.SHOWN_BUCKETS]
_CONSUMERS = [(stream, str(each.durable_name)) for stream, each in streams.consumers()]


@dataclass(frozen=True, slots=True)
class User:
    """Subjects a user may publish on and subscribe to, beside an inbox of its own.

    :ivar serves: subjects of requests that it answers, with one reply to each.
    :ivar listens: subjects of streams that it hears, by a connection that may publish nothing.
    :ivar over_mqtt: what it publishes as an MQTT client, where there are no reply subjects.
    :ivar inside: it is in the streams' own account, and hears them by its one connection.
    """

    name: str
    publish: Sequence[str]
    serves: Sequence[str] = ()
    listens: Sequence[str] = ()
    over_mqtt: Sequence[str] = ()
    inside: bool = False

    @property
    def variable(self) -> str:
        """The environment variable of nats-server that holds the user's password."""
        return variable(self.name)

    @property
    def account(self) -> str:
        """NATS's account that it is in."""
        return PIPELINE if self.inside else self.name.upper()

    @property
    def hears(self) -> list[str]:
        """What it may subscribe to, with its inbox."""
        return [f"{inbox_prefix(self.name)}.>", *self.serves, *self.listens]


def variable(user: str) -> str:
    """See ``User.variable``."""
    return f"NATS_PASSWORD_{user.upper()}"


def _declared(*verbs: str) -> Iterator[str]:
    """``verbs`` of every stream and consumer of ``streams``."""
    for verb in verbs:
        kind = verb.partition(".")[0]
        if kind == "STREAM":
            yield from (f"{_API}.{verb}.{stream}" for stream in _STREAMS)
        else:
            yield from (f"{_API}.{verb}.{stream}.{name}" for stream, name in _CONSUMERS)


def _known() -> Iterator[str]:
    """The requests that show whether the writer has declared everything."""
    return _declared("STREAM.INFO", "CONSUMER.INFO")


def _gets(bucket: str) -> Iterator[str]:
    """One value of a bucket."""
    stream = subjects.bucket_stream(bucket)
    yield f"{_API}.STREAM.INFO.{stream}"
    yield f"{_API}.DIRECT.GET.{stream}.>"


def _reads(bucket: str) -> Iterator[str]:
    """One value of a bucket, or all of them."""
    yield from _gets(bucket)
    yield f"{_API}.DIRECT.GET.{subjects.bucket_stream(bucket)}"


def _owns(bucket: str) -> Iterator[str]:
    """A bucket that one service writes and reads."""
    yield from _reads(bucket)
    yield subjects.bucket_subject(bucket, ">")


def _follows(bucket: str) -> Iterator[str]:
    """A consumer of all values of a bucket, and of their changes, that goes by itself."""
    stream = subjects.bucket_stream(bucket)
    yield f"{_API}.CONSUMER.CREATE.{stream}"
    yield from (f"{_API}.CONSUMER.{verb}.{stream}.*" for verb in ("INFO", "MSG.NEXT", "DELETE"))


def _consumes(name: str) -> Iterator[str]:
    """Fetching from durable consumers of this name, and acknowledging."""
    for stream, consumer in _CONSUMERS:
        if consumer == name:
            yield f"{_API}.CONSUMER.MSG.NEXT.{stream}.{name}"
            yield f"$JS.ACK.{stream}.{name}.>"


def _claims() -> str:
    """What a publisher has had acknowledged, said for the audit."""
    return subjects.bucket_subject(subjects.LEDGER_BUCKET, f"{subjects.LEDGER_CLAIMS}.>")


def _replays() -> Iterator[str]:
    """Taking dead letters out of their stream, and publishing each where it came from."""
    stream = subjects.DEAD_LETTER_STREAM
    yield from (f"{_API}.STREAM.MSG.{verb}.{stream}" for verb in ("GET", "DELETE"))
    yield from (subjects.PARKING_SUMMARY, subjects.VERDICTS)
    for subject in (
        *(subjects.METRICS, subjects.EVENTS),
        *(subjects.PARKING_ENTRY, subjects.PARKING_EXIT),
    ):
        yield from (subject, f"{subject}.>")


#: MQTT's topics ``homeassistant/#`` and ``spindle/#``, which are the level above, too.
_HOME_ASSISTANT = ("homeassistant", "homeassistant.>", "spindle", "spindle.>")
OPERATOR = "operator"  #: a person, who may do everything
_ASKS = ("reader.>", "$SRV.>")
USERS = (
    User(
        "daemon",
        publish=(
            *("events.>", subjects.SIMULATION_TRUTH),
            *(f"{kind}{end}" for kind in ("parking.entry", "parking.exit") for end in ("", ".>")),
            *_known(),
            *_reads(subjects.DEVICES_BUCKET),
            *_reads(subjects.PARKING_BUCKET),
            _claims(),
        ),
        serves=(subjects.SIMULATION_INJECT,),
    ),
    User(
        "writer",
        publish=(
            *("deadletter.>", subjects.PARKING_SUMMARY),
            *_declared("STREAM.INFO", "STREAM.CREATE", "STREAM.UPDATE"),
            *_declared("CONSUMER.INFO", "CONSUMER.DURABLE.CREATE", "CONSUMER.DELETE"),
            *_declared("CONSUMER.RESET"),
            *_consumes(subjects.WRITER_CONSUMER),
            *_consumes(subjects.PARKING_CONSUMER),
            *_owns(subjects.PARKING_BUCKET),
            *_follows(subjects.PARKING_BUCKET),
            *_owns(subjects.PARKING_TOTALS_BUCKET),
            *_owns(subjects.LEDGER_BUCKET),
            *(f"{_API}.CONSUMER.{verb}.{_HOLDER}" for verb in ("DURABLE.CREATE", "DELETE")),
            *(f"{_API}.CONSUMER.CREATE.{each}" for each in _SHOWN),
        ),
        serves=(subjects.WRITER_LEDGER, f"{subjects.GUEST_FOLLOW}.>"),
        inside=True,
    ),
    User(
        "reader",
        publish=(
            *("health.changed.>", "events.event.>", subjects.VERDICTS, subjects.WRITER_LEDGER),
            *_known(),
            *_owns(subjects.WATCH_BUCKET),
            *_owns(subjects.DECISIONS_BUCKET),
            *_reads(subjects.DEVICES_BUCKET),
            *_reads(subjects.LEDGER_BUCKET),
            *_reads(subjects.PARKING_BUCKET),
        ),
        serves=_ASKS,
        listens=("events.>", subjects.bucket_subject(subjects.DECISIONS_BUCKET, ">")),
    ),
    User(
        "client",
        publish=(
            *(*_ASKS, subjects.SIMULATION_INJECT),
            *_known(),
            *_consumes(subjects.CLIENT_CONSUMER),
            *_consumes(subjects.NOTIFIER_CONSUMER),
        ),
        over_mqtt=_HOME_ASSISTANT,
    ),
    User(
        "homeassistant",
        publish=("homeassistant.status",),
        listens=_HOME_ASSISTANT,
        inside=True,  # MQTT's sessions are streams
    ),
    User(
        "gateway",
        publish=(
            *_ASKS,
            *_known(),
            _claims(),
            subjects.PARKING_SUMMARY,
            *_replays(),
            *_gets(subjects.PARKING_TOTALS_BUCKET),
            *_owns(subjects.GATEWAY_KEYS_BUCKET),
            *_reads(subjects.DEVICES_BUCKET),
        ),
        listens=("events.>", "parking.>", "health.changed.>"),
    ),
    User(OPERATOR, publish=(">",), listens=(">",), inside=True),
)


def _shown(bucket: str) -> Iterator[str]:
    """One value of a bucket, and all of them and their changes by a consumer that is asked for."""
    stream = subjects.bucket_stream(bucket)
    yield from _gets(bucket)
    yield from (f"{_API}.CONSUMER.{verb}.{stream}.*" for verb in ("INFO", "DELETE"))
    yield f"$JS.FC.{stream}.>"  # a consumer that has sent much waits for it
    yield from (f"{_API}.CONSUMER.CREATE.{stream}{end}" for end in ("", ".>"))


#: Whoever shows no credentials on this machine: other people's publishers, and ``nats`` by hand.
GUEST = User(
    "guest",
    publish=(
        *("events.>", "parking.>", *_ASKS, f"{_API}.INFO"),
        *(subject for bucket in subjects.SHOWN_BUCKETS for subject in _shown(bucket)),
    ),
)


def table() -> str:
    """The same as a Markdown table, for docs/security.md."""
    rows = ["| user | may publish on | may subscribe to |", "|---|---|---|"]
    for user in (*USERS, GUEST):
        publish, hears = (
            "<br>".join(f"`{subject}`" for subject in dict.fromkeys(many))
            for many in (user.publish, user.hears)
        )
        more = "<br>one reply to each request" if user.serves else ""
        more += "".join(f"<br>`{subject}` over MQTT" for subject in user.over_mqtt)
        rows.append(f"| {user.name} | {publish}{more} | {hears} |")
    return "\n".join(rows) + "\n"


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
    """What nats-server's environment needs for ``accounts.accounts()``."""
    return {user.variable: known[user.name] for user in USERS}
