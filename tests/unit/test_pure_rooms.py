"""What judges, detects and foretells brings no network, no event loop and no database with it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.servers import ROOT

IMPORT_ALL = """
import importlib, pkgutil, sys
room = importlib.import_module(sys.argv[1])
for module in pkgutil.iter_modules(room.__path__):
    importlib.import_module(f"{room.__name__}.{module.name}")
print(*sorted({"asyncio", "nats", "requests", "sqlite3", "ssl", "urllib3"} & sys.modules.keys()))
"""


@pytest.mark.parametrize("room", ["reader.detection", "reader.forecasting", "reader.health"])
def test_a_pure_room_loads_no_driver_even_indirectly(room: str) -> None:
    """Also not through an ``__init__`` above what it imports, which import-linter does not see."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, room],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == []
