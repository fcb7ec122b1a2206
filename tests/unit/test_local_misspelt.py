"""Names in ``.env`` and in the environment that are no settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.settings import LocalSettings, misspelt
from tests.servers import ROOT


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "READER_STALE_SECOND=5",
            "READER_STALE_SECOND is no setting, did you mean READER_STALE_SECONDS?",
        ),
        ("gateway_port=1", "GATEWAY_PORT is no setting, did you mean GATEWAY_HTTP_PORT?"),
        ("STORE_UR=x", "STORE_UR is no setting, did you mean STORE_URL?"),
        ("SPINDLE_XYZZY=1", "SPINDLE_XYZZY is no setting"),
        ("NATS_PASSWORD_FILE=x", ""),
        ("COMPOSE_PROJECT_NAME=x", ""),
        ("SOMEBODY_ELSES=x", ""),
        ("# and\nNATS PORT=5", "line 2 of .env is no NAME=VALUE"),
        ("=5", "line 1 of .env is no NAME=VALUE"),
        (f"{next(iter(LocalSettings.REMOVED))}=1", ""),
    ],
)
def test_a_name_of_the_file_that_is_no_setting_is_told_with_the_nearest(
    tmp_path: Path, line: str, said: str
) -> None:
    (tmp_path / ".env").write_text(f"{line}\nNATS_PORT=4222\n")
    assert misspelt(tmp_path / ".env") == said


def test_every_setting_of_the_example_is_one(tmp_path: Path) -> None:
    text = (ROOT / ".env.example").read_text()
    (tmp_path / ".env").write_text(text.replace("\n#", "\n"))
    assert misspelt(tmp_path / ".env") == ""


def test_in_the_environment_only_what_differs_by_a_letter_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_PORT", "tcp://10.0.0.1:80")
    assert misspelt(tmp_path / ".env") == ""
    monkeypatch.setenv("READER_STALE_SECOND", "5")
    assert misspelt(tmp_path / ".env").startswith("READER_STALE_SECOND is no setting")
