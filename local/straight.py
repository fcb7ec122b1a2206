"""The short way of ``./run.sh``: where all is installed, a verb that only looks goes straight on.

It imports nothing that an interpreter has not loaded anyway: what ``local/bootstrap.py`` needs to
install things would be a tenth of the time of a question.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # signal itself loads enum
import os

TYPE_CHECKING = False  # of typing, which takes 10 ms
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import NoReturn

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120 - without pathlib
#: The caller's folder, for commands that take files: they work in the checkout's.
CALLED_FROM = "SPINDLE_CALLED_FROM"
EXIT_FAILED, EXIT_NOT_RUNNING, EXIT_AWAY = 1, 3, 69
EXIT_UNKNOWN = 3  # of a monitoring plug-in

#: What only looks, or ends what runs, and its exit code where nothing is installed: it never
#: installs or changes anything.
LOOKING = {
    "status": EXIT_NOT_RUNNING,
    "stop": 0,
    "logs": EXIT_FAILED,
    "query": EXIT_AWAY,
    "deadletters": EXIT_AWAY,
    "acknowledge": EXIT_AWAY,
    "devices": EXIT_AWAY,
    "health": EXIT_UNKNOWN,
    "top": EXIT_AWAY,
    "tap": EXIT_AWAY,
    "completion": EXIT_FAILED,
}


def go_on(words: Sequence[str], environment: Mapping[str, str]) -> None:
    """Become the command; returns where that takes more than to start it."""
    if not words or words[0] not in LOOKING:
        return
    given = os.path.expanduser(environment.get("SPINDLE_VENV") or ".venv")  # noqa: PTH111
    folder = os.path.join(ROOT, given)  # noqa: PTH118
    python = f"{folder}/bin/python"
    if os.access(python, os.X_OK) and os.access(f"{folder}/.spindle-local", os.F_OK):
        become(python, ["-m", "tools" if words[0] == "completion" else "local", *words])


def become(python: os.PathLike[str] | str, arguments: Sequence[str]) -> NoReturn:
    """Go on as another program of ours, in the checkout's folder.

    SIGINT waits until it can be taken there: an interpreter that starts answers with a traceback.
    """
    environment = {CALLED_FROM: os.getcwd(), **os.environ}  # noqa: PTH109
    os.chdir(ROOT)
    _signal.pthread_sigmask(_signal.SIG_BLOCK, {_signal.SIGINT})
    os.execve(python, [str(python), *arguments], environment)  # noqa: S606 - our own interpreter
