"""What every service shares: what is taken, and what is named as a mistake."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pytest

from spindle.errors import InvalidSettings
from spindle.settings import Settings, load, removed_but_set


@pytest.mark.parametrize(
    "url",
    [
        "nats://127.0.0.1:4222",
        "nats://a:4222, nats://b:4222,",
        "localhost",
        "nats:4222",
        "tls://user:pass@nats.example",
        "nats://[::1]:4222",
        "wss://nats.example:443",
    ],
)
def test_nats_may_be_one_server_or_several(url: str) -> None:
    assert load(Settings, nats_url=url).nats_url == url


@pytest.mark.parametrize(
    "url", ["nats://127.0.0.1:notaport", "nats://", "http://x:4222", "nats://a:99999", "a b", ","]
)
def test_an_address_that_can_never_answer_is_a_mistake_and_not_waited_for(url: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        load(Settings, nats_url=url)
    [mistake] = caught.value.mistakes
    assert mistake.startswith(f"NATS_URL: given {url!r}, expected nats://host:port")


def test_a_password_in_a_wrong_address_is_not_repeated() -> None:
    with pytest.raises(InvalidSettings) as caught:
        load(Settings, nats_url="nats://jo:secret@host:port")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("number", ["inf", "nan", "1e999"])
def test_a_number_that_is_not_finite_is_a_mistake(number: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        load(Settings, store_timeout_seconds=number, retention_hours=number)
    assert len(caught.value.mistakes) == 2
    assert all("expected a finite number" in mistake for mistake in caught.value.mistakes)


@pytest.mark.parametrize("copies", ["1", "3", "5"])
def test_a_stream_may_have_one_copy_or_three_or_five(copies: str) -> None:
    assert load(Settings, stream_replicas=copies).stream_replicas == int(copies)


@pytest.mark.parametrize("copies", ["2", "4", "0", "-1", "7"])
def test_other_numbers_of_copies_are_refused_with_those_allowed(copies: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        load(Settings, stream_replicas=copies)
    assert caught.value.mistakes == (f"STREAM_REPLICAS: given {copies!r}, expected 1, 3 or 5",)


class Former(Settings):
    """A class with settings that are gone."""

    REMOVED: ClassVar[Mapping[str, str]] = {
        "SPINDLE_TEST_GONE": "a constant now",
        "SPINDLE_TEST_OTHER": "follows RETENTION_HOURS",
    }


def test_former_settings_that_are_still_set_are_named_with_what_replaces_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert removed_but_set(Former) == ""
    monkeypatch.setenv("spindle_test_gone", "1")
    (tmp_path / ".env").write_text("SPINDLE_TEST_OTHER=x\n")
    assert removed_but_set(Settings, Former) == (
        "settings that no longer exist are still set: SPINDLE_TEST_GONE (a constant now), "
        "SPINDLE_TEST_OTHER (follows RETENTION_HOURS)"
    )


def test_a_secret_may_come_from_a_file_without_its_line_break(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret").write_text("s3cret\n")
    monkeypatch.setenv("NATS_PASSWORD_FILE", str(tmp_path / "secret"))
    (tmp_path / ".env").write_text("INFLUXDB_TOKEN_FILE=secret\n")
    settings = load(Settings)
    assert settings.nats_password.get_secret_value() == "s3cret"
    assert settings.influxdb_token.get_secret_value() == "s3cret"
    (tmp_path / "secret").write_bytes(b"s3cret\r\n")
    assert load(Settings).nats_password.get_secret_value() == "s3cret"


def test_a_secret_and_a_file_of_it_are_refused_and_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whichever won, somebody would wonder which of the two it is."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret").write_text("s3cret\n")
    monkeypatch.setenv("NATS_PASSWORD_FILE", str(tmp_path / "secret"))
    (tmp_path / ".env").write_text("NATS_PASSWORD=other\n")
    with pytest.raises(InvalidSettings) as refused:
        load(Settings)
    assert str(refused.value) == (
        "NATS_PASSWORD_FILE: NATS_PASSWORD is set too; a secret is set by itself or by a file"
    )
    monkeypatch.setenv("NATS_PASSWORD", "")
    (tmp_path / ".env").unlink()
    assert load(Settings).nats_password.get_secret_value() == "s3cret"


@pytest.mark.parametrize("content", ["", "\n", "\r\n"])
def test_an_empty_secrets_file_is_no_empty_secret(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str
) -> None:
    """A gateway would let everybody in."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret").write_text(content)
    monkeypatch.setenv("NATS_PASSWORD_FILE", "secret")
    with pytest.raises(InvalidSettings, match=r"^NATS_PASSWORD_FILE: secret: it is empty; leave"):
        load(Settings)


def test_a_secrets_file_that_is_not_there_is_named_with_its_setting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NATS_PASSWORD_FILE", "nowhere")
    with pytest.raises(InvalidSettings, match=r"^NATS_PASSWORD_FILE: nowhere: No such file"):
        load(Settings)
