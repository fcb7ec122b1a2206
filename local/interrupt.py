"""Ctrl-C at any moment of a command: exit code 130, one line at most, never a traceback.

``local/bootstrap.py`` starts us with SIGINT blocked, so that one which comes while the interpreter
starts waits until there is somebody to take it.
"""

from __future__ import annotations

import importlib
import os
import signal

EXIT_INTERRUPTED = 130


def run(module: str) -> None:
    """Import a module and call its ``main``; an interruption before that ends at once."""
    at_once()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    main = importlib.import_module(module).main
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        main()
    except KeyboardInterrupt:
        os._exit(EXIT_INTERRUPTED)
    finally:  # the interpreter takes a while to end, and would answer with a traceback, too
        at_once()


def at_once() -> None:
    """From now on Ctrl-C ends the process where it stands; nothing is raised in it."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(EXIT_INTERRUPTED))
