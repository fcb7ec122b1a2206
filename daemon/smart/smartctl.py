"""Call smartctl: which drives there are, and what each says. Nothing here waits for ever."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import orjson

from daemon.deadlines import Watched
from daemon.smart.fields import at, decoded, text

#: smartctl has so long for one drive; a drive that is being spun up or resets its link takes ten.
CALL_SECONDS = 30.0
#: What cannot be ended then (a drive that hangs in the kernel) is no longer waited for.
DEADLINE_SECONDS = CALL_SECONDS + 5
#: Drives that are asked at the same time: each question stops the drive's other work for a moment.
AT_ONCE = 4
#: Where smartmontools puts smartctl, and Debian's PATH of a user does not look.
SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")
#: The longest real output is some 200 kB.
MOST_BYTES = 8 * 2**20


class Device(NamedTuple):
    """A drive as ``smartctl --scan-open`` names it, such as ``/dev/bus/0`` and ``megaraid,5``."""

    path: str
    kind: str

    @property
    def label(self) -> str:
        """For a log: the path, and the member where there are several behind it."""
        return f"{self.path} ({self.kind})" if "," in self.kind else self.path


class Smartctl:
    """The program, run with a deadline and a bound on what it may say.

    :ivar stuck: drives for which it has not ended, each with the reason.
    """

    def __init__(self, command: str, call_seconds: float = CALL_SECONDS) -> None:
        self._command = _found(shlex.split(command))
        self._seconds = call_seconds
        self._watched = Watched[Any](call_seconds + DEADLINE_SECONDS - CALL_SECONDS)

    @property
    def stuck(self) -> Mapping[str, str]:
        """Drives for which smartctl has not ended, each with the reason."""
        return self._watched.stuck

    def scan(self) -> list[Device]:
        """The drives that it can open.

        :raises OSError: smartctl is missing, may not be run, hangs, or prints no JSON.
        """
        output = self._call("--scan-open", "--json")
        rows = at(output, "devices")
        found = ((text(at(row, "name")), text(at(row, "type"))) for row in rows or ())
        return list(dict.fromkeys(Device(path, kind or "auto") for path, kind in found if path))

    def read(self, devices: list[Device]) -> dict[Device, Any]:
        """What each drive says, as decoded JSON, or the OSError of asking it; without the stuck."""
        found: dict[Device, Any] = {}
        stuck: dict[str, str] = {}
        for start in range(0, len(devices), AT_ONCE):
            chunk = {each.label: each for each in devices[start : start + AT_ONCE]}
            calls = {label: _asking(self, each) for label, each in chunk.items()}
            for label, output in self._watched.results(calls).items():
                found[chunk[label]] = output
            stuck |= self._watched.stuck
        self._watched.stuck = stuck
        return found

    def ask(self, device: Device) -> Any:
        """What one drive says. A sleeping one is left asleep.

        :raises OSError: smartctl hangs, or prints no JSON.
        """
        return self._call("--json", "-x", "-n", "standby", "-d", device.kind, device.path)

    def start_test(self, device: Device, kind: str) -> Any:
        """Begin a self-test of a drive, ``short`` or ``long``; what smartctl says of it.

        :raises OSError: smartctl hangs, or prints no JSON.
        """
        return self._call("--json", "-t", kind, "-d", device.kind, device.path)

    def _call(self, *arguments: str) -> Any:
        try:
            process = subprocess.Popen(  # noqa: S603 - the operator's own command, no shell
                [*self._command, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # so that what sudo starts is ended with it
            )
        except FileNotFoundError:
            raise FileNotFoundError(
                f"there is no {self._command[0]}: install smartmontools, or set SMART_COMMAND"
            ) from None
        timer = threading.Timer(self._seconds, _kill, [process])
        timer.start()
        with process:
            assert process.stdout is not None  # noqa: S101 - a pipe was asked for
            said = process.stdout.read(MOST_BYTES + 1)
            if len(said) > MOST_BYTES:
                _kill(process)
            process.stdout.close()  # ends a flood that may not be killed
            process.wait()
            timer.cancel()
        if len(said) > MOST_BYTES:
            raise OSError(f"smartctl was ended after saying {MOST_BYTES:,} bytes")
        if process.returncode == -signal.SIGKILL:
            raise OSError(f"smartctl was ended after {self._seconds:g} s")
        try:
            return decoded(said)
        except orjson.JSONDecodeError:
            sudo = "; does sudoers allow this very command?" * ("sudo" in self._command[0])
            raise OSError(
                f"smartctl said nothing that is JSON (exit status {process.returncode}){sudo}"
            ) from None


def _found(command: list[str]) -> list[str]:
    """The same, with the program where it is: a user's PATH may lack the folders of the system."""
    places = os.pathsep.join([os.environ.get("PATH", os.defpath), *SYSTEM_FOLDERS])
    return [shutil.which(command[0], path=places) or command[0], *command[1:]]


def _asking(smartctl: Smartctl, device: Device) -> Callable[[], Any]:
    def ask() -> Any:
        try:
            return smartctl.ask(device)
        except OSError as error:
            return error

    return ask


def _kill(process: subprocess.Popen[bytes]) -> None:
    # What sudo runs as root may not be killed: it is no longer waited for after the deadline.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
