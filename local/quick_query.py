"""Verbs that ask, where the pipeline runs here as processes: ask, and load little else.

All that ``./run.sh`` may do takes longer to load than a question to answer, and so do pydantic,
which checks settings, and typer, which loads pydantic. So ``query`` is asked here in its plain form
alone: ``QUESTION key=value ...`` with at most one option. The other verbs need both, and load the
client's commands but not those of ``./run.sh``. All of it with no setting of NATS but its port. The
rest (containers, nothing that runs, a mistake) is left to ``local.cli``, which says what there is
to say.
"""

from __future__ import annotations

import gc
import json
import os
import socket
import sys
from collections.abc import Mapping, Sequence

from client.verbs import asking
from local import interrupt, layout
from local.environment import environment
from spindle.bus import Password
from spindle.errors import SpindleError

_FORMS: Mapping[str, asking.Form] = {"--json": "json", "--csv": "csv", "--wide": "wide"}
_WAIT_SECONDS = 10.0
#: Settings of NATS that change nothing for who asks.
_OF_THE_SERVER = {"NATS_PORT", "NATS_MONITOR_PORT", "NATS_ROOM_BYTES", "NATS_SYNC"}


class Unusual(SpindleError):
    """Only ``local.cli`` can do it."""


def main() -> None:
    """Ask as ``./run.sh`` was typed; fall back on ``local.cli``."""
    verb, *words = sys.argv[1:]
    try:
        plain = asked(words) if verb == "query" else None
        there = way()
    except (SpindleError, OSError, ValueError, LookupError, OverflowError):
        from local.cli import main as everything  # noqa: PLC0415

        gc.enable()
        everything()
        return
    interrupt.at_once()  # there is nothing to tidy up
    if plain:
        question, params, form = plain
        asking.run(there, question, params, form, wait_seconds=_WAIT_SECONDS)
    else:
        _as_client(there, verb, words)


def _as_client(there: asking.Way, verb: str, words: Sequence[str]) -> None:
    """Go on as a command of the client's, under the name that was typed."""
    os.environ.update(
        NATS_URL=there.nats_url,
        NATS_USER=there.nats_user,
        NATS_PASSWORD=there.nats_password.get_secret_value(),
    )
    from client.__main__ import app  # noqa: PLC0415 - a question needs none of it

    gc.enable()  # top may go on for days
    app([verb, *words], prog_name="./run.sh")


def asked(words: Sequence[str]) -> tuple[str, dict[str, str], asking.Form]:
    """Question, parameters and form of the words behind ``query``.

    :raises SpindleError: they are not of the plain form.
    """
    options = [word for word in words if word.startswith("-")]
    question, *rest = [word for word in words if not word.startswith("-")] or [""]
    if len(options) > 1 or not _FORMS.keys() >= set(options):
        raise Unusual
    return question, asking.parse_params(rest), next(map(_FORMS.__getitem__, options), "table")


def way() -> asking.Way:
    """The way to the reader that this checkout runs.

    :raises Unusual: settings may lead elsewhere.
    :raises OSError: nobody listens.
    """
    os.chdir(layout.ROOT)
    known = environment(layout.ROOT / ".env")
    odd = {name for name in known if name.startswith("NATS_")} - _OF_THE_SERVER
    moved = "SPINDLE_VENV" in known and "SPINDLE_VENV" not in os.environ  # is warned of
    if odd or moved or known.get("SPINDLE_MODE") not in (None, "local"):
        raise Unusual
    home = layout.home_of(known.get("SPINDLE_HOME", layout.DEFAULT_HOME))
    with socket.socket(socket.AF_UNIX) as supervisor:
        supervisor.settimeout(0.5)
        supervisor.connect(str(home.socket()))
    port = int(known.get("NATS_PORT", layout.DEFAULT_NATS_PORT))
    socket.create_connection(("127.0.0.1", port), 0.5).close()
    passwords = json.loads(home.nats_passwords.read_text())
    return asking.Way(f"nats://127.0.0.1:{port}", "client", Password(passwords["client"]))
