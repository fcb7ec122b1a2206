"""``python -m local``: the verbs of running Spindle, in containers or as processes of this machine.

Each asks ``in_containers`` first, so that one place decides which of the two it is.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from local import output, programs, real_or_demo, services
from local.docker import backup as container_backup
from local.layout import ROOT, Home
from local.nats import server as nats
from local.processes import backup as copies
from local.processes import lenient_settings, lifecycle, logs, pipeline
from local.processes.supervisor import Control
from local.settings import misspelt
from local.where import end, environment, in_containers, warn
from spindle.errors import InvalidInput, InvalidSettings, SpindleError
from spindle.service.program import called_from

EXIT_USAGE = 2

app = typer.Typer(
    add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True, help=__doc__
)
_AND_MORE = {"ignore_unknown_options": True, "allow_extra_args": True}

ServiceName = Annotated[
    str | None,
    typer.Argument(help=f"One of {', '.join(services.START_ORDER)}.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object.")]

app.add_typer(programs.app)


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
    except SpindleError as error:
        output.complain(str(error))
        sys.exit(lifecycle.EXIT_FAILED)


@app.command()
def init() -> None:
    """Make .env, and what building needs."""
    _make_env_file(ROOT)
    if docker := in_containers():
        end(docker.init())
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
        end(docker.build(context.args))
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
    _warn_of_what_is_misspelt()
    if real and demo:
        raise InvalidInput("--real and --demo: one of the two")
    other = (real or demo) and _choose(real=real)
    docker = in_containers()
    if docker:
        end(docker.start())  # compose makes anew what has other settings
    found = pipeline.load_all()
    end(lifecycle.restart(found, None) if other and _runs(found.home) else lifecycle.start(found))


def _warn_of_what_is_misspelt() -> None:
    if found := misspelt(ROOT / ".env"):
        output.complain(f"warning: {found}")


def _runs(home: Home) -> bool:
    """Whether anything of this checkout does, without Docker."""
    return Control(home).pid() is not None


def _choose(*, real: bool) -> bool:
    """Remember which drives are watched; whether that is another choice than before."""
    _, home, _ = lenient_settings.load_local()
    return real_or_demo.remember(home, environment(), real=real)


@app.command(name="all")
def init_and_start() -> None:
    """Init, build, start."""
    init()
    start(real=False, demo=False)


@app.command()
def stop() -> None:
    """Drain and stop every service; data is kept."""
    if docker := in_containers(lenient=True):
        end(docker.stop())
    settings, home, mistakes = lenient_settings.load_local()
    warn(mistakes)
    end(lifecycle.stop(home, settings.stop_timeout_seconds))


@app.command()
def restart(service: ServiceName = None) -> None:
    """Stop and start again, everything or one service."""
    _warn_of_what_is_misspelt()
    if docker := in_containers():
        end(docker.restart(service))
    name = services.resolve(service) if service else None
    end(lifecycle.restart(pipeline.load_all(), name))


@app.command()
def status(as_json: AsJson = False) -> None:
    """Service, state, since, health; exit code 3 unless all are healthy."""
    if docker := in_containers(lenient=True):
        end(docker.status(as_json=as_json))
    settings, home, mistakes = lenient_settings.load_local()
    pages, more = lenient_settings.pages(settings, home)
    warn([*mistakes, *more])
    end(lifecycle.show_status(home, pages, as_json=as_json))


@app.command(name="logs")
def show_logs(
    service: ServiceName = None,
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, help="Last lines to show.")] = 50,
    follow: Annotated[
        bool,
        typer.Option(
            "-f", "--follow/--no-follow", help="Go on with what comes.", show_default="follow"
        ),
    ] = True,
) -> None:
    """The logs of every service or of one."""
    if docker := in_containers(lenient=True):
        end(docker.logs(service, lines, follow=follow))
    names = [services.resolve(service)] if service else list(services.START_ORDER)
    _, home, mistakes = lenient_settings.load_local()
    warn(mistakes)
    end(logs.run({name: home.log_file(name) for name in names}, lines, follow=follow))


@app.command()
def backup(file: Annotated[Path, typer.Argument(help="A file that does not exist yet.")]) -> None:
    """A checked copy of the store; of SQLite made while it is written to."""
    if docker := in_containers():
        container_backup.backup(docker, environment(), called_from() / file)
    else:
        copies.backup(copies.path_of_store(_store_url()), called_from() / file)


@app.command()
def restore(file: Annotated[Path, typer.Argument(help="A file that `backup` made.")]) -> None:
    """Put a backup in the store's place, while nothing runs; what was there is kept."""
    if docker := in_containers():
        container_backup.restore(docker, environment(), called_from() / file)
    else:
        copies.restore(called_from() / file, copies.path_of_store(_store_url()))


def _store_url() -> str:
    settings = pipeline.load_local()
    return pipeline.derived(settings).get("STORE_URL", settings.store)
