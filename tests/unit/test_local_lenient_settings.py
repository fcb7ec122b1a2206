"""Settings with mistakes do not stand in the way of stop, status and logs."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from local import layout
from local.layout import Home
from local.processes import lenient_settings, pipeline, running
from local.processes.supervisor import Control
from local.settings import LocalSettings
from spindle.errors import InvalidSettings
from spindle.settings import load


@pytest.fixture(autouse=True)
def _a_folder_and_an_environment_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(layout, "ROOT", tmp_path)
    monkeypatch.setattr(running, "homes", lambda: [Home(Path("/where/it/runs"))])
    own = {name.upper() for name in LocalSettings.model_fields}
    monkeypatch.setattr(os, "environ", {n: v for n, v in os.environ.items() if n not in own})


def test_what_is_wrong_has_its_default_and_what_is_right_counts() -> None:
    Path(".env").write_text("NATS_PORT=many\nSPINDLE_HOME=here\nSTOP_TIMEOUT_SECONDS=7\n")
    settings, found, mistakes = lenient_settings.load_local()
    assert (settings.nats_port, settings.stop_timeout_seconds) == (4222, 7)
    assert found.folder == Path("here").resolve()
    assert [mistake.partition(":")[0] for mistake in mistakes] == ["NATS_PORT"]


def test_where_nothing_is_wrong_nothing_is_said() -> None:
    assert lenient_settings.load_local()[2] == []


@pytest.mark.parametrize("folder", ["file", "file/below", "~nobody-of-that-name/x"])
def test_where_spindle_home_cannot_be_a_folder_that_of_what_runs_counts(folder: str) -> None:
    Path("file").write_text("")
    Path(".env").write_text(f"SPINDLE_HOME={folder}\n")
    _, found, [mistake] = lenient_settings.load_local()
    assert found.folder == Path("/where/it/runs")
    assert mistake.startswith("SPINDLE_HOME: ")


def test_a_file_that_is_no_text_is_one_mistake() -> None:
    Path(".env").write_bytes(b"LOG_LEVEL=info\n\xff\n")
    with pytest.raises(InvalidSettings, match=r"\.env: holds the byte 0xff, expected UTF-8"):
        load(LocalSettings)
    settings, _, mistakes = lenient_settings.load_local()
    assert settings.log_level == "info"
    assert len(mistakes) == 1


def test_a_file_that_may_not_be_read_is_one_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("LOG_LEVEL=debug\n")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), ".env")

    monkeypatch.setattr("dotenv.main.DotEnv._get_stream", refuse)
    settings, _, mistakes = lenient_settings.load_local()
    assert mistakes == [".env: Permission denied"]
    assert settings.log_level == "info"


def test_pages_follow_the_settings_where_nothing_runs() -> None:
    Path(".env").write_text("NATS_PORT=4333\nWRITER_HTTP_PORT=x\nREADER_HTTP_PORT=9999\n")
    settings, found, _ = lenient_settings.load_local()
    pages, mistakes = lenient_settings.pages(settings, found)
    assert pages["nats"] == "http://127.0.0.1:8222/healthz"
    assert pages["reader"] == "http://127.0.0.1:9999/healthz"
    assert pages["writer"] == "http://127.0.0.1:9102/healthz"
    assert [mistake.partition(":")[0] for mistake in mistakes] == ["WRITER_HTTP_PORT"]


def test_pages_of_what_runs_are_those_it_was_started_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Home(tmp_path / "home")
    made.make()
    pipeline.write_pages(made, {"writer": "http://127.0.0.1:1/healthz"})
    monkeypatch.setattr(Control, "pid", lambda self: 1)
    pages, _ = lenient_settings.pages(load(LocalSettings), made)
    assert pages == {"writer": "http://127.0.0.1:1/healthz"}
