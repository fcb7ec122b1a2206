"""Verbs that go on as a program of a service: of the client's, the writer's, the reader's ..."""

from __future__ import annotations

import os
import runpy
import socket
import sys
from collections.abc import Callable, Sequence

import typer

from local import interrupt, output
from local import settings as given
from local.layout import home_of
from local.nats import server as nats
from local.nats import users as nats_users
from local.processes import lifecycle, pipeline
from local.where import end, in_containers
from spindle.service.program import called_from

EXIT_AWAY = 69

app = typer.Typer()
#: The words belong to the client, which explains them itself.
_HANDED_ON = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}

#: Verbs that the client has, and what each is for.
_OF_THE_CLIENT = {
    "query": "Ask the reader: <query_type> [key=value ...] [--json].",
    "health": "Is all well? As a monitoring plug-in: [device] [--format text|nagios|json].",
    "top": "The fleet, live, the worst first; ? shows the keys.",
    "tap": "What flows over NATS, decoded: [subject] [--for 10s] [--every N] [--json].",
    "notify-test": "A test message to each address of NOTIFY_URLS.",
    "plot": "A series with its band, limits, anomalies and forecast: device_id=... metric_type=...",
    "audit": "Is everything that was acknowledged stored? [window_minutes=60] [--json].",
    "deadletters": "What could not be stored: list, show, replay, purge.",
    "inject": "Give a simulated device a fault: <fault> device_id=... [for=...], or end it: stop.",
    "acknowledge": "A known reason stops alarming until it gets worse: DEVICE [REASON], or --list.",
    "devices": "Which devices there are; retire ID, unretire ID, retired.",
}
#: They read or change what is the operator's alone.
_OF_THE_OPERATOR = ("deadletters", "tap")
#: They need nobody, or say in their own form that nobody is there.
_WITHOUT_NATS = ("notify-test", "health")


@app.command(context_settings=_HANDED_ON)
def selftest(context: typer.Context) -> None:
    """Start a self-test of a drive of this machine: short|long DEVICE."""
    if docker := in_containers():
        end(docker.inside("daemon", "daemon.smart.selftest_cli", *context.args))
    _go_on_as("daemon", "daemon.smart.selftest_cli", context.args)


@app.command()
def repair() -> None:
    """Make the writer's consumers anew; nothing that waits is lost."""
    if docker := in_containers():
        end(docker.inside("writer", "writer.repair"))
    _sign_in_as("writer")
    if failed := lifecycle.revive_nats(pipeline.load_all()):
        end(failed)
    runpy.run_module("writer.repair", run_name="__main__", alter_sys=True)


@app.command(context_settings=_HANDED_ON)
def migrate(context: typer.Context) -> None:
    """Copy the events of S3's platform into the form of ours: [--dry-run]."""
    _go_on_as("writer", "writer.migrate", context.args)


@app.command(context_settings=_HANDED_ON)
def export(context: typer.Context) -> None:
    """What is stored as JSON lines: [from=... to=... device_id=...] [-o FILE]."""
    _go_on_as("reader", "reader.export", context.args)


@app.command(context_settings=_HANDED_ON)
def replay(context: typer.Context) -> None:
    """Publish the past: FILE|FOLDER... [device_id=... metric_type=...] [--shift-to-now]."""
    _go_on_as("daemon", "daemon.replay", context.args)


def _go_on_as(service: str, module: str, words: Sequence[str]) -> None:
    """Run a program of a service's that reads or writes files of the user's."""
    if docker := in_containers():
        end(docker.beside(service, module, called_from(), words))
    _sign_in_as(service)
    sys.argv = ["./run.sh", *words]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _ask_as_client(verb: str, words: Sequence[str]) -> None:
    """Go on as a command of the client's, under the name that was typed."""
    user = nats_users.OPERATOR if verb in _OF_THE_OPERATOR else "client"
    asks = not {"--help", "--wait"} & {word.partition("=")[0] for word in words}
    here = "--help" in words or _draws_a_file(verb, words)
    docker = None if here else in_containers()
    if docker:
        end(docker.inside("client", "client", verb, *words, user="" if user == "client" else user))
    settings = _sign_in_as(user)
    needed = asks and verb not in _WITHOUT_NATS and nats.is_local(settings)
    if needed and not _listens(settings.nats_port):
        output.complain(
            f"nobody is there to answer at port {settings.nats_port}; ./run.sh start starts Spindle"
        )
        end(EXIT_AWAY)
    interrupt.at_once()  # there is nothing to tidy up
    from client.__main__ import app as client  # noqa: PLC0415 - only where it is needed

    client([verb, *words], prog_name="./run.sh")


def _draws_a_file(verb: str, words: Sequence[str]) -> bool:
    """Drawn by this machine's own Python, which has what draws, into the user's own folder."""
    return verb == "plot" and any(word.startswith(("-o", "--out")) for word in words)


def _handed_on(verb: str) -> Callable[[typer.Context], None]:
    def command(context: typer.Context) -> None:
        _ask_as_client(verb, context.args)

    return command


for _verb, _what in _OF_THE_CLIENT.items():
    app.command(_verb, help=_what, context_settings=_HANDED_ON)(_handed_on(_verb))


def _listens(port: int) -> bool:
    """Whether anybody does on this machine."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _sign_in_as(user: str) -> given.LocalSettings:
    """Settings for a program of ours that goes on in this process, as that user of NATS."""
    settings = pipeline.load_local()
    os.environ.update(nats.credentials(settings, home_of(settings.spindle_home), user))
    return settings
