"""``./run.sh query`` where the pipeline runs here as processes: ask, and load little else.

Everything that ``./run.sh`` may do takes longer to load than a question to answer. Whatever is
unusual (containers, nothing that runs, a mistake in the settings, help) is left to ``local.cli``,
which says what there is to say.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Sequence

import typer

from local.layout import ROOT, Home, home_of
from local.nats import server as nats
from local.settings import LocalSettings, environment
from spindle.errors import SpindleError
from spindle.settings import load


def main() -> None:
    """Ask as ``./run.sh query`` was typed; fall back on ``local.cli``."""
    words = sys.argv[1:]
    with contextlib.suppress(SpindleError, OSError):
        os.environ.update(_signed_in(words))
        _client()(words, prog_name="./run.sh")
    from local.cli import main as everything  # noqa: PLC0415

    everything()


def _client() -> typer.Typer:
    from client.verbs.query import query  # noqa: PLC0415 - not where it is not needed

    client = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    client.callback()(lambda: None)  # one command among others, as it is in the client
    client.command()(query)
    return client


def _signed_in(words: Sequence[str]) -> dict[str, str]:
    """The environment in which the client asks, beside this process's own.

    :raises SpindleError: only ``local.cli`` can do this.
    :raises OSError: nobody listens.
    """
    os.chdir(ROOT)
    settings = load(LocalSettings)
    if (
        "--help" in words
        or settings.spindle_mode == "docker"
        or _has_odd(environment(ROOT / ".env"))
    ):
        raise SpindleError
    found = {}
    if "nats_url" not in settings.model_fields_set:
        found["NATS_URL"] = nats.nats_url(settings.nats_port)
        settings = settings.model_copy(update={"nats_url": found["NATS_URL"]})
    home = home_of(settings.spindle_home)
    _reach(home, settings)
    return found | nats.credentials(settings, home, "client")


def _has_odd(given: dict[str, str]) -> bool:
    return "SPINDLE_VENV" in given and "SPINDLE_VENV" not in os.environ  # is warned of


def _reach(home: Home, settings: LocalSettings) -> None:
    """:raises OSError: the supervisor of this checkout does not run, or NATS does not listen."""
    with socket.socket(socket.AF_UNIX) as supervisor:
        supervisor.settimeout(0.5)
        supervisor.connect(str(home.socket()))
    if nats.is_local(settings):
        socket.create_connection(("127.0.0.1", settings.nats_port), 0.5).close()
