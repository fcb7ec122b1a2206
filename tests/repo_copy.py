"""A copy of the repository's Python and its data, for tests that add something to it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.servers import ROOT


def repo_copy(folder: Path) -> Path:
    """Copy what is in git (so nothing that a build or a run left behind) into the folder."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "*.py", "*.toml"], cwd=ROOT, capture_output=True, check=True
    )
    for name in os.fsdecode(listed.stdout).split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    return folder


def run(folder: Path, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """``python <words>`` in such a copy, which sees no other code of ours."""
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(folder), **settings}
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env=env, capture_output=True, text=True, check=False
    )


def shown_in_contributing(title: str) -> list[str]:
    """The blocks of Python in one section of CONTRIBUTING.md."""
    section = (ROOT / "CONTRIBUTING.md").read_text().partition(f"## {title}\n")[2]
    return re.findall(r"```python\n(.*?)```", section.partition("\n## ")[0], re.DOTALL)
