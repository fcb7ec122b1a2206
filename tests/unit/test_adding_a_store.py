"""A new store is one folder and one entry of the registry, as CONTRIBUTING.md shows."""

from __future__ import annotations

import filecmp
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.servers import ROOT

_CLASS = """

class MemoryStore(Lists):
    def __init__(self, settings: object, *, writing: bool = False, now_ns: object = None) -> None:
        super().__init__()
"""
_USE = """
import asyncio
from spindle.errors import InvalidSettings
from spindle.settings import Settings, load
from spindle.store.base import Selection, Series
from spindle.store.registry import open_store

async def main():
    store = open_store(load(Settings, store_url="memory://"), writing=True)
    await store.prepare()
    await store.write_points([(Series("DiskUnit", "DiskTemp", "sda", ""), 7, 41.5)])
    [newest] = await store.latest(Selection(), 0)
    print(type(store).__name__, newest.value)
    try:
        load(Settings, store_url="memroy://")
    except InvalidSettings as error:
        print(error)

asyncio.run(main())
"""


def test_a_store_is_added_by_a_folder_and_the_entry_that_contributing_shows(tmp_path: Path) -> None:
    house = tmp_path / "spindle"
    shutil.copytree(ROOT / "spindle", house, ignore=shutil.ignore_patterns("__pycache__"))
    [entry] = re.findall(r"```python\n(Kind\(.*)\n```", (ROOT / "CONTRIBUTING.md").read_text())
    registry = house / "store" / "registry.py"
    registry.write_text(
        registry.read_text().replace("KINDS = (\n", f"KINDS = (\n    {entry},\n", 1)
    )
    folder = house / "store" / "memory"
    folder.mkdir()
    (folder / "__init__.py").touch()
    lists = (ROOT / "tests" / "memory_store.py").read_text()
    (folder / "store.py").write_text(lists.replace("MemoryStore", "Lists") + _CLASS)

    done = subprocess.run(
        [sys.executable, "-c", _USE], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines() == [
        "MemoryStore 41.5",
        "STORE_URL: given 'memroy://', expected memory:// or sqlite:///FILE or "
        "influxdb://host:port/database",
    ], done.stderr
    assert _touched(ROOT / "spindle", house) == {"store/registry.py", "store/memory"}


def _touched(before: Path, after: Path) -> set[str]:
    """What differs between two folders, as paths."""
    found: set[str] = set()

    def compare(pair: filecmp.dircmp[str], under: str) -> None:
        names = (*pair.diff_files, *pair.right_only, *pair.left_only)
        found.update(under + name for name in names if name != "__pycache__")
        for name, inner in pair.subdirs.items():
            compare(inner, f"{under}{name}/")

    compare(filecmp.dircmp(before, after, ignore=["__pycache__"]), "")
    return found
