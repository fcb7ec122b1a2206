"""Parts of a measurement, chosen on the command line, and the terminal that they print to."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

from rich.console import Console

console = Console(width=110)


def run(parts: Mapping[str, Callable[[], object]]) -> None:
    """Those that the command line names, else all of them."""
    for part in sys.argv[1:] or parts:
        if part not in parts:
            sys.exit(f"There is no part {part}; there are {', '.join(parts)}.")
        console.rule(part)
        parts[part]()
