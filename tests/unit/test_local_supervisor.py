"""supervisord's configuration survives what folders may be called."""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from supervisor.options import ServerOptions  # type: ignore[import-untyped]

from local.layout import Home, UnsafeFolder
from local.processes.supervisor import Control, Program, config

NAMES = [
    "plain",
    "with space",
    "per%cent",
    "semi ;colon",
    "number #1",
    'dou"ble',
    "dollar $HOME",
    "[markup]",
    "quo'te",
    "uml\N{LATIN SMALL LETTER A WITH DIAERESIS}ut",
]


@pytest.mark.parametrize("name", NAMES)
def test_supervisord_reads_back_what_was_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """By its own parser."""
    home = Home(tmp_path / name)
    home.make()
    program = Program(
        "writer",
        '"$SPINDLE_PYTHON" -m writer',
        priority=1,
        stop_seconds=7,
        log_max_bytes=1000,
        log_backups=2,
        environment={"NATS_PASSWORD": "p1"},
    )
    home.supervisor_config.write_text(config(home, [program]))
    monkeypatch.chdir(home.run)
    options = ServerOptions()
    options.realize(["-c", str(home.supervisor_config)])
    (group,) = options.process_group_configs
    (made,) = group.process_configs
    assert Path(made.stdout_logfile).resolve() == home.log_file("writer")
    assert shlex.split(made.command) == [
        "/bin/sh",
        "-c",
        'cd "$SPINDLE_ROOT" && exec "$SPINDLE_PYTHON" -m writer',
    ]
    assert made.environment == {"NATS_PASSWORD": "p1"}
    assert made.stopwaitsecs == 7
    assert options.pidfile == str(home.pid_file)


def test_a_deep_folder_gets_a_short_socket_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unix socket paths end at about 100 bytes; two checkouts never share one."""
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        monkeypatch.setenv("XDG_RUNTIME_DIR", short)
        deep = Home(tmp_path / ("d" * 100) / "one")
        other = Home(tmp_path / ("d" * 100) / "two")
        assert len(os.fsencode(deep.socket())) < 100
        assert deep.socket() != other.socket()
        deep.make()
        assert deep.socket().parent.stat().st_mode & 0o777 == 0o700


def test_a_socket_folder_planted_by_a_link_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else somebody else could answer for supervisord."""
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        monkeypatch.setenv("XDG_RUNTIME_DIR", short)
        deep = Home(tmp_path / ("d" * 100))
        deep.socket().parent.symlink_to(tmp_path)
        with pytest.raises(UnsafeFolder):
            deep.make()


@pytest.mark.parametrize(
    ("seconds", "status", "sentence"),
    [
        (0.1, 0, "writer stopped"),
        (0.1, -1, "writer stopped"),  # by SIGTERM, before it had a handler for it
        (7.2, 0, "writer stopped"),
        (7.2, -1, "writer did not end within 7 s (STOP_TIMEOUT_SECONDS) and was killed"),
    ],
)
def test_a_program_that_had_to_be_killed_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, status: int, sentence: str
) -> None:
    """By what it was started with, whatever the setting is by now."""
    home = Home(tmp_path)
    home.make()
    program = Program("writer", "x", priority=1, stop_seconds=7, log_max_bytes=1, log_backups=0)
    home.supervisor_config.write_text(config(home, [program]))
    clock: Iterator[float] = iter([100.0, 100.0 + seconds])
    monkeypatch.setattr("local.processes.supervisor.time.monotonic", lambda: next(clock, 0.0))

    def answer(self: Control, method: str, *arguments: Any, ignore: object = ()) -> Any:
        return {"exitstatus": status} if method == "supervisor.getProcessInfo" else True

    monkeypatch.setattr(Control, "_call", answer)
    assert Control(home).stop("writer") == sentence
