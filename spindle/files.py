"""Where the files lie that a user names on a command line."""

from __future__ import annotations

import os
from pathlib import Path


def called_from() -> Path:
    """The folder of whoever called run.sh, which itself works in the checkout's, where .env is."""
    return Path(os.environ.get("SPINDLE_CALLED_FROM") or Path.cwd())
