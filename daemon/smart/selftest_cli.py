"""``./run.sh selftest short|long DEVICE``: start a self-test of a drive of this machine."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from daemon.drives import Drives
from daemon.smart.reading import read
from daemon.smart.selftests import KINDS, minutes, running, start
from daemon.smart.smartctl import Device, Smartctl
from daemon.smart.source import SmartSettings, SmartSource
from spindle.errors import InvalidInput
from spindle.service.program import EXIT_FAILED, EXIT_USAGE, commands, end
from spindle.settings import load
from spindle.timestamps import duration

app = commands()


def find(settings: SmartSettings, smartctl: Smartctl, name: str) -> tuple[str, Device, Any]:
    """The drive of a ``deviceId``, a path or a label, as ``(deviceId, drive, what it says)``.

    :raises InvalidInput: there is none.
    :raises OSError: smartctl could not be run, or the drive says nothing.
    """
    source = SmartSource(settings, Drives(), smartctl=smartctl)
    known = []
    for device, output in smartctl.read(smartctl.scan()).items():
        own = source.own_id(device, None if isinstance(output, OSError) else read(output))
        if name in (own, device.path, device.label):
            if isinstance(output, OSError):
                raise output
            return own, device, output
        known.append(own)
    raise InvalidInput(
        f"smartctl finds no drive {name} here" + (f"; it finds {', '.join(known)}" if known else "")
    )


@app.command()
def selftest(
    kind: Annotated[str, typer.Argument(help="short (minutes) or long (hours)", metavar="KIND")],
    device: Annotated[str, typer.Argument(help="A device id, or a path such as /dev/sda")],
) -> None:
    """Start a self-test of one of this machine's drives: short|long DEVICE.

    Example: ./run.sh selftest short /dev/sda

    Exit codes: 0 it has begun, 1 it has not, 2 wrong usage or settings.
    """
    try:
        print(begin(load(SmartSettings), kind, device))
    except InvalidInput as error:  # all mistakes of the settings, too
        end(EXIT_USAGE, str(error))
    except OSError as error:
        end(EXIT_FAILED, str(error))


def begin(settings: SmartSettings, kind: str, name: str) -> str:
    """Start a self-test; the sentence that says so.

    :raises InvalidInput: there is no such kind or drive.
    :raises OSError: it does not begin.
    """
    if kind not in KINDS:
        raise InvalidInput(f"given {kind}, expected {' or '.join(KINDS)}")
    if settings.smart_json_dir:
        raise InvalidInput("SMART_JSON_DIR is set: saved outputs do no self-tests")
    smartctl = Smartctl(settings.smart_command)
    own, device, output = find(settings, smartctl, name)
    left = running(output)
    if left is not None:
        raise OSError(f"{own} is doing a self-test already: {left}")
    start(smartctl, device, kind)
    takes = minutes(output, kind)
    lasts = "it does not say how long it takes"
    if takes:
        lasts = f"it takes about {duration(60 * takes)}"
    if read(output).asleep:
        lasts += ", and it was asleep: the test has woken it"
    return (
        f"{own}: a {kind} self-test has begun; {lasts}. The drive goes on working; the result is "
        "in its next SMART readings (SelfTestFailed, SelfTestAge)."
    )


if __name__ == "__main__":
    app(prog_name="./run.sh selftest")
