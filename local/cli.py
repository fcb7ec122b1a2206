"""``python -m local``: what run.sh does without Docker, and what is the same with and without."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from local import backup as copies
from local import environment, forgiving, lifecycle, logs, nats, output, services
from local.layout import ROOT, home_of
from local.pipeline import load_all, load_local
from spindle.errors import InvalidInput, InvalidSettings, SpindleError
from tools import testing
from tools.env_example import env_example
from tools.reference import reference

EXIT_USAGE = 2

app = typer.Typer(
    add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True, help=__doc__
)
_AS_THEY_ARE = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}

ServiceName = Annotated[
    str | None,
    typer.Argument(help=f"One of {', '.join(services.START_ORDER)}.", show_default=False),
]


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
    except KeyboardInterrupt:
        output.complain("interrupted; ./run.sh status tells what runs")
        sys.exit(130)


def _warn(mistakes: Sequence[str]) -> None:
    if mistakes:
        output.complain("warning: the settings have mistakes; ./run.sh start would refuse them:")
        for mistake in dict.fromkeys(mistakes):
            output.complain(f"  {mistake}")


def _exit(code: int) -> None:
    raise typer.Exit(code)


@app.command()
def start() -> None:
    """Start what does not run yet, and wait until all of it is healthy."""
    _exit(lifecycle.start(load_all()))


@app.command()
def stop() -> None:
    """Drain and stop every service; data is kept."""
    settings, home, mistakes = forgiving.load_local()
    _warn(mistakes)
    _exit(lifecycle.stop(home, settings.stop_timeout_seconds))


@app.command()
def restart(service: ServiceName = None) -> None:
    """Stop and start again, everything or one service."""
    name = services.resolve(service) if service else None
    _exit(lifecycle.restart(load_all(), name))


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Service, state, since, health; exit code 3 unless all are healthy."""
    settings, home, mistakes = forgiving.load_local()
    pages, more = forgiving.pages(settings, home)
    _warn([*mistakes, *more])
    _exit(lifecycle.show_status(home, pages, as_json=as_json))


@app.command(name="logs")
def show_logs(
    service: ServiceName = None,
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, help="Last lines to show.")] = 50,
    follow: Annotated[bool, typer.Option("--follow/--no-follow")] = True,
) -> None:
    """The logs of every service or of one."""
    names = [services.resolve(service)] if service else list(services.START_ORDER)
    _, home, mistakes = forgiving.load_local()
    _warn(mistakes)
    _exit(logs.run({name: home.log_file(name) for name in names}, lines, follow=follow))


@app.command()
def tools() -> None:
    """What is installed here to run Spindle without Docker."""
    server = nats.find_server()
    version = nats.server_version(server)
    shown = ".".join(map(str, version)) if version else "of unknown version"
    output.plain(f"Python {sys.version.split()[0]}, nats-server {shown} ({server})")


@app.command(context_settings=_AS_THEY_ARE)
def query(context: typer.Context) -> None:
    """Ask the reader: <query_type> [key=value ...] [--json]."""
    _become("client", "query", *context.args)


@app.command(context_settings=_AS_THEY_ARE)
def deadletters(context: typer.Context) -> None:
    """What could not be stored: list, show, replay, purge."""
    _become("client", "deadletters", *context.args)


@app.command()
def repair() -> None:
    """Make the writer's consumers anew; nothing that waits is lost."""
    _become("writer", program="writer.repair")


@app.command()
def backup(file: Annotated[Path, typer.Argument(help="A file that does not exist yet.")]) -> None:
    """A checked copy of the SQLite store, made while it is written to."""
    copies.backup(copies.path_of_store(_store_url()), file)


@app.command()
def restore(file: Annotated[Path, typer.Argument(help="A file that `backup` made.")]) -> None:
    """Put a backup in the store's place, while nothing runs; what was there is kept."""
    copies.restore(file, copies.path_of_store(_store_url()))


def _store_url() -> str:
    settings = load_local()
    return environment.derived(settings).get("STORE_URL", settings.store)


@app.command(context_settings=_AS_THEY_ARE)
def inject(context: typer.Context) -> None:
    """Give a simulated device a fault: <fault> device_id=... [for=...], or end it: stop."""
    _become("client", "inject", *context.args)


@app.command(context_settings=_AS_THEY_ARE)
def test(context: typer.Context) -> None:
    """Run the tests: [folder ...] [--containers] [arguments of pytest]."""
    _exit(testing.run(context.args))


@app.command(name="env-example")
def print_env_example() -> None:
    """Every setting, as .env.example shows it."""
    print(env_example(), end="")


@app.command(name="reference")
def print_reference() -> None:
    """docs/reference.md, made from the code."""
    print(reference(), end="")


def _become(service: str, *arguments: str, program: str = "") -> None:
    """Go on as ``python -m service`` (or another program of it), as that user of NATS."""
    settings = load_local()
    os.environ.update(environment.credentials(settings, home_of(settings.spindle_home), service))
    command = [sys.executable, "-m", program or service, *arguments]
    os.execv(sys.executable, command)  # noqa: S606 - our own interpreter
