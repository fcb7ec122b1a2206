"""What judges, detects and foretells brings no network, no event loop and no database with it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib

import pytest

from local.services import SERVICES
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


def test_a_module_that_says_it_is_pure_is_held_to_it() -> None:
    """By the contract of import-linter, which names rooms and modules."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (held,) = (each for each in contracts["contracts"] if each["name"].startswith("Pure rooms"))
    names = re.compile(rf"({'|'.join(map(re.escape, held['source_modules']))})(\..+)?")
    rooms = [ROOT / room for room in ("spindle", *(service.name for service in SERVICES))]
    say_so = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for room in rooms
        for path in room.rglob("*.py")
        if re.search(r"\bPure\.|[Nn]o I/O", ast.get_docstring(ast.parse(path.read_text())) or "")
    ]
    assert len(say_so) > 40
    assert [name for name in say_so if not names.fullmatch(name)] == []
