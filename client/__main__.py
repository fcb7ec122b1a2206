"""``python -m client``: watch for critical events, or ask one question.

Exit codes of ``query``: 0 answered; 1 the reader refused; 2 wrong usage or settings; 69 no answer.
"""

from __future__ import annotations

from typing import Annotated, NoReturn

import typer

from client.main import PARTS, main
from client.notify.try_out import notify_test
from client.settings import ClientSettings
from client.terminal.cli import app as terminal
from client.verbs import deadletters_cli, decisions_cli, outcome, query
from client.verbs import inject as injection
from spindle.service.run import run
from spindle.settings import load

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
app.command()(query.query)
app.command()(query.audit)
app.command()(decisions_cli.acknowledge)
app.add_typer(decisions_cli.devices, name="devices")
app.add_typer(deadletters_cli.app, name="deadletters")
app.command(name="notify-test")(notify_test)
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
    with outcome.ends_in_a_sentence():
        given = injection.parse(words or [])
        settings = load(ClientSettings)
    injection.run(settings, fault, given, as_json=as_json)


if __name__ == "__main__":
    app(prog_name="client")
