"""Known vulnerabilities of the pins; pip-audit on PATH is a stand-in that answers as it does."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tools.cli import audit

GOOD = {"name": "a", "version": "1.0", "vulns": []}
FAULTY = {
    "name": "b",
    "version": "2.0",
    "vulns": [{"id": "PYSEC-2026-1", "fix_versions": ["2.1"], "aliases": [], "description": "x"}],
}
UNKNOWN = {"name": "c", "skip_reason": "Dependency not found on PyPI"}


@pytest.mark.parametrize(
    ("answer", "code", "sentence"),
    [
        ([GOOD, UNKNOWN], 0, "1 of 2 packages looked up, 0 with known faults"),
        ([GOOD, FAULTY], 1, "b 2.0: PYSEC-2026-1; fixed in: 2.1"),
        ([UNKNOWN], 0, "no index knew any of the packages: nothing was looked up"),
        (None, 0, "no index answered: nothing was looked up"),
    ],
)
def test_what_is_known_of_the_pins_is_told(
    answer: list[dict[str, Any]] | None,
    code: int,
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    program = tmp_path / "pip-audit"
    said = json.dumps({"dependencies": answer, "fixes": []}) if answer else "Traceback"
    program.write_text(f"#!/bin/sh\necho \"$*\" >'{tmp_path}/called'\necho '{said}'\nexit {code}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert audit([Path("requirements.txt")]) == code
    spoken = capfd.readouterr()
    assert sentence in spoken.out + spoken.err
    assert "-r requirements.txt --require-hashes" in (tmp_path / "called").read_text()


def test_where_there_is_no_pip_audit_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert audit([]) == 0
    assert "pip-audit is not installed" in capfd.readouterr().out
