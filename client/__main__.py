"""``python -m client``: watch for critical events, or ask one question.

Exit codes of ``query``: 0 answered; 1 the reader refused; 2 wrong usage or settings; 69 no answer.
"""

from __future__ import annotations

import sys
from typing import Annotated, NoReturn

import typer

from client import deadletters_cli, decisions_cli
from client import inject as injection
from client import query as question
from client.main import PARTS, main
from client.settings import ClientSettings
from client.terminal.cli import app as terminal
from spindle.errors import InvalidInput
from spindle.service.run import run
from spindle.settings import load

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
app.command()(decisions_cli.acknowledge)
app.add_typer(decisions_cli.devices, name="devices")
app.add_typer(deadletters_cli.app, name="deadletters")
app.add_typer(terminal)  # top, tap, plot, health


@app.callback(invoke_without_command=True)
def bare(context: typer.Context) -> None:
    """Ask the reader about storage devices. Without a command: watch."""
    if context.invoked_subcommand is None:
        watch()


@app.command()
def watch() -> NoReturn:
    """Write each critical event to CLIENT_OUTPUT, once, until stopped."""
    run("client", ClientSettings, main, PARTS, lambda settings: settings.client_http_port)


@app.command()
def query(
    query_type: Annotated[
        str,
        typer.Argument(
            help="fleet_health, devices, ...; none lists them",
            show_default=False,
            autocompletion=question.names,
        ),
    ] = "",
    params: Annotated[
        list[str] | None,
        typer.Argument(help="Such as source_device=DiskUnit", metavar="[KEY=VALUE]..."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, as is always done into a pipe.")
    ] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the rows as CSV.")] = False,
    wide: Annotated[bool, typer.Option("--wide", help="Every column of a table.")] = False,
    wait: Annotated[
        float, typer.Option(min=0, max=3600, help="Seconds to wait for NATS and the reader.")
    ] = 10.0,
) -> None:
    """Ask one question: a table on a terminal, JSON into a pipe.

    Exit codes: 0 answered, 1 refused by the reader, 2 wrong usage or settings, 69 no answer.
    """
    try:
        given = question.parse_params(params or [])
        settings = load(ClientSettings)
    except InvalidInput as error:  # all mistakes of the settings, too
        _usage(str(error))
    if as_json and as_csv:
        _usage("--json and --csv: one of the two")
    form: question.Form = "csv" if as_csv else "json" if as_json else "wide" if wide else "table"
    code = question.run(settings, query_type, given, form, wait_seconds=wait)
    raise typer.Exit(code)


@app.command()
def inject(
    fault: Annotated[
        str, typer.Argument(help="overheat, slow_disk, silent, ..., or stop", show_default=False)
    ],
    words: Annotated[
        list[str] | None,
        typer.Argument(help="Such as device_id=array1-disk3 for=5m", metavar="[KEY=VALUE]..."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, as is always done into a pipe.")
    ] = False,
) -> None:
    """Give a simulated device a fault, or end the one it has (stop).

    Exit codes: 0 done, 1 refused by the daemon, 2 wrong usage or settings, 69 no answer.
    """
    try:
        given = injection.parse(words or [])
        settings = load(ClientSettings)
    except InvalidInput as error:  # all mistakes of the settings, too
        _usage(str(error))
    raise typer.Exit(injection.run(settings, fault, given, as_json=as_json))


def _usage(sentence: str) -> NoReturn:
    print(sentence, file=sys.stderr)
    raise typer.Exit(question.EXIT_USAGE)


if __name__ == "__main__":
    app(prog_name="client")
