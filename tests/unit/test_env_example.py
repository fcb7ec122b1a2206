"""``.env.example`` is the manual of the settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.layout import ROOT
from local.services import SERVICES
from local.settings import ComposeSettings, LocalSettings
from spindle.settings import Settings, load
from tools.env_example import env_example

KINDS = [Settings, LocalSettings, ComposeSettings, *(each.settings_type() for each in SERVICES)]


def test_the_committed_file_is_made_from_the_settings() -> None:
    """python -m tools env-example > .env.example."""
    assert (ROOT / ".env.example").read_text() == env_example()


@pytest.mark.parametrize("kind", KINDS)
def test_every_setting_is_in_it_and_described(kind: type[Settings]) -> None:
    lines = env_example().splitlines()
    for name, field in kind.model_fields.items():
        assert field.description, name
        assert any(line.startswith(f"#{name.upper()}=") for line in lines), name


@pytest.mark.parametrize("kind", KINDS)
def test_taking_every_comment_away_changes_nothing(
    kind: type[Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is shown as the default is read back as the default."""
    for name in kind.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    plain = load(kind)
    lines = [line[1:] for line in env_example().splitlines() if not line.startswith("##")]
    (tmp_path / ".env").write_text("\n".join(lines))
    assert load(kind) == plain


def test_no_line_is_longer_than_a_screen() -> None:
    assert max(len(line) for line in env_example().splitlines()) <= 100
