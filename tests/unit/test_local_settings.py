"""``.env`` is read by one parser: run.sh, services and compose see the same values."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.environment import environment
from local.settings import LocalSettings, setting
from spindle.errors import InvalidSettings
from spindle.settings import load


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("SPINDLE_HOME=${HOME}/spindle", "/home/u/spindle"),
        ('SPINDLE_HOME="pa\\"ss"', 'pa"ss'),
        ("\ufeffSPINDLE_HOME=bom", "bom"),
        ("spindle_home=lower", "lower"),
        ("'SPINDLE_HOME'=quoted", "quoted"),
        ("export SPINDLE_HOME = spaced # a comment", "spaced"),
        ("SPINDLE_HOME='a #b' # c", "a #b"),
        ("SPINDLE_HOME=with#sharp", "with#sharp"),
        ("SPINDLE_HOME=first\nSPINDLE_HOME=last", "last"),
        ('SPINDLE_HOME="two\nlines"', "two\nlines"),
        ("SPINDLE_HOME=do$llar", "do$llar"),
    ],
)
@pytest.mark.fault("h18")
def test_run_sh_and_the_services_read_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, value: str
) -> None:
    monkeypatch.setenv("HOME", "/home/u")
    monkeypatch.delenv("SPINDLE_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(text + "\n")
    assert environment(tmp_path / ".env")["SPINDLE_HOME"] == value
    assert load(LocalSettings).spindle_home == value


def test_the_environment_wins_unless_it_is_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("NATS_PORT=1\n")
    monkeypatch.setenv("NATS_PORT", "")
    assert environment(tmp_path / ".env")["NATS_PORT"] == "1"
    monkeypatch.setenv("NATS_PORT", "2")
    assert environment(tmp_path / ".env")["NATS_PORT"] == "2"


def test_a_variable_that_is_not_set_is_no_part_of_a_secret(tmp_path: Path) -> None:
    """It would be left out without a word."""
    file = tmp_path / ".env"
    file.write_text("GATEWAY_TOKEN='abc${def}ghi'\nLOG_LEVEL=${level:-info}\nOTHER=$x$\n")
    with pytest.raises(InvalidSettings) as caught:
        environment(file)
    (mistake,) = caught.value.mistakes
    assert mistake.startswith("GATEWAY_TOKEN: ${def} in .env is the value of a variable that is")
    assert "abc" not in mistake
    assert "GATEWAY_TOKEN_FILE" in mistake
    file.write_text("def=x\nGATEWAY_TOKEN='abc${def}ghi'\nOTHER=a$b\n")
    assert environment(file)["GATEWAY_TOKEN"] == "abcxghi"
    assert environment(file)["OTHER"] == "a$b"


def test_a_default_is_that_of_the_settings_class() -> None:
    assert setting({}, "RETENTION_HOURS") == "168"
    assert setting({}, "WRITER_HTTP_PORT") == "9102"
    assert setting({}, "INFLUXDB_INIT_PASSWORD") == "MyStrongPassword888"
    assert setting({"RETENTION_HOURS": "1.5"}, "RETENTION_HOURS") == "1.5"
