"""``notify-test``: a test message to each address of NOTIFY_URLS."""

from __future__ import annotations

import logging

import typer
from rich.console import Console
from rich.table import Table

from client.notify.message import Message
from client.notify.settings import NotifySettings
from spindle.errors import InvalidInput
from spindle.service.program import EXIT_FAILED, EXIT_USAGE, end
from spindle.settings import load

_TEST = Message(
    "Spindle: a test",
    "This is how you will be told when a drive gets into trouble, and when it is well again.",
    "info",
)


def notify_test() -> None:
    """Send a test message to each address of NOTIFY_URLS.

    Exit codes: 0 all were told, 1 some were not, 2 wrong settings or no address.
    """
    logging.getLogger("spindle").setLevel(logging.CRITICAL)
    try:
        settings = load(NotifySettings)
    except InvalidInput as error:
        end(EXIT_USAGE, str(error))
    from client.notify.addresses import addresses  # noqa: PLC0415 - slow to import

    found = addresses(settings.notify_addresses())
    if not found:
        end(
            EXIT_USAGE,
            "nobody is to be told: NOTIFY_URLS is empty; set it in .env, such as "
            "NOTIFY_URLS=mailto://user:password@smtp.example.com?to=me@example.com",
        )
    table = Table("address", "", box=None, pad_edge=False)
    failures = [each.send(_TEST) for each in found]
    for address, failure in zip(found, failures, strict=True):
        table.add_row(address.name, failure or "told")
    Console().print(table)
    raise typer.Exit(EXIT_FAILED if any(failures) else 0)
