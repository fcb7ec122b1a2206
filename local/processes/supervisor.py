"""supervisord: its configuration, and talking to it over its socket."""

from __future__ import annotations

import configparser
import http.client
import os
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from supervisor.xmlrpc import SupervisorTransport  # type: ignore[import-untyped]

from local.layout import ROOT, Home
from spindle.errors import SpindleError

#: supervisord gives up after so many failures in a row: never, for practical purposes.
_START_RETRIES = 1_000_000_000
#: Names the folder that services run in, to their commands.
ROOT_VARIABLE = "SPINDLE_ROOT"


class SupervisorFailed(SpindleError):
    """supervisord did not do what was asked."""


@dataclass(frozen=True, slots=True)
class Program:
    """One process to keep alive.

    :ivar command: for ``sh``, with variables of the environment for what may be called anything.
    :ivar priority: lower starts first and is stopped last.
    :ivar stop_seconds: how long it may take to end after SIGTERM.
    """

    name: str
    command: str
    priority: int
    stop_seconds: int
    log_max_bytes: int
    log_backups: int
    environment: Mapping[str, str] = field(default_factory=dict)


def config(home: Home, programs: Sequence[Program]) -> str:
    """supervisord's configuration file.

    A folder may have any name, and supervisord takes a ``%``, `` #`` or `` ;`` in one for its own:
    so paths are relative to the file's folder, and commands name variables for ``sh``.
    """
    socket = home.socket()
    shown = "supervisor.sock" if socket.parent == home.run else str(socket)
    head = (
        "; Made by ./run.sh start; changes are lost.\n"
        "[unix_http_server]\n"
        f"file={shown}\n"
        "chmod=0600\n\n"
        "[supervisord]\n"
        "logfile=../logs/supervisord.log\n"
        "logfile_maxbytes=1MB\n"
        "logfile_backups=1\n"
        "pidfile=supervisord.pid\n\n"
        "[rpcinterface:supervisor]\n"
        "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"
    )
    return "\n".join([head, *(_program(program) for program in programs)])


def _program(program: Program) -> str:
    environment = ",".join(
        f'{name}="{value}"' for name, value in sorted(program.environment.items())
    )
    return (
        f"[program:{program.name}]\n"
        f"command=/bin/sh -c 'cd \"${ROOT_VARIABLE}\" && exec {program.command}'\n"
        f"priority={program.priority}\n"
        "autostart=true\n"
        "autorestart=true\n"
        "startsecs=1\n"
        f"startretries={_START_RETRIES}\n"
        "stopsignal=TERM\n"
        f"stopwaitsecs={program.stop_seconds}\n"
        "killasgroup=true\n"
        "redirect_stderr=true\n"
        f"stdout_logfile=../logs/{program.name}.log\n"
        f"stdout_logfile_maxbytes={program.log_max_bytes}\n"
        f"stdout_logfile_backups={program.log_backups}\n"
        f"environment={environment}\n"
    )


def spawn(home: Home, environment: Mapping[str, str]) -> None:
    """Start supervisord in the background; it starts every program.

    :raises SupervisorFailed: with what it said.
    """
    command = [sys.executable, "-m", "supervisor.supervisord", "-c", home.supervisor_config.name]
    with (home.logs / "supervisord.out").open("w+") as said:
        done = subprocess.run(  # noqa: S603 - our own interpreter
            command,
            cwd=home.run,
            env={**os.environ, **environment, ROOT_VARIABLE: str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            check=False,
        )
        said.seek(0)
        if done.returncode:
            raise SupervisorFailed(f"supervisord did not start: {said.read().strip()[-500:]}")


@dataclass(frozen=True, slots=True)
class ProcessState:
    """What supervisord says of one program.

    :ivar state: RUNNING, STARTING, BACKOFF, STOPPED, EXITED, FATAL, STOPPING or UNKNOWN.
    :ivar since: seconds since the epoch of its last start or, when it is not running, end; or 0.
    """

    name: str
    state: str
    pid: int
    since: int


class Control:
    """A running supervisord."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._transport = SupervisorTransport(None, None, f"unix://{home.socket()}")
        self._proxy: Any = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=self._transport)

    def pid(self) -> int | None:
        """The pid of supervisord; None when none answers."""
        try:
            return int(self._call("supervisor.getPID"))
        except SupervisorFailed:
            return None

    def states(self) -> dict[str, ProcessState]:
        """The state of each program; empty when supervisord does not answer."""
        try:
            answer = self._call("supervisor.getAllProcessInfo")
        except SupervisorFailed:
            return {}
        return {each["name"]: _state(each) for each in answer}

    def start(self, name: str) -> None:
        """Start a program unless it runs; does not wait for it."""
        self._call("supervisor.startProcess", name, False, ignore=("ALREADY_STARTED",))

    def stop(self, name: str) -> str:
        """Stop a program and wait until it has drained, or was killed; which of them, in words."""
        began = time.monotonic()
        self._call("supervisor.stopProcess", name, True, ignore=("NOT_RUNNING",))
        seconds = stop_seconds(self._home, name)
        by_signal = int(self._call("supervisor.getProcessInfo", name)["exitstatus"]) < 0
        if by_signal and 0 < seconds <= time.monotonic() - began:
            return f"{name} did not end within {seconds} s (STOP_TIMEOUT_SECONDS) and was killed"
        return f"{name} stopped"

    def shutdown(self) -> None:
        """End supervisord and what it still runs."""
        self._call("supervisor.shutdown")

    def _call(self, method: str, *arguments: Any, ignore: Sequence[str] = ()) -> Any:
        try:
            return getattr(self._proxy, method)(*arguments)
        except xmlrpc.client.Fault as fault:
            if not any(fault.faultString.startswith(name) for name in ignore):
                raise SupervisorFailed(f"{method}: {fault.faultString}") from None
        except (OSError, http.client.HTTPException, xmlrpc.client.ProtocolError) as error:
            self._transport.close()  # or every later call fails on the broken connection
            raise SupervisorFailed(f"supervisord does not answer: {error}") from None
        return None


def stop_seconds(home: Home, name: str) -> int:
    """How long a program may take to end, as it was started; 0 where that is not known."""
    known = configparser.RawConfigParser(interpolation=None)
    try:
        known.read(home.supervisor_config)
        return known.getint(f"program:{name}", "stopwaitsecs", fallback=0)
    except (configparser.Error, OSError, ValueError):
        return 0


def _state(info: Mapping[str, Any]) -> ProcessState:
    running = info["statename"] in ("RUNNING", "STARTING", "STOPPING")
    return ProcessState(
        name=info["name"],
        state=info["statename"],
        pid=info["pid"],
        since=info["start"] if running else info["stop"],
    )
