"""Whatever went wrong once has a test that says so, and a row in tests/README.md."""

from __future__ import annotations

import re

from tests.servers import ROOT

NAMES = {*map(str, range(1, 18)), *(f"h{number}" for number in range(1, 19))}


def test_every_fault_that_was_found_has_a_test_and_a_row() -> None:
    files = [file.read_text() for file in (ROOT / "tests").rglob("test_*.py")]
    marks = re.findall(r"^@pytest\.mark\.fault\((.*)\)$", "\n".join(files), re.MULTILINE)
    marked = {name for mark in marks for name in re.findall(r'"(\w+)"', mark)}
    table = (ROOT / "tests" / "README.md").read_text().partition("## What went wrong once")[2]
    rows = {
        name
        for row in re.findall(r"^\| (h?\d.*?) \|", table, re.MULTILINE)
        for name in row.split(", ")
    }
    assert marked == rows == NAMES


def test_the_scenarios_that_the_table_names_are_there() -> None:
    table = (ROOT / "tests" / "README.md").read_text()
    scenarios = (ROOT / "tests" / "chaos" / "test_harms.py").read_text()
    named = set(re.findall(r"`(test_\w+)`", table))
    assert named
    assert not [name for name in named if f"def {name}(" not in scenarios]
