"""``python -m client``: watch for critical events, or ask one question.

Exit codes of ``query``: 0 answered; 1 the reader refused; 2 wrong usage or settings; 69 no answer.
"""

from __future__ import annotations

from typing import NoReturn

import typer

from client.notify.try_out import notify_test
from client.settings import ClientSettings
from client.terminal.cli import app as terminal
from client.verbs import deadletters_cli, decisions_cli, inject, query
from spindle.service.program import commands
from spindle.service.run import run

app = commands()
app.command()(query.query)
app.command()(query.audit)
app.command()(inject.inject)
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
    from client.main import PARTS, main  # noqa: PLC0415 - no command needs what it loads

    run("client", ClientSettings, main, PARTS, lambda settings: settings.client_http_port)


if __name__ == "__main__":
    app(prog_name="client")
