"""``inject``: give a simulated device a fault, or take it away."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import orjson
import typer
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from rich.console import Console

from client.ask import TIMEOUT_SECONDS, ReaderAway, Refused, understand
from client.settings import ClientSettings
from client.verbs import asking, query
from spindle import subjects
from spindle.errors import InvalidInput
from spindle.settings import load

STOP = "stop"
KEYS = ("device_id", "for", "only")
WAIT_SECONDS = 10.0


def inject(
    fault: Annotated[
        str, typer.Argument(help="overheat, slow_disk, silent, ..., or stop", show_default=False)
    ],
    words: Annotated[
        list[str] | None,
        typer.Argument(
            help="Such as device_id=array1-disk3 for=5m; of a stop, only=overheat",
            metavar="[KEY=VALUE]...",
        ),
    ] = None,
    as_json: query.AsJson = False,
) -> None:
    """Give a simulated device a fault beside what it has, or end what it has (stop).

    Exit codes: 0 done, 1 refused by the daemon, 2 wrong usage or settings, 69 no answer.
    """
    with asking.ends_in_a_sentence():
        given = parse(words or [])
        settings = load(ClientSettings)
    run(settings, fault, given, as_json=as_json)


def parse(words: list[str]) -> dict[str, str]:
    """``device_id=... [for=...] [only=...]``.

    :raises InvalidInput: something else is given, or no device.
    """
    given = asking.parse_params(words)
    for key in given:
        if key not in KEYS:
            raise InvalidInput(
                f"there is no {key}: expected device_id=... and, if wanted, for=5m, or of a stop "
                "only=FAULT"
            )
    if "device_id" not in given:
        raise InvalidInput("on which device? expected device_id=..., such as array1-disk3")
    return given


def run(settings: ClientSettings, fault: str, given: Mapping[str, str], *, as_json: bool) -> None:
    """Ask the daemon, and print its answer.

    :param fault: its name, or ``stop``.
    :param as_json: what the daemon answered; always so when standard output is no terminal.
    :raises SystemExit: see ``asking.ends_in_a_sentence``.
    """
    with asking.ends_in_a_sentence():
        done = asyncio.run(_ask(settings, {"fault": fault, **given}))
    if as_json or not sys.stdout.isatty():
        asking.print_json(done)
    else:
        Console(highlight=False).print(sentence(fault, done), markup=False)


def sentence(fault: str, done: Mapping[str, Any]) -> str:
    """What was done, for a person; ``done`` is the truth about the fault, as the daemon says it."""
    device, name = done["device_id"], done["fault"]
    if fault == STOP:
        return "\n".join(_ended(each) for each in (done, *done.get("also", ())))
    shows = ", ".join(done["metric_types"])
    return f"{device}: {name} from {done['from']} to {done['to']}; it shows in {shows}"


def _ended(done: Mapping[str, Any]) -> str:
    never = done["from"] == done["to"]
    what = f"will not begin at {done['from']}" if never else f"ended at {done['to']}"
    return f"{done['device_id']}: {done['fault']} {what}"


async def _ask(settings: ClientSettings, wanted: Mapping[str, str]) -> dict[str, Any]:
    async with asking.connected(settings, WAIT_SECONDS) as client:
        try:
            answer = await client.request(
                subjects.SIMULATION_INJECT, orjson.dumps(wanted), timeout=TIMEOUT_SECONDS
            )
        except NoRespondersError:
            raise ReaderAway("no daemon answers; is it started?") from None
        except TimeoutError:
            raise ReaderAway(f"the daemon did not answer within {TIMEOUT_SECONDS:g} s") from None
        except NatsError as error:
            raise ReaderAway(f"NATS did not take the request: {error}") from None
    data = understand(answer.data)["data"]
    if not isinstance(data, dict):
        raise Refused("the answer is not one of a daemon")
    return data
