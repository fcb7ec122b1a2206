"""Where Spindle runs, in containers or as processes of this machine, and with which settings."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NoReturn

import typer

from local import output, real_or_demo
from local.docker.containers import Containers
from local.environment import environment as given
from local.installation import docker_answers
from local.layout import ROOT
from local.processes import lenient_settings
from local.processes.supervisor import Control
from spindle.errors import InvalidInput, InvalidSettings

MODES = ("local", "docker")


def in_containers(*, lenient: bool = False) -> Containers | None:
    """The containers, where they are what is operated; None for processes of this machine.

    :param lenient: a mistake in the settings is a warning.
    :raises InvalidSettings: SPINDLE_MODE is none, or ``.env`` cannot be read.
    """
    known = environment(lenient=lenient)
    if "SPINDLE_VENV" in known and "SPINDLE_VENV" not in os.environ:
        output.complain(
            "run.sh: warning: SPINDLE_VENV in .env has no effect: what reads .env lies in it; "
            "give it in the environment"
        )
    mode = known.get("SPINDLE_MODE", "")
    if mode and mode not in MODES:
        mistake = f'SPINDLE_MODE is "{mode}"; it may be local, docker, or empty to choose by itself'
        if not lenient:
            raise InvalidInput(mistake)
    _, home, _ = lenient_settings.load_local()
    # What was started without Docker is also stopped so, though an engine runs by now.
    if mode not in MODES:
        local = Control(home).pid() is not None or not docker_answers()
        if mode and not local:
            output.complain(f"run.sh: warning: {mistake}")
        mode = "local" if local else "docker"
    if mode != "docker":
        return None
    return Containers({**known, **real_or_demo.derived(home, known)})


def environment(*, lenient: bool = False) -> dict[str, str]:
    """``.env`` with the environment laid over it.

    :param lenient: the environment alone where ``.env`` cannot be read.
    :raises InvalidSettings: ``.env`` cannot be read.
    """
    try:
        return given(ROOT / ".env")
    except InvalidSettings:
        if not lenient:
            raise
        return {name: value for name, value in os.environ.items() if value}


def warn(mistakes: Sequence[str]) -> None:
    """Name mistakes in the settings that this command can do without."""
    if mistakes:
        output.complain("warning: the settings have mistakes; ./run.sh start would refuse them:")
        for mistake in dict.fromkeys(mistakes):
            output.complain(f"  {mistake}")


def end(code: int) -> NoReturn:
    """End the command with this exit code."""
    raise typer.Exit(code)
