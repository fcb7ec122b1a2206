"""Answers a shell that completes ``./run.sh``: verbs, options, and the questions of a reader.

What the shell needs for that once is printed by ``./run.sh completion``.
"""

from __future__ import annotations

import os

import typer

from client.__main__ import app as client
from local.bootstrap import COMPLETING
from local.cli import app as local
from local.layout import ROOT
from tools.cli import COMPLETED
from tools.cli import app as tools


def main() -> None:
    """Print the completions; the shell puts the line in the environment."""
    os.chdir(ROOT)
    whole = typer.Typer(no_args_is_help=True)
    for part in (local, tools, client):  # the client explains its verbs itself, so it comes last
        whole.registered_commands += part.registered_commands
        whole.registered_groups += part.registered_groups
    whole(prog_name=COMPLETED, complete_var=COMPLETING)
