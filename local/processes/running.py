"""Processes that belong to a checkout, known by their environment whatever became of pid files."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

import psutil

from local.layout import INSTANCE_VARIABLE, ROOT, Home
from local.processes.supervisor import ROOT_VARIABLE
from local.services import DRAIN_ORDER, NATS

_KILL_WAIT_SECONDS = 5.0
_PAUSE_SECONDS = 0.05


def ours(home: Home) -> list[psutil.Process]:
    """Every living process that was started for this ``.spindle`` folder."""
    return [
        process
        for process in psutil.process_iter()
        if process.pid != os.getpid() and _belongs(process, home)
    ]


def homes() -> list[Home]:
    """Every folder that processes of this checkout run for, whatever SPINDLE_HOME says."""
    found = set()
    for process in psutil.process_iter():
        environment = _environment(process)
        if environment.get(ROOT_VARIABLE) == str(ROOT) and INSTANCE_VARIABLE in environment:
            found.add(environment[INSTANCE_VARIABLE])
    return [Home(Path(folder)) for folder in sorted(found)]


def environment_of(pid: int) -> dict[str, str]:
    """What a process was started with; empty where that cannot be known."""
    try:
        return _environment(psutil.Process(pid))
    except psutil.Error:
        return {}


def _belongs(process: psutil.Process, home: Home) -> bool:
    return _environment(process).get(INSTANCE_VARIABLE) == str(home.folder)


def _environment(process: psutil.Process) -> dict[str, str]:
    """Of a living process of this user; of any other, nothing."""
    try:
        if process.uids().real != os.getuid() or process.status() == psutil.STATUS_ZOMBIE:
            return {}
        return process.environ()
    except (psutil.Error, OSError):
        return {}


def take_down(processes: list[psutil.Process], seconds: float) -> None:
    """End processes: supervisord first, which would restart the others, then as services drain.

    :param seconds: how long each may take before it is killed.
    """
    for rank, process in sorted(((_rank(each), each) for each in processes), key=lambda it: it[0]):
        # supervisord waits for its children, one after the other
        patience = seconds * len(DRAIN_ORDER) if rank < 0 else seconds
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
            if not _ends(process, patience):
                process.kill()
                _ends(process, _KILL_WAIT_SECONDS)


def _ends(process: psutil.Process, seconds: float) -> bool:
    """Whether it ends in time. A zombie has: in a container nobody may ever collect it."""
    deadline = time.monotonic() + seconds
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE_SECONDS)
    return True


def _rank(process: psutil.Process) -> int:
    """Place in the order of taking down."""
    try:
        words = process.cmdline()
    except psutil.Error:
        return len(DRAIN_ORDER)
    if "supervisor.supervisord" in words:
        return -1
    for place, service in enumerate(DRAIN_ORDER):
        if service in words or (service == NATS and words and words[0].endswith("nats-server")):
            return place
    return len(DRAIN_ORDER)
