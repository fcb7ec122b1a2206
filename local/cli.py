"""``python -m local``: the verbs of running Spindle, in containers or as processes of this machine.

Each asks ``in_containers`` first, so that one place decides which of the two it is.
"""

from __future__ import annotations

import os
import runpy
import shutil
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from local import output, real_or_demo, services
from local import settings as given
from local.docker import backup as container_backup
from local.docker import containers
from local.docker.containers import Containers
from local.layout import ROOT, Home, called_from, home_of
from local.nats import server as nats
from local.nats import users as nats_users
from local.processes import backup as copies
from local.processes import lenient_settings, lifecycle, logs, pipeline
from local.processes.supervisor import Control
from spindle.errors import InvalidInput, InvalidSettings, SpindleError

EXIT_USAGE, EXIT_INTERRUPTED, EXIT_AWAY = 2, 130, 69
MODES = ("local", "docker")

app = typer.Typer(
    add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True, help=__doc__
)
#: The words belong to the client, which explains them itself.
_HANDED_ON = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}
_AND_MORE = {"ignore_unknown_options": True, "allow_extra_args": True}

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

ServiceName = Annotated[
    str | None,
    typer.Argument(help=f"One of {', '.join(services.START_ORDER)}.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object.")]


def main() -> None:
    """Run a command; a mistake of the user ends in a sentence, never in a traceback."""
    os.chdir(ROOT)
    try:
        app(prog_name="./run.sh")
    except InvalidSettings as error:
        output.complain("the settings have mistakes; nothing was changed:")
        for mistake in error.mistakes:
            output.complain(f"  {mistake}")
        sys.exit(EXIT_USAGE)
    except InvalidInput as error:
        output.complain(str(error))
        sys.exit(EXIT_USAGE)
    except (SpindleError, OSError) as error:
        output.complain(str(error))
        sys.exit(lifecycle.EXIT_FAILED)


def in_containers(*, lenient: bool = False) -> Containers | None:
    """The containers, where they are what is operated; None for processes of this machine.

    :param lenient: a mistake in the settings is a warning.
    :raises InvalidSettings: SPINDLE_MODE is none, or ``.env`` cannot be read.
    """
    environment = _environment(lenient=lenient)
    if "SPINDLE_VENV" in environment and "SPINDLE_VENV" not in os.environ:
        output.complain(
            "run.sh: warning: SPINDLE_VENV in .env has no effect: what reads .env lies in it; "
            "give it in the environment"
        )
    mode = environment.get("SPINDLE_MODE", "")
    if mode and mode not in MODES:
        mistake = f'SPINDLE_MODE is "{mode}"; it may be local, docker, or empty to choose by itself'
        if not lenient:
            raise InvalidInput(mistake)
    _, home, _ = lenient_settings.load_local()
    # What was started without Docker is also stopped so, though an engine runs by now.
    if mode not in MODES:
        local = Control(home).pid() is not None or not containers.answers()
        if mode and not local:
            output.complain(f"run.sh: warning: {mistake}")
        mode = "local" if local else "docker"
    if mode != "docker":
        return None
    return Containers({**environment, **real_or_demo.derived(home, environment)})


def _environment(*, lenient: bool) -> dict[str, str]:
    try:
        return given.environment(ROOT / ".env")
    except InvalidSettings:
        if not lenient:
            raise
        return {name: value for name, value in os.environ.items() if value}


def _warn(mistakes: Sequence[str]) -> None:
    if mistakes:
        output.complain("warning: the settings have mistakes; ./run.sh start would refuse them:")
        for mistake in dict.fromkeys(mistakes):
            output.complain(f"  {mistake}")


def _exit(code: int) -> None:
    raise typer.Exit(code)


@app.command()
def init() -> None:
    """Make .env, and what building needs."""
    _make_env_file(ROOT)
    if docker := in_containers():
        _exit(docker.init())
    server = nats.find_server()
    version = nats.server_version(server)
    shown = ".".join(map(str, version)) if version else "of unknown version"
    output.plain(f"Python {sys.version.split()[0]}, nats-server {shown} ({server})")


def _make_env_file(folder: Path) -> None:
    file = folder / ".env"
    if file.exists():
        output.plain(".env is there; left as it is")
        return
    file.touch(mode=0o600)  # passwords and tokens come in there
    shutil.copyfile(folder / ".env.example", file)
    output.plain("made .env from .env.example: every setting is in it, at its default")


@app.command(context_settings=_AND_MORE)
def build(context: typer.Context) -> None:
    """Install into .venv, which has been done by now, or build the Docker images."""
    docker = in_containers()
    if docker:
        _exit(docker.build(context.args))
    if context.args:
        raise InvalidInput(f'build takes no "{context.args[0]}"; ./run.sh help shows all commands')


@app.command()
def start(
    real: Annotated[
        bool, typer.Option("--real", help="Real drives alone, from now on: nothing is simulated.")
    ] = False,
    demo: Annotated[
        bool, typer.Option("--demo", help="The simulated fleet and the car park again.")
    ] = False,
) -> None:
    """Start what does not run yet, and wait until all of it is healthy."""
    if real and demo:
        raise InvalidInput("--real and --demo: one of the two")
    other = (real or demo) and _choose(real=real)
    docker = in_containers()
    if docker:
        _exit(docker.start())  # compose makes anew what has other settings
    found = pipeline.load_all()
    _exit(lifecycle.restart(found, None) if other and _runs(found.home) else lifecycle.start(found))


def _runs(home: Home) -> bool:
    """Whether anything of this checkout does, without Docker."""
    return Control(home).pid() is not None


def _choose(*, real: bool) -> bool:
    """Remember which drives are watched; whether that is another choice than before."""
    _, home, _ = lenient_settings.load_local()
    return real_or_demo.remember(home, _environment(lenient=False), real=real)


@app.command(name="all")
def init_and_start() -> None:
    """Init, build, start."""
    init()
    start(real=False, demo=False)


@app.command()
def stop() -> None:
    """Drain and stop every service; data is kept."""
    if docker := in_containers(lenient=True):
        _exit(docker.stop())
    settings, home, mistakes = lenient_settings.load_local()
    _warn(mistakes)
    _exit(lifecycle.stop(home, settings.stop_timeout_seconds))


@app.command()
def restart(service: ServiceName = None) -> None:
    """Stop and start again, everything or one service."""
    if docker := in_containers():
        _exit(docker.restart(service))
    name = services.resolve(service) if service else None
    _exit(lifecycle.restart(pipeline.load_all(), name))


@app.command()
def status(as_json: AsJson = False) -> None:
    """Service, state, since, health; exit code 3 unless all are healthy."""
    if docker := in_containers(lenient=True):
        _exit(docker.status(as_json=as_json))
    settings, home, mistakes = lenient_settings.load_local()
    pages, more = lenient_settings.pages(settings, home)
    _warn([*mistakes, *more])
    _exit(lifecycle.show_status(home, pages, as_json=as_json))


@app.command(name="logs")
def show_logs(
    service: ServiceName = None,
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, help="Last lines to show.")] = 50,
    follow: Annotated[bool, typer.Option("--follow/--no-follow")] = True,
) -> None:
    """The logs of every service or of one."""
    if docker := in_containers(lenient=True):
        _exit(docker.logs(service, lines, follow=follow))
    names = [services.resolve(service)] if service else list(services.START_ORDER)
    _, home, mistakes = lenient_settings.load_local()
    _warn(mistakes)
    _exit(logs.run({name: home.log_file(name) for name in names}, lines, follow=follow))


@app.command(context_settings=_HANDED_ON)
def selftest(context: typer.Context) -> None:
    """Start a self-test of a drive of this machine: short|long DEVICE."""
    if docker := in_containers():
        _exit(docker.inside("daemon", "daemon.smart.selftest", *context.args))
    _go_on_as("daemon", "daemon.smart.selftest", context.args)


@app.command()
def repair() -> None:
    """Make the writer's consumers anew; nothing that waits is lost."""
    if docker := in_containers():
        _exit(docker.inside("writer", "writer.repair"))
    _sign_in_as("writer")
    if failed := lifecycle.revive_nats(pipeline.load_all()):
        _exit(failed)
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


@app.command()
def backup(file: Annotated[Path, typer.Argument(help="A file that does not exist yet.")]) -> None:
    """A checked copy of the store; of SQLite made while it is written to."""
    if docker := in_containers():
        container_backup.backup(docker, given.environment(ROOT / ".env"), called_from() / file)
    else:
        copies.backup(copies.path_of_store(_store_url()), called_from() / file)


@app.command()
def restore(file: Annotated[Path, typer.Argument(help="A file that `backup` made.")]) -> None:
    """Put a backup in the store's place, while nothing runs; what was there is kept."""
    if docker := in_containers():
        container_backup.restore(docker, given.environment(ROOT / ".env"), called_from() / file)
    else:
        copies.restore(called_from() / file, copies.path_of_store(_store_url()))


def _go_on_as(service: str, module: str, words: Sequence[str]) -> None:
    """Run a program of a service's that reads or writes files of the user's."""
    folder = called_from()
    if docker := in_containers():
        _exit(docker.beside(service, module, folder, words))
    _sign_in_as(service)
    os.chdir(folder)  # the files are named from there
    sys.argv = ["./run.sh", *words]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _store_url() -> str:
    settings = pipeline.load_local()
    return pipeline.derived(settings).get("STORE_URL", settings.store)


def _ask_as_client(verb: str, words: Sequence[str]) -> None:
    """Go on as a command of the client's, under the name that was typed."""
    user = nats_users.OPERATOR if verb in _OF_THE_OPERATOR else "client"
    asks = not {"--help", "--wait"} & {word.partition("=")[0] for word in words}
    docker = in_containers() if "--help" not in words else None
    if docker:
        _exit(
            docker.inside("client", "client", verb, *words, user="" if user == "client" else user)
        )
    settings = _sign_in_as(user)
    needed = asks and verb not in _WITHOUT_NATS and nats.is_local(settings)
    if needed and not _listens(settings.nats_port):
        output.complain(
            f"nobody is there to answer at port {settings.nats_port}; ./run.sh start starts Spindle"
        )
        _exit(EXIT_AWAY)
    from client.__main__ import app as client  # noqa: PLC0415 - only where it is needed

    client([verb, *words], prog_name="./run.sh")


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
