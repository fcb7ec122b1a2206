"""Ctrl-C at any moment of a command: exit code 130, one line at most, never a traceback. Nor is
there one where its output cannot be written.

``local/bootstrap.py`` starts us with SIGINT blocked, so that one which comes while the interpreter
starts waits until there is somebody to take it.
"""

from __future__ import annotations

import errno
import importlib
import os
import signal
import sys
from pathlib import Path

EXIT_FAILED, EXIT_INTERRUPTED = 1, 130


def run(module: str) -> None:
    """Import a module and call its ``main``; an interruption before that ends at once."""
    at_once()
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed by whoever called, as by ``>&-``
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115 - open to the end
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    main = importlib.import_module(module).main
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        main()
    except KeyboardInterrupt:
        os._exit(EXIT_INTERRUPTED)
    except OSError as error:
        where = error.filename or ("the output" if error.errno == errno.ENOSPC else "")
        print(f"run.sh: {where}{': ' * bool(where)}{error.strerror or error}", file=sys.stderr)
        sys.exit(EXIT_FAILED)
    finally:  # the interpreter takes a while to end, and would answer with a traceback, too
        at_once()
        _flush()


def _flush() -> None:
    """Write what is left of the output; where the disk is full, say so here and end."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough
        os._exit(EXIT_FAILED)
    except OSError as error:
        print(f"run.sh: the output: {error.strerror}", file=sys.stderr)
        os._exit(EXIT_FAILED)


def at_once() -> None:
    """From now on Ctrl-C ends the process where it stands; nothing is raised in it."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(EXIT_INTERRUPTED))
